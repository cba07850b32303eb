import type { AsyncResource } from 'node:async_hooks'
import type { Duplex, Readable } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { now, setImmediate } from '../base/clock.js'
import type { QueueNode } from '../base/queue.js'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import { markCallerFault } from '../errors/faults.js'
import {
  addErrorContext,
  type ErrorContext,
  markCallerOwned,
  nonNullError,
  type Phase,
  UNSENT_CONTEXT,
} from '../errors.js'
import { abortReasonOf, destroyedErrorOf } from './abort-errors.js'
import { BodyStream, checkStream, isStream } from './body-stream.js'
import { checkTimeouts, Deadlines, type TimeLimitedRequest, type TimeLimits, timeLimitsOf } from './deadlines.js'
import { ForeignController } from './foreign-controller.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'
import { safeContextOf, takeInterceptorError } from './reject-request.js'
import type { DispatchInput, DispatchOptions } from './request.js'
import { WrappingHandler } from './wrapping-handler.js'

/** What has a {@link ForeignRequest}: the queue of a pool, then the record of a dispatcher's requests. */
export interface ForeignRequestOwner {
  /** The dispatcher handed it to a connection. */
  onForeignStart(request: ForeignRequest): void
  /** It ends: the handler is called for the last time after this. */
  onForeignEnding(request: ForeignRequest): void
  onForeignEnded(request: ForeignRequest): void
  /** The handler threw in its last callback. */
  onHandlerError(error: unknown): void
}

/** Where a request goes and what limits it has by default. */
export interface ForeignDefaults {
  readonly origin: string
  readonly limits?: TimeLimits | null | undefined
}

interface DispatchTarget {
  dispatch(options: DispatchOptions, handler: DispatchHandler): unknown
}

/**
 * A request for a dispatcher that may do with it what it likes: one of another library, or one under interceptors. It
 * stands between that dispatcher and the handler, and makes sure that the handler is told of one end, in time: abort,
 * limits and a failing body hold although the dispatcher does not know of the request yet, or does not react.
 */
