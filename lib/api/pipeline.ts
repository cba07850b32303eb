import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { setImmediate } from '../base/clock.js'
import { LazyDuplex } from '../base/lazy-streams.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { unpooledChunk } from '../base/unpooled-memory.js'
import { reportUncaught } from '../base/user-code.js'
import { pointAtCaller } from '../errors/caller.js'
import { requireFunction } from '../errors/option-checks.js'
import { InvalidReturnValueError, markSluiceOwned, RequestAbortedError } from '../errors.js'
import { streamError } from '../exchange/abort-errors.js'
import { copyChunk } from '../exchange/body-chunks.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import { bindToAsyncContext } from './async-context.js'
import { BodyReadable } from './body.js'
import { type BodySource, sourceOf } from './body-source.js'
import { type DispatchTarget, refuseOtherDispatcher } from './dispatch-target.js'
import type { PipelineHandler } from './documented.js'
import { checkRequestOptions, headersFor, type RequestOptions } from './request.js'
import { AbortLink } from './signal.js'

/** Options of `pipeline`. Source: undici's `Dispatcher.md`. */
export interface PipelineOptions<Opaque = null> extends RequestOptions<Opaque> {
  /** Whether the stream that the handler returns is in object mode. Default: false. */
  objectMode?: boolean
}

/** Stream that the handler returned: a Readable, or an old-style stream without some of these methods. */
interface Result {
  on(event: string, listener: (value: never) => void): unknown
  pause?(): unknown
  resume?(): unknown
  destroy?(error?: Error): unknown
  readonly readableEnded?: boolean
  readonly destroyed?: boolean
  readonly errored?: Error | null
}

/** Duplex of `pipeline`: receives the request body, and yields the data of the handler's stream. */
class PipelineDuplex<Opaque> extends LazyDuplex implements DispatchHandler {
  readonly request = new (builtinModule('node:stream').PassThrough)()
  readonly #options: PipelineOptions<Opaque>
  readonly #handler: PipelineHandler<Opaque>
  readonly #link: AbortLink | null
  #controller: DispatchController | null = null
  #context: object = {}
  #body: BodyReadable | null = null
  /** Whether the handler destroyed the body before the response ended; later errors of the response are ignored. */
  #bodyReleased = false
  #result: Result | null = null
  #resultEnded = false
  #writeCallback: (() => void) | null = null

