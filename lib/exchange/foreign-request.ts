import type { AsyncResource } from 'node:async_hooks'
import type { Duplex, Readable } from 'node:stream'
import { builtin } from '../base/builtin.js'
import { now, setImmediate } from '../base/clock.js'
import { callUser, reportUncaught } from '../base/gate.js'
import type { QueueNode } from '../base/queue.js'
import { markCallerFault } from '../errors/faults.js'
import {
  addErrorContext,
  type ErrorContext,
  markCallerOwned,
  nonNullError,
  type Phase,
  UNSENT_CONTEXT,
} from '../errors.js'
import { BodyStream, checkStream, isStream } from './body-stream.js'
import { checkTimeouts, Deadlines, type Limited, type Limits, limitsOf } from './deadlines.js'
import { abortReasonOf, destroyedErrorOf } from './ending.js'
import { ForeignController } from './foreign-controller.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'
import { shown, takeInterceptorError } from './refuse.js'
import type { DispatchInput, DispatchOptions } from './request.js'
import { WrappingHandler } from './wrapping-handler.js'

/** What has a {@link ForeignRequest}: the queue of a pool, then the record of a dispatcher's requests. */
export interface ForeignHolder {
  /** The dispatcher handed it to a connection. */
  onForeignStarted(request: ForeignRequest): void
  /** It ends: the handler is called for the last time after this. */
  onForeignEnding(request: ForeignRequest): void
  onForeignEnded(request: ForeignRequest): void
  /** The handler threw in its last callback. */
  onHandlerError(error: unknown): void
}

/** Where a request goes and what limits it has by default. */
export interface ForeignDefaults {
  readonly origin: string
  readonly limits?: Limits | null | undefined
}

interface DispatchTarget {
  dispatch(options: DispatchOptions, handler: DispatchHandler): unknown
}

/**
 * A request for a dispatcher that may do with it what it likes: one of another library, or one under interceptors. It
 * stands between that dispatcher and the handler, and makes sure that the handler is told of one end, in time: abort,
 * limits and a failing body hold although the dispatcher does not know of the request yet, or does not react.
 */
export class ForeignRequest extends WrappingHandler implements DispatchHandler, QueueNode<ForeignRequest>, Limited {
  previous: ForeignRequest | null = null
  next: ForeignRequest | null = null
  queue: unknown = null
  holder: ForeignHolder | null = null
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
  #unwatch: (() => void) | null = null
  /** Of the dispatcher. */
  #inner: DispatchController | null = null
  #hearsQueued: boolean
  #paused = false
  #reason: unknown
  /** The caller aborted it, or its handler threw: its failure needs no further report. */
  #cancelled = false
  #reached: Phase = 'queued'
  /** The async context in which it was sent. */
  #scope: AsyncResource | null = null

  /** @throws {InvalidArgumentError} the handler or a limit is not what is documented */
  constructor(
    options: DispatchInput,
    handler: DispatchHandler | LegacyDispatchHandler,
    { origin, limits = null }: ForeignDefaults,
  ) {
    super(handler)
    const { method, upgrade, timeouts, body } = options
    this.handler = adaptHandler(handler, method === 'CONNECT' || (upgrade != null && upgrade !== false))
    const own = timeouts == null ? limits : limitsOf(checkTimeouts(timeouts), limits)
    this.#options = own === null || own.total === 0 ? { ...options, origin } : withTotal(options, origin, own)
    if (isStream(body)) this.#holdSource(body)
    // Nothing throws from here on: a request that is refused has no alarm left.
    this.deadlines = own === null ? null : new Deadlines(this, own)
    this.#hearsQueued = this.handler.onRequestQueued !== undefined
    this.#controller = new ForeignController(this)
    const mayEnd = this.#hearsQueued || own !== null || isStream(body)
    this.onRequestQueued = mayEnd ? (controller) => this.#attach(controller) : undefined
  }

  /** See {@link DispatchHandler}. */
  get borrowsChunks(): boolean {
    return this.handler.borrowsChunks === true
  }

