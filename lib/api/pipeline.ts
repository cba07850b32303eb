import type { Duplex, Readable } from 'node:stream'
import { builtin } from '../base/builtin.js'
import { setImmediate } from '../base/clock.js'
import { LaterDuplex } from '../base/streams.js'
import { InvalidReturnValueError, invalidOption, RequestAbortedError } from '../errors.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import { BodyReadable, sourceOf } from './body.js'
import type { PipelineHandler } from './documented.js'
import { checkRequestOptions, headersFor, type RequestOptions } from './request.js'
import { inScope } from './scope.js'
import { AbortLink } from './signal.js'
import type { DispatchTarget } from './target.js'

export interface PipelineOptions<Opaque = null> extends RequestOptions<Opaque> {
  /** What the handler returns is a stream of objects. Default: false. */
  objectMode?: boolean
}

/** The duplex that the caller writes the request body into and reads the handler's stream from. */
class PipelineDuplex<Opaque> extends LaterDuplex implements DispatchHandler {
  readonly request = new (builtin('node:stream').PassThrough)()
  readonly #options: PipelineOptions<Opaque>
  readonly #handler: PipelineHandler<Opaque>
  readonly #link: AbortLink | null
  #controller: DispatchController | null = null
  #context: object = {}
  #body: BodyReadable | null = null
  #result: Readable | null = null
  #written: (() => void) | null = null

  constructor(options: PipelineOptions<Opaque>, handler: PipelineHandler<Opaque>) {
    super({ readableObjectMode: options.objectMode === true, autoDestroy: true })
    this.#options = options
    this.#handler = inScope(handler)
    this.#link = AbortLink.to(options.signal)
    this.request.on('error', (error) => this.destroy(error))
    this.request.on('drain', () => this.#writeOn())
    // A server that has answered wants no more of the body: the rest is dropped.
    this.request.on('close', () => this.#writeOn())
  }

  get abortReason(): Error | null {
    return this.#link?.reason ?? null
  }

  onRequestQueued(controller: DispatchController): void {
    this.#controller = controller
    this.#link?.bind(controller)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller = controller
    if (typeof context === 'object' && context !== null) this.#context = context
    this.#link?.bind(controller)
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders): void {
    const options = this.#options
    const shown = headersFor(options, controller, headers)
    if (statusCode < 200) {
      options.onInfo?.({ statusCode, headers: shown })
      return
    }
    const body = new BodyReadable({ source: sourceOf(controller) })
    this.#body = body
    const opaque = (options.opaque ?? null) as Opaque
    const result = this.#handler({ statusCode, headers: shown, opaque, body, context: this.#context })
    if (typeof result?.on !== 'function') throw new InvalidReturnValueError('handler must return a Readable')
    this.#result = result
    result.on('data', (chunk) => {
      if (!this.push(chunk)) result.pause()
    })
    result.on('end', () => this.push(null))
    result.on('error', (error) => this.destroy(error))
    result.on('close', () => {
      if (!result.readableEnded) this.destroy(new RequestAbortedError())
    })
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
    this.#body?.fail(error)
    this.destroy(error)
  }

  override _read(): void {
    this.#result?.resume()
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, callback: () => void): void {
    // A source that never waits must not keep the event loop to itself while it is dropped.
    if (this.request.destroyed) return void setImmediate(callback)
    if (this.request.write(chunk, encoding)) return callback()
    this.#written = callback
  }

  #writeOn(): void {
    const written = this.#written
    this.#written = null
    written?.()
  }

  override _final(callback: () => void): void {
    if (!this.request.destroyed) this.request.end()
    callback()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#link?.unbind()
    const unfinished = !this.readableEnded
    const reason = error ?? (unfinished ? new RequestAbortedError() : null)
    if (reason !== null) {
      this.#controller?.abort(reason)
      this.#result?.destroy(reason)
      this.#body?.destroy(reason)
      this.request.destroy()
    }
    callback(reason)
  }
}

/**
 * A duplex over one request: what is written is its body, what `handler` returns can be read.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function pipeline<Opaque = null>(
  target: DispatchTarget,
  options: PipelineOptions<Opaque>,
  handler: PipelineHandler<Opaque>,
): Duplex {
  checkRequestOptions(options)
  if (typeof handler !== 'function') throw invalidOption('handler', 'a function', handler)
  const duplex = new PipelineDuplex(options, handler)
  if (duplex.abortReason !== null) return duplex.destroy(duplex.abortReason)
  try {
    target.dispatch({ ...options, body: duplex.request }, duplex)
  } catch (error) {
    duplex.destroy(error as Error)
  }
  return duplex
}
