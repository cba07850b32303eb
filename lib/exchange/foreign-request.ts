import type { AsyncResource } from 'node:async_hooks'
import type { Duplex, Readable } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { setImmediate } from '../base/clock.js'
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
import {
  checkTimeouts,
  Deadlines,
  type TimeLimitedRequest,
  type TimeLimits,
  timeLimitsOf,
  withTotalTimeout,
} from './deadlines.js'
import { ForeignController } from './foreign-controller.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'
import { safeContextOf } from './reject-request.js'
import type { DispatchInput, DispatchOptions } from './request.js'
import { passError, reportThrown } from './thrown-errors.js'
import { WrappingHandler } from './wrapping-handler.js'

/** Owner of a {@link ForeignRequest}: the queue of a pool, then the outstanding requests of a dispatcher. */
export interface ForeignRequestOwner {
  /** The dispatcher has passed the request to a connection. */
  onForeignStart(request: ForeignRequest): void
  /** The request ends: the last callback of the handler follows. */
  onForeignEnding(request: ForeignRequest): void
  onForeignEnded(request: ForeignRequest): void
  /** The handler threw in its last callback. */
  onHandlerError(error: unknown): void
}

/** Origin of a request, and its default time limits. */
export interface ForeignDefaults {
  readonly origin: string
  readonly limits?: TimeLimits | null | undefined
}

interface DispatchTarget {
  dispatch(options: DispatchOptions, handler: DispatchHandler): unknown
}

/**
 * A request for a dispatcher that sluice does not control: one of another library, or one with interceptors. It wraps
 * the handler and guarantees exactly one last callback, in time: abort, time limits and a failing body take effect even
 * if the dispatcher has not received the request yet, or does not react.
 */