  // What its holder calls

  /** It waits: it stays in the async context in which it was sent. */
  queued(): void {
    this.#scope = new (builtin('node:async_hooks').AsyncResource)('sluice.queued')
    this.notifyQueued()
  }

  /** Gives the handler a controller, once, unless the dispatcher did so. */
  notifyQueued(): void {
    if (!this.#hearsQueued || this.sent || this.done) return
    this.#hearsQueued = false
    try {
      this.handler.onRequestQueued?.(this.#controller)
    } catch (error) {
      this.threw(error)
    }
  }

  /** Returns what the dispatcher returns. `own`: it keeps a stream from flowing until that can be sent. */
  dispatchTo(dispatcher: DispatchTarget, own: boolean): unknown {
    const options = this.#options as DispatchOptions
    const { body } = options
    if (own && isStream(body)) BodyStream.of(body).release(this)
    const given = own || !isStream(body) ? options : { ...options, body: this.#readableOf(body) }
    const dispatch = () => dispatcher.dispatch(given as DispatchOptions, this)
    return this.#scope === null ? dispatch() : this.#scope.runInAsyncScope(dispatch)
  }

  /** Ends it with an error of sluice, once. */
  fail(error: Error, context: ErrorContext): void {
    if (this.done) return
    this.#finish()
    this.#tellError(this.#locate(error, context))
  }

  /** Fails it with what `dispatch` threw, perhaps after the dispatcher had accepted the request. */
  refuse(error: Error): void {
    this.fail(error, UNSENT_CONTEXT)
    callUser(() => this.#inner?.abort(error))
  }

  /** Fails it because its dispatcher was destroyed. */
  endWith(error: Error, context: ErrorContext): void {
    const reason = destroyedErrorOf(error)
    this.fail(reason, context)
    // A member keeps the end of a response for a handler that pauses, and its time limit.
    callUser(() => this.#inner?.abort(reason))
  }

  /** See {@link BodyStreamOwner}. */
  onSourceFailed(error: Error): void {
    markCallerFault(error)
    this.#stop(markCallerOwned(error))
  }

  expire(error: Error): void {
    // A dispatcher of ours that has it ends it by itself now, and knows better how far it came.
    if (this.#inner === null) this.#stop(error)
    else setImmediate(() => this.#stop(error))
  }

  // What its controller calls

  get phase(): Phase {
    return this.#reached === 'queued' && this.deadlines?.opening === true ? 'connect' : this.#reached
  }

  get inner(): DispatchController | null {
    return this.#inner
  }

  get reason(): unknown {
    return this.#reason ?? this.#inner?.reason
  }

  get paused(): boolean {
    return this.#inner?.paused ?? this.#paused
  }

  abort(reason: unknown): void {
    this.#cancelled ||= !this.done
    this.#stop(abortReasonOf(reason))
  }

  pause(paused: boolean): void {
    this.#paused = paused
    if (paused) this.#inner?.pause()
    else this.#inner?.resume()
  }

  // What the dispatcher calls

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#attach(controller)
    if (this.done) return
    this.begin('send')
    try {
      this.handler.onRequestStart?.(this.#controller, context)
    } catch (error) {
      this.threw(error)
    }
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    if (!this.done) this.#inner = controller
    const { handler } = this
    this.finish(
      () => handler.onRequestUpgrade?.(this.#controller, statusCode, headers, socket),
      () => socket.destroy(),
    )
  }

  onResponseStarted(): void {
    if (this.done) return
    this.begin('headers')
    try {
      this.handler.onResponseStarted?.()
    } catch (error) {
      this.threw(error)
    }
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders, text?: string): void {
    if (this.done) return
    this.#inner = controller
    this.begin(statusCode < 200 ? 'headers' : 'body')
    try {
      this.handler.onResponseStart?.(this.#controller, statusCode, headers, text)
    } catch (error) {
      this.threw(error)
    }
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.done) return
    try {
      this.handler.onResponseData?.(this.#controller, chunk)
    } catch (error) {
      this.threw(error)
    }
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    this.finish(() => this.handler.onResponseEnd?.(this.#controller, trailers))
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.finishWith(error)
  }

  onBodySent(chunk: Buffer): void {
    if (this.done) return
    try {
      this.handler.onBodySent?.(chunk)
    } catch (error) {
      this.threw(error)
    }
  }

  onRequestSent(): void {
    if (this.done) return
    try {
      this.handler.onRequestSent?.()
    } catch (error) {
      this.threw(error)
    }
  }

  /** It came so far: from here on the dispatcher watches its body, and no limit of the queue is left. */
  protected begin(reached: Phase): void {
    this.#reached = reached
    if (this.sent) return
    this.sent = true
    this.#stopWatching()
    this.deadlines?.sent()
    this.holder?.onForeignStarted(this)
  }

  /** Ends it by the last callback but one for errors. `onFailed`: that threw, or nobody is there for what came. */
  protected finish(callback: () => void, onFailed: () => void = () => {}): void {
    if (this.done) return onFailed()
    this.#finish()
    try {
      callback()
    } catch (error) {
      onFailed()
      return this.#tellError(markCallerOwned(error) as Error)
    }
    this.holder?.onForeignEnded(this)
  }

  /** The handler may have aborted it before it threw. */
  protected threw(error: unknown): void {
    if (!this.done) this.abort(error)
    else if (this.holder === null) reportUncaught(error)
    else this.holder.onHandlerError(error)
  }

  protected finishWith(error: Error): void {
    const thrown = takeInterceptorError(error)
    if (this.done) {
      // No caller is left to receive it, unless it is the caller that ended the request.
      if (thrown && !this.#cancelled) reportUncaught(error)
      return
    }
    this.#finish()
    // The dispatcher knows what to do with what the handler throws.
    if (this.holder === null) this.handler.onResponseError?.(this.#controller, error)
    else this.#tellError(error)
  }

  #attach(controller: DispatchController): void {
    this.#inner = controller
    // A dispatcher of another library may give none.
    if (this.done) callUser(() => this.#inner?.abort(this.#reason as Error))
    else if (this.#paused) this.#inner?.pause()
  }

  /** @throws {InvalidArgumentError} a stream that can not be sent, or its own error */
  #holdSource(stream: Readable): void {
    checkStream(stream)
    BodyStream.of(stream).claim(this)
  }

  #readableOf(stream: Readable): Readable {
    const readable = BodyStream.readableOf(stream)
    const failed = (error: Error) => this.onSourceFailed(error)
    readable.on('error', failed)
    this.#unwatch = () => readable.removeListener('error', failed).on('error', ignore)
    return readable
  }

  #stop(reason: unknown): void {
    if (this.done || this.#reason !== undefined) return
    this.#reason = reason
    const error = this.#locate(reason as Error, { phase: this.phase })
    // It tells of the end by itself, most likely.
    callUser(() => this.#inner?.abort(error))
    this.fail(error, {})
  }

  #locate(error: Error, context: ErrorContext): Error {
    return addErrorContext(error, { ...context, ...shown(this.#options) })
  }

  #finish(): void {
    this.done = true
    this.#stopWatching()
    this.deadlines?.drop()
    this.holder?.onForeignEnding(this)
  }

  #stopWatching(): void {
    this.#unwatch?.()
    this.#unwatch = null
  }

  #tellError(error: Error): void {
    try {
      this.handler.onResponseError?.(this.#controller, nonNullError(error))
    } catch (thrown) {
      this.threw(thrown)
    }
    this.holder?.onForeignEnded(this)
  }
}

/** All tries of interceptors share what is left of the time. */
function withTotal(options: DispatchInput, origin: string, { total, named }: Limits): DispatchInput {
  const { timeouts } = options
  return { ...options, origin, timeouts: { ...timeouts, total: named, deadline: timeouts?.deadline ?? now() + total } }
}

function ignore(): void {}