  constructor(options: PipelineOptions<Opaque>, handler: PipelineHandler<Opaque>) {
    super(unpollutedRequest({ readableObjectMode: options.objectMode === true, autoDestroy: true }))
    this.#options = options
    this.#handler = bindToAsyncContext(handler)
    this.#link = AbortLink.to(options.signal)
    this.#link?.bind(this)
    this.request.on('error', (error) => {
      if (!this.#bodyReleased) this.destroy(streamError(error))
    })
    this.request.on('drain', () => this.#resumeWriting())
    // After the response, the rest of the request body is discarded.
    this.request.on('close', () => this.#resumeWriting())
  }

  /** Aborts the request for its signal, which may fire before the request has a controller. */
  abort(reason: unknown): void {
    this.#controller?.abort(reason as Error)
    this.destroy(streamError(reason))
  }

  get abortReason(): unknown {
    return this.#link?.reason ?? null
  }

  onRequestQueued(controller: DispatchController): void {
    this.onRequestStart(controller, null)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller = controller
    if (typeof context === 'object' && context !== null) this.#context = context
    if (this.destroyed) controller.abort(this.errored ?? markSluiceOwned(new RequestAbortedError()))
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders): void {
    const options = this.#options
    const shown = headersFor(options, controller, headers)
    if (statusCode < 200) {
      options.onInfo?.({ statusCode, headers: shown })
      return
    }
    const body = new BodyReadable(this.#sourceOf(controller), headers, options.highWaterMark)
    this.#body = body
    const opaque = (options.opaque ?? null) as Opaque
    const data = { statusCode, headers: shown, opaque, body, context: this.#context }
    const result = this.#handler(data) as unknown as Result
    if (typeof result?.on !== 'function')
      throw markSluiceOwned(new InvalidReturnValueError('handler must return a Readable'))
    this.#result = result
    this.#follow(result)
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#body?.feed(chunk)
  }

  onResponseEnd(): void {
    this.#link?.unbind()
    this.#body?.finish()
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#link?.unbind()
    const unwanted = this.#bodyReleased && (this.#body as unknown) !== this.#result
    if (unwanted) return reportThrown(error)
    const { abortReason } = this
    const reason = abortReason ?? pointAtCaller(error)
    const received = this.#body?.fail(reason) || !this.destroyed
    if (!received && abortReason === null) reportThrown(error, this.errored)
    this.destroy(streamError(reason))
  }

  #sourceOf(controller: DispatchController): BodySource {
    const source = sourceOf(controller)
    return {
      ...source,
      abort: (reason) => {
        this.#bodyReleased = true
        source.abort(reason)
      },
    }
  }

  #follow(result: Result): void {
    result.on('error', (error: Error) => void this.destroy(streamError(error)))
    result.on('end', () => this.#endResult())
    result.on('close', () => {
      if (!this.#resultEnded)
        this.destroy(
          markSluiceOwned(new RequestAbortedError('The stream that the handler returned closed before it ended')),
        )
    })
    result.on('data', (chunk: unknown) => {
      if (!this.#resultEnded && !this.push(chunk)) result.pause?.()
    })
    // A stream that has already ended emits no more events.
    if (result.readableEnded === true) this.#endResult()
    else if (result.errored) this.destroy(streamError(result.errored))
    else if (result.destroyed === true)
      this.destroy(markSluiceOwned(new RequestAbortedError('The handler returned a destroyed stream')))
  }

  #endResult(): void {
    if (this.#resultEnded) return
    this.#resultEnded = true
    this.push(null)
  }

  /** Returns data in unpooled memory, as a response body does. */
  override read(size?: number): unknown {
    return unpooledChunk(super.read(size))
  }

  override _read(): void {
    this.#result?.resume?.()
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, callback: () => void): void {
    // A source that ignores backpressure must not block the event loop while its data is discarded.
    if (this.request.destroyed) return void setImmediate(callback)
    // A copy, because the caller may overwrite the chunk after the callback, while the request is queued.
    if (this.request.write(copyChunk(chunk), encoding)) return callback()
    this.#writeCallback = callback
  }

  #resumeWriting(): void {
    const written = this.#writeCallback
    this.#writeCallback = null
    written?.()
  }

  override _final(callback: () => void): void {
    if (!this.request.destroyed) this.request.end()
    callback()
  }

  /** Closes the request, the body and the handler's stream, whichever ended first. */
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const reason = error ?? (this.readableEnded ? null : markSluiceOwned(new RequestAbortedError()))
    if (reason === null) this.#body?.release()
    else {
      this.#controller?.abort(reason)
      if (this.#result?.destroyed !== true) this.#result?.destroy?.(reason)
      this.#body?.destroy(reason)
      this.request.destroy()
    }
    // While the handler still reads the body, the signal stays linked, because nothing else can abort it.
    if (reason !== null || this.#body?.destroyed !== false) this.#link?.unbind()
    callback(reason)
  }
}

/**
 * Sends a request and returns a Duplex: data written to it is the request body, data read from it comes from the stream
 * that `handler` returns. Invalid arguments are reported by an `'error'` event, as in undici.
 */
export function pipeline<Opaque = null>(
  target: DispatchTarget,
  given: PipelineOptions<Opaque>,
  handler: PipelineHandler<Opaque>,
): Duplex {
  let duplex: PipelineDuplex<Opaque> | null = null
  try {
    const options = unpollutedRequest(given)
    checkRequestOptions(options)
    refuseOtherDispatcher(target, options)
    requireFunction('handler', handler)
    duplex = new PipelineDuplex(options, handler)
    if (!duplex.destroyed) target.dispatch({ ...options, body: duplex.request }, duplex)
    return duplex
  } catch (error) {
    if (duplex?.destroyed && duplex.abortReason === null && duplex.errored !== error) reportUncaught(error)
    return (duplex ?? new (builtinModule('node:stream').PassThrough)()).destroy(streamError(pointAtCaller(error)))
  }
}