export class ForeignRequest
  extends WrappingHandler
  implements DispatchHandler, QueueNode<ForeignRequest>, TimeLimitedRequest
{
  previous: ForeignRequest | null = null
  next: ForeignRequest | null = null
  queue: unknown = null
  owner: ForeignRequestOwner | null = null
  /** The handler was told of the end. */
  done = false
  /** The dispatcher handed it to a connection. */
  sent = false
  readonly deadlines: Deadlines | null
  /** How a dispatcher of ours gives its controller before it starts; absent when nothing could end the request then. */
  readonly onRequestQueued: ((controller: DispatchController) => void) | undefined
  protected readonly handler: DispatchHandler
  readonly #options: DispatchInput
  readonly #controller: DispatchController
  #removeErrorListener: (() => void) | null = null
  /** Of the dispatcher. */
  #dispatcherController: DispatchController | null = null
  #notifiesQueued: boolean
  #paused = false
  #reason: unknown
  /** The caller aborted it, or its handler threw: its failure needs no further report. */
  #cancelled = false
  #phase: Phase = 'queued'
  /** The async context in which it was sent. */
  #asyncResource: AsyncResource | null = null

  /** @throws {InvalidArgumentError} the handler or a limit is not what is documented */
  constructor(
    options: DispatchInput,
    handler: DispatchHandler | LegacyDispatchHandler,
    { origin, limits = null }: ForeignDefaults,
  ) {
    super(handler)
    const { method, upgrade, timeouts, body } = options
    this.handler = adaptHandler(handler, method === 'CONNECT' || (upgrade != null && upgrade !== false))
    const own = timeouts == null ? limits : timeLimitsOf(checkTimeouts(timeouts), limits)
    this.#options = own === null || own.total === 0 ? { ...options, origin } : withTotalTimeout(options, origin, own)
    if (isStream(body)) this.#claimStream(body)
    // Nothing throws from here on: a request that is refused has no alarm left.
    this.deadlines = own === null ? null : new Deadlines(this, own)
    this.#notifiesQueued = this.handler.onRequestQueued !== undefined
    this.#controller = new ForeignController(this)
    const mayEnd = this.#notifiesQueued || own !== null || isStream(body)
    this.onRequestQueued = mayEnd ? (controller) => this.#setController(controller) : undefined
  }

  /** See {@link DispatchHandler}. */
  get borrowsChunks(): boolean {
    return this.handler.borrowsChunks === true
  }

  // What its holder calls

  /** It waits: it stays in the async context in which it was sent. */
  onQueued(): void {
    this.#asyncResource = new (builtinModule('node:async_hooks').AsyncResource)('sluice.queued')
    this.notifyQueued()
  }

  /** Gives the handler a controller, once, unless the dispatcher did so. */
  notifyQueued(): void {
    if (!this.#notifiesQueued || this.sent || this.done) return
    this.#notifiesQueued = false
    try {
      this.handler.onRequestQueued?.(this.#controller)
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  /** Returns what the dispatcher returns. `own`: it keeps a stream from flowing until that can be sent. */
  dispatchTo(dispatcher: DispatchTarget, own: boolean): unknown {
    const options = this.#options as DispatchOptions
    const { body } = options
    if (own && isStream(body)) BodyStream.of(body).release(this)
    const given = own || !isStream(body) ? options : { ...options, body: this.#toReadable(body) }
    const dispatch = () => dispatcher.dispatch(given as DispatchOptions, this)
    return this.#asyncResource === null ? dispatch() : this.#asyncResource.runInAsyncScope(dispatch)
  }

  /** Ends it with an error of sluice, once. */
  fail(error: Error, context: ErrorContext): void {
    if (this.done) return
    this.#setDone()
    this.#notifyError(this.#addContext(error, context))
  }

  /** Fails it with what `dispatch` threw, perhaps after the dispatcher had accepted the request. */
  failUnsent(error: Error): void {
    this.fail(error, UNSENT_CONTEXT)
    callUserCode(() => this.#dispatcherController?.abort(error))
  }

  /** Fails it because its dispatcher was destroyed. */
  failDestroyed(error: Error, context: ErrorContext): void {
    const reason = destroyedErrorOf(error)
    this.fail(reason, context)
    // A member keeps the end of a response for a handler that pauses, and its time limit.
    callUserCode(() => this.#dispatcherController?.abort(reason))
  }

  /** See {@link BodyStreamOwner}. */
  onBodyFailed(error: Error): void {
    markCallerFault(error)
    this.#abortWith(markCallerOwned(error))
  }

  expire(error: Error): void {
    // A dispatcher of ours that has it ends it by itself now, and knows better how far it came.
    if (this.#dispatcherController === null) this.#abortWith(error)
    else setImmediate(() => this.#abortWith(error))
  }

  // What its controller calls

  get phase(): Phase {
    return this.#phase === 'queued' && this.deadlines?.connecting === true ? 'connect' : this.#phase
  }

  get dispatcherController(): DispatchController | null {
    return this.#dispatcherController
  }

  get reason(): unknown {
    return this.#reason ?? this.#dispatcherController?.reason
  }

  get paused(): boolean {
    return this.#dispatcherController?.paused ?? this.#paused
  }

  abort(reason: unknown): void {
    this.#cancelled ||= !this.done
    this.#abortWith(abortReasonOf(reason))
  }

  pause(paused: boolean): void {
    this.#paused = paused
    if (paused) this.#dispatcherController?.pause()
    else this.#dispatcherController?.resume()
  }

  // What the dispatcher calls

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#setController(controller)
    if (this.done) return
    this.onProgress('send')
    try {
      this.handler.onRequestStart?.(this.#controller, context)
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    if (!this.done) this.#dispatcherController = controller
    const { handler } = this
    this.finish(
      () => handler.onRequestUpgrade?.(this.#controller, statusCode, headers, socket),
      () => socket.destroy(),
    )
  }

  onResponseStarted(): void {
    if (this.done) return
    this.onProgress('headers')
    try {
      this.handler.onResponseStarted?.()
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders, text?: string): void {
    if (this.done) return
    this.#dispatcherController = controller
    this.onProgress(statusCode < 200 ? 'headers' : 'body')
    try {
      this.handler.onResponseStart?.(this.#controller, statusCode, headers, text)
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.done) return
    try {
      this.handler.onResponseData?.(this.#controller, chunk)
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    this.finish(() => this.handler.onResponseEnd?.(this.#controller, trailers))
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.finishWithError(error)
  }

  onBodySent(chunk: Buffer): void {
    if (this.done) return
    try {
      this.handler.onBodySent?.(chunk)
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  onRequestSent(): void {
    if (this.done) return
    try {
      this.handler.onRequestSent?.()
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  /** It came so far: from here on the dispatcher watches its body, and no limit of the queue is left. */
  protected onProgress(reached: Phase): void {
    this.#phase = reached
    if (this.sent) return
    this.sent = true
    this.#stopListening()
    this.deadlines?.onSent()
    this.owner?.onForeignStart(this)
  }

  /** Ends it by the last callback but one for errors. `onFailed`: that threw, or nobody is there for what came. */
  protected finish(callback: () => void, onFailed: () => void = () => {}): void {
    if (this.done) return onFailed()
    this.#setDone()
    try {
      callback()
    } catch (error) {
      onFailed()
      return this.#notifyError(markCallerOwned(error) as Error)
    }
    this.owner?.onForeignEnded(this)
  }

  /** The handler may have aborted it before it threw. */
  protected onHandlerThrew(error: unknown): void {
    if (!this.done) this.abort(error)
    else if (this.owner === null) reportUncaught(error)
    else this.owner.onHandlerError(error)
  }

  protected finishWithError(error: Error): void {
    const thrown = takeInterceptorError(error)
    if (this.done) {
      // No caller is left to receive it, unless it is the caller that ended the request.
      if (thrown && !this.#cancelled) reportUncaught(error)
      return
    }
    this.#setDone()
    // The dispatcher knows what to do with what the handler throws.
    if (this.owner === null) this.handler.onResponseError?.(this.#controller, error)
    else this.#notifyError(error)
  }

  #setController(controller: DispatchController): void {
    this.#dispatcherController = controller
    // A dispatcher of another library may give none.
    if (this.done) callUserCode(() => this.#dispatcherController?.abort(this.#reason as Error))
    else if (this.#paused) this.#dispatcherController?.pause()
  }

  /** @throws {InvalidArgumentError} a stream that can not be sent, or its own error */
  #claimStream(stream: Readable): void {
    checkStream(stream)
    BodyStream.of(stream).claim(this)
  }

  #toReadable(stream: Readable): Readable {
    const readable = BodyStream.toReadable(stream)
    const failed = (error: Error) => this.onBodyFailed(error)
    readable.on('error', failed)
    this.#removeErrorListener = () => readable.removeListener('error', failed).on('error', ignore)
    return readable
  }

  #abortWith(reason: unknown): void {
    if (this.done || this.#reason !== undefined) return
    this.#reason = reason
    const error = this.#addContext(reason as Error, { phase: this.phase })
    // It tells of the end by itself, most likely.
    callUserCode(() => this.#dispatcherController?.abort(error))
    this.fail(error, {})
  }

  #addContext(error: Error, context: ErrorContext): Error {
    return addErrorContext(error, { ...context, ...safeContextOf(this.#options) })
  }

  #setDone(): void {
    this.done = true
    this.#stopListening()
    this.deadlines?.stop()
    this.owner?.onForeignEnding(this)
  }

  #stopListening(): void {
    this.#removeErrorListener?.()
    this.#removeErrorListener = null
  }

  #notifyError(error: Error): void {
    try {
      this.handler.onResponseError?.(this.#controller, nonNullError(error))
    } catch (thrown) {
      this.onHandlerThrew(thrown)
    }
    this.owner?.onForeignEnded(this)
  }
}

/** All tries of interceptors share what is left of the time. */
function withTotalTimeout(
  options: DispatchInput,
  origin: string,
  { total, configuredTotal: named }: TimeLimits,
): DispatchInput {
  const { timeouts } = options
  return { ...options, origin, timeouts: { ...timeouts, total: named, deadline: timeouts?.deadline ?? now() + total } }
}

function ignore(): void {}