export class ForeignRequest
  extends WrappingHandler
  implements DispatchHandler, QueueNode<ForeignRequest>, TimeLimitedRequest
{
  previous: ForeignRequest | null = null
  next: ForeignRequest | null = null
  queue: unknown = null
  owner: ForeignRequestOwner | null = null
  /** Whether the last callback was called. */
  done = false
  /** Whether the dispatcher has passed the request to a connection. */
  sent = false
  readonly deadlines: Deadlines | null
  /**
   * Receives the controller of a sluice dispatcher before the request starts. Absent if nothing could end the request
   * before.
   */
  readonly onRequestQueued: ((controller: DispatchController) => void) | undefined
  protected readonly handler: DispatchHandler
  readonly #options: DispatchInput
  readonly #controller: DispatchController
  #removeErrorListener: (() => void) | null = null
  /** Controller that the dispatcher passed last. */
  #dispatcherController: DispatchController | null = null
  #notifiesQueued: boolean
  #paused = false
  #reason: unknown
  /** Whether the caller aborted the request or its handler threw: its failure needs no further report. */
  #cancelled = false
  /** Error with which the request has failed. */
  #failure: Error | null = null
  #phase: Phase = 'queued'
  /** Async context in which the request was dispatched. */
  #asyncResource: AsyncResource | null = null

  /** @throws {InvalidArgumentError} the handler or a time limit is invalid */
  constructor(
    options: DispatchInput,
    handler: DispatchHandler | LegacyDispatchHandler,
    { origin, limits = null }: ForeignDefaults,
  ) {
    super(handler)
    const { method, upgrade, timeouts, body } = options
    this.handler = adaptHandler(handler, method === 'CONNECT' || (upgrade != null && upgrade !== false))
    const own = timeouts == null ? limits : timeLimitsOf(checkTimeouts(timeouts), limits)
    this.#options =
      own === null || own.total === 0 ? { ...options, origin } : { ...withTotalTimeout(options, own), origin }
    if (isStream(body)) this.#claimStream(body)
    // Last, because the code above may throw: no alarm must remain for a rejected request.
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

  // Called by the owner

  /** Handles that the request is queued. Keeps the async context in which it was dispatched. */
  onQueued(): void {
    this.#asyncResource = new (builtinModule('node:async_hooks').AsyncResource)('sluice.queued')
    this.notifyQueued()
  }

  /** Passes a controller to the handler by `onRequestQueued`, once, unless the dispatcher has done so. */
  notifyQueued(): void {
    if (!this.#notifiesQueued || this.sent || this.done) return
    this.#notifiesQueued = false
    try {
      this.handler.onRequestQueued?.(this.#controller)
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  /**
   * Dispatches the request, and returns what the dispatcher returns. `own`: the dispatcher pauses a body stream by
   * itself until it can be sent.
   */
  dispatchTo(dispatcher: DispatchTarget, own: boolean): unknown {
    const options = this.#options as DispatchOptions
    const { body } = options
    if (own && isStream(body)) BodyStream.of(body).release(this)
    const given = own || !isStream(body) ? options : { ...options, body: this.#toReadable(body) }
    const dispatch = () => dispatcher.dispatch(given as DispatchOptions, this)
    return this.#asyncResource === null ? dispatch() : this.#asyncResource.runInAsyncScope(dispatch)
  }

  /** Fails the request with an error of sluice, once. */
  fail(error: Error, context: ErrorContext): void {
    if (this.done) return
    this.#setDone()
    const failure = this.#addContext(error, context)
    passError(failure, false, () => this.#notifyError(failure))
  }

  /** Fails the request with an error that `dispatch` threw, perhaps after the dispatcher had accepted the request. */
  failUnsent(error: Error): void {
    this.fail(error, UNSENT_CONTEXT)
    callUserCode(() => this.#dispatcherController?.abort(error))
  }

  /** Fails the request because its dispatcher was destroyed. */
  failDestroyed(error: Error, context: ErrorContext): void {
    const reason = destroyedErrorOf(error)
    this.fail(reason, context)
    // A client keeps a completed response while its handler is paused, with its time limit.
    callUserCode(() => this.#dispatcherController?.abort(reason))
  }

  /** See {@link BodyStreamOwner}. */
  onBodyFailed(error: Error): void {
    markCallerFault(error)
    this.#abortWith(markCallerOwned(error))
  }

  expire(error: Error): void {
    // A sluice dispatcher that has the request fails it by itself now, with a more precise phase.
    if (this.#dispatcherController === null) this.#abortWith(error)
    else setImmediate(() => this.#abortWith(error))
  }

  // Called by the controller

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

  // Called by the dispatcher

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
    if (this.#phase === 'send') this.#phase = 'wait'
    try {
      this.handler.onRequestSent?.()
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }

  /** Records progress. From the start on, the dispatcher watches the body, and the queue timeouts are stopped. */
  protected onProgress(reached: Phase): void {
    this.#phase = reached
    if (this.sent) return
    this.sent = true
    this.#stopListening()
    this.deadlines?.onSent()
    this.owner?.onForeignStart(this)
  }

  /**
   * Calls the last callback of a successful request. `onFailed` is called if it throws or the request has ended
   * already.
   */
  protected finish(callback: () => void, onFailed: () => void = () => {}): void {
    if (this.done) return onFailed()
    this.#setDone()
    try {
      callback()
    } catch (error) {
      onFailed()
      return passError(error, true, () => this.#notifyError(markCallerOwned(error) as Error))
    }
    this.owner?.onForeignEnded(this)
  }

  /** Handles an error that the handler threw, perhaps after it aborted the request. */
  protected onHandlerThrew(error: unknown): void {
    if (!this.done) this.abort(error)
    else if (this.owner === null) reportUncaught(error)
    else this.owner.onHandlerError(error)
  }

  protected finishWithError(error: Error): void {
    if (this.done) {
      // No callback is left to receive the error. If the caller ended the request, it has its own reason.
      if (!this.#cancelled) reportThrown(error, this.#failure)
      return
    }
    this.#setDone()
    this.#failure = error
    // Without an owner, the dispatcher handles what the handler throws.
    if (this.owner === null) this.handler.onResponseError?.(this.#controller, error)
    else this.#notifyError(error)
  }

  #setController(controller: DispatchController): void {
    this.#dispatcherController = controller
    // A dispatcher of another library may pass no controller.
    if (this.done) callUserCode(() => this.#dispatcherController?.abort(this.#reason as Error))
    else if (this.#paused) this.#dispatcherController?.pause()
  }

  /** @throws {InvalidArgumentError} the stream can not be sent; or the stream's own error */
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
    // The dispatcher normally calls `onResponseError` here.
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
    this.#failure = error
    try {
      this.handler.onResponseError?.(this.#controller, nonNullError(error))
    } catch (thrown) {
      this.onHandlerThrew(thrown)
    }
    this.owner?.onForeignEnded(this)
  }
}

function ignore(): void {}
