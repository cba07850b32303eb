import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { now } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { debug, named } from '../diagnostics/debug.js'
import type { Dispatch } from '../dispatcher/dispatcher.js'
import { coreOfHandler, WaitingHandler } from '../dispatcher/waiting-handler.js'
import { invalidOption, nonNullError, RequestRetryError } from '../errors.js'
import { withDeadline } from '../exchange/deadlines.js'
import type { RequestHeaders } from '../exchange/documented.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
  RawHeaders,
} from '../exchange/handler.js'
import { adaptInnerHandler, isUpgrade } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import { AttemptsController } from './attempts-controller.js'
import { BodyDiscarder } from './body-discarder.js'
import { BodyResumption, type ResponseStart } from './body-resumption.js'
import { RetryDecider, type RetryRequest } from './retry-decider.js'
import { type ResponseEnd, RetryNotifier } from './retry-notifier.js'
import {
  type OnRetryCallback,
  type RetryCallback,
  type RetryContext,
  type RetryInput,
  type RetryOptions,
  type RetrySettings,
  type RetryState,
  resolveRetryOptions,
} from './retry-options.js'
import { abortErrorOf, failureOf, locateRequest, statusText } from './wait.js'

/** Dispatch function and handler of a {@link RetryHandler}. */
export interface RetryHandlers {
  /** Sends each retry. */
  dispatch: Dispatch
  /** Handler of the request; called as if there was one attempt. */
  handler: DispatchHandler | LegacyDispatchHandler
}

/** Failed response that is delivered if there is no retry: its start, and body chunks received although it was paused. */
interface PendingResponse {
  readonly start: ResponseStart
  readonly controller: DispatchController
  readonly chunks: Buffer[]
  end: ResponseEnd | null
}

/**
 * Handler that retries a request which fails, depending on its method, body, error and status. If part of the response
 * body was delivered, a range request fetches the rest, which is accepted only if a strong etag and `content-range` match.
 * Use one instance per `dispatch`. Source: undici's `RetryHandler.md`.
 */
export class RetryHandler extends WaitingHandler implements DispatchHandler {
  readonly #dispatch: Dispatch
  readonly #budget: { takeRetry(): boolean } | null
  readonly #context: RetryRequest
  /** Async context of the caller; attempts are sent and `retry` is called in it. */
  readonly #asyncScope = new (builtinModule('node:async_hooks').AsyncResource)('sluice.retry')
  readonly #controller = new AttemptsController((reason) => this.#abort(reason))
  readonly #notifier: RetryNotifier
  /** Controller of the current attempt; null until its first callback. */
  #current: DispatchController | null = null
  /** Whether an attempt is in flight. */
  #inFlight = true
  /** Whether the body that is delivered is the rest of an earlier one. */
  #resumed = false
  #resumption: BodyResumption | null = null
  #discarder: BodyDiscarder | null = null
  #pending: PendingResponse | null = null
  /** Whether the next attempt is sent when the current one has ended. */
  #retryDue = false
  /** Time of the last failure in ms. */
  #failedAt = 0
  /** Created with the first failure. */
  #decider: RetryDecider | null = null

  /** @throws {InvalidArgumentError} an option or a handler is invalid */
  constructor(
    request: DispatchOptions & { retryOptions?: RetryInput | null | undefined },
    { dispatch, handler, budget = null }: RetryHandlers & { budget?: { takeRetry(): boolean } | null },
  ) {
    super(dispatch, handler)
    if (typeof request !== 'object' || request === null) throw invalidOption('options', 'an object', request)
    if (typeof dispatch !== 'function') throw invalidOption('dispatch', 'a function', dispatch)
    this.#notifier = new RetryNotifier(adaptInnerHandler(handler, isUpgrade(request)), this.#controller)
    this.#dispatch = dispatch
    this.#budget = budget
    const retryOptions = resolveRetryOptions(request.retryOptions)
    this.#context = { state: { counter: 0 }, opts: { ...withDeadline(unpollutedRequest(request)), retryOptions } }
  }

  get #settings(): RetrySettings {
    return this.#context.opts.retryOptions
  }

  onRequestQueued(controller: DispatchController): void {
    const first = this.#current === null && this.#context.state.counter === 0
    if (this.#beginAttempt(controller) && first) this.#notifier.onRequestQueued()
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    if (this.#beginAttempt(controller)) this.#notifier.onRequestStart(context)
  }

  onBodySent(chunk: Buffer): void {
    this.#notifier.onBodySent(this.#context.opts, chunk)
  }

  onRequestSent(): void {
    this.#notifier.onRequestSent(this.#context.opts)
  }

  onResponseStarted(): void {
    this.#notifier.onResponseStarted()
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#inFlight = false
    if (this.#notifier.completed) socket.destroy()
    else this.#notifier.onRequestUpgrade(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (this.#notifier.completed) return
    const decoded = controller.bodyDecoded === true
    const start = { statusCode, headers, statusMessage, rawHeaders: controller.rawHeaders as RawHeaders, decoded }
    if (statusCode < 200) {
      if (!this.#notifier.startDelivered) this.#notifier.onResponseStart(start)
      return
    }
    const failing = this.#settings.statusCodes.includes(statusCode)
    const problem = failing ? statusText(start) : (this.#resumption?.verify(start) ?? null)
    if (problem !== null) this.#rejectResponse(controller, start, problem)
    else if (this.#notifier.startDelivered) this.#continueBody(controller)
    else this.#deliverStart(controller, start)
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (this.#discarder !== null) return this.#discarder.onData(chunk)
    if (this.#pending !== null) return void this.#pending.chunks.push(chunk)
    if (this.#notifier.completed) return
    if (this.#resumption?.count(chunk.length) === false && this.#resumed) return this.#rejectSurplus(controller)
    this.#notifier.onResponseData(chunk)
  }

  onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#endAttempt()) return
    const end = { trailers, rawTrailers: controller.rawTrailers as RawHeaders }
    if (this.#pending !== null) this.#pending.end = end
    else if (this.#resumed && this.#resumption?.complete === false) {
      this.#failAttempt(this.#createRangeError('the response to the range request ended before the end of its range'))
    } else this.#notifier.onResponseEnd(end)
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    if (this.#controller.aborted) {
      this.#discarder?.onEnd()
      this.#inFlight = false
      return this.#fail(error)
    }
    if (this.#endAttempt()) return reportThrown(error, this.#notifier.failure)
    if (this.#pending !== null) this.#pending = null
    else this.#failAttempt(nonNullError(error))
  }

  /** Stores the controller of an attempt. Returns false if the request has ended or was aborted meanwhile. */
  #beginAttempt(controller: DispatchController): boolean {
    this.#current = controller
    this.#context.opts = this.#controller.withTimeouts(this.#context.opts, controller)
    if (!this.#notifier.completed && !this.#controller.aborted) return true
    controller.abort(this.#controller.reason ?? undefined)
    return false
  }

  /** Ends an attempt. Returns true if its result is ignored. */
  #endAttempt(): boolean {
    const drain = this.#discarder
    this.#inFlight = false
    this.#discarder = null
    drain?.onEnd()
    if (this.#retryDue) this.#send()
    return drain !== null || this.#notifier.completed
  }

  #send(): void {
    this.#retryDue = false
    this.#inFlight = true
    this.#current = null
    const { state, opts } = this.#context
    debug?.(`retry ${state.counter} of ${named(opts)} after ${Math.round(now() - this.#failedAt)} ms`)
    try {
      this.#asyncScope.runInAsyncScope(() => this.#dispatch(this.#request(), this))
    } catch (error) {
      if (!this.#inFlight) return reportUncaught(error)
      const current = this.#current as DispatchController | null
      // An interceptor below may have dispatched the attempt before it threw.
      current?.abort(error as Error)
      if (this.#inFlight && !this.#endAttempt()) this.#failAttempt(nonNullError(error))
    }
  }

  #request(): DispatchOptions {
    const { retryOptions: _, ...request } = this.#context.opts
    if (this.#notifier.startDelivered && this.#resumption !== null) {
      request.headers = this.#resumption.withRange(request.headers) as RequestHeaders
    }
    return request
  }

  #failAttempt(error: Error): void {
    this.#controller.attemptFailed(error)
    this.#failedAt = now()
    if (this.#notifier.startDelivered && this.#resumption?.canResume !== true) this.#fail(error)
    else this.#decide(error)
  }

  /** Handles a final response that is not delivered. */
  #rejectResponse(controller: DispatchController, start: ResponseStart, problem: string): void {
    const error = this.#createError(problem, start)
    if (this.#notifier.startDelivered || this.#settings.throwOnError)
      this.#discarder = new BodyDiscarder(controller, error)
    else this.#pending = { start, controller, chunks: [], end: null }
    this.#failAttempt(error)
  }

  /** Handles a body that exceeds its range: no byte of the excessive chunk is delivered. */
  #rejectSurplus(controller: DispatchController): void {
    const error = this.#createRangeError('the response to the range request is longer than its range')
    this.#discarder = new BodyDiscarder(controller, error)
    this.#failAttempt(error)
    this.#discarder?.abort()
  }

  #createRangeError(message: string): RequestRetryError {
    return this.#createError(message, { statusCode: 206, headers: {} })
  }

  #createError(
    message: string,
    { statusCode, headers }: Pick<ResponseStart, 'statusCode' | 'headers'>,
  ): RequestRetryError {
    const { opts, state } = this.#context
    const attempts = state.counter + 1
    const text = `${failureOf(opts)}: ${message} after ${attempts} attempt${attempts === 1 ? '' : 's'}`
    const error = new RequestRetryError(text, statusCode, { headers, data: { count: state.counter } })
    return locateRequest(error, opts, { phase: 'body' })
  }

  #decide(error: Error): void {
    this.#decider ??= new RetryDecider(this.#context, {
      budget: this.#budget,
      getCore: () => coreOfHandler(this),
      isCompleted: () => this.#notifier.completed,
      callRetry: (retry, failure, answer) => {
        this.#pending?.controller.pause()
        return this.#asyncScope.runInAsyncScope(() => retry(failure, this.#context, answer))
      },
      onRetry: () => this.#discardPending(),
      onRetryDue: () => this.#sendWhenIdle(),
      onNoRetry: (failure) => this.#endWithoutRetry(failure),
      onExpired: (failure) => {
        this.#fail(failure)
        if (this.#inFlight) this.#current?.abort(failure)
      },
    })
    this.#decider.decide(error)
  }

  #sendWhenIdle(): void {
    this.#retryDue = true
    if (!this.#inFlight) this.#send()
  }

  /** Discards the failed response, as the request is retried. */
  #discardPending(): void {
    const pending = this.#pending
    this.#pending = null
    if (pending === null || !this.#inFlight) return
    this.#discarder = new BodyDiscarder(
      pending.controller,
      this.#createError('the response is discarded, because the request is retried,', pending.start),
    )
    pending.controller.resume()
  }

  /** Ends the request without another retry: delivers the failed response, or fails. */
  #endWithoutRetry(error: Error): void {
    const pending = this.#pending
    this.#decider?.stop()
    if (pending === null) return this.#fail(error)
    this.#pending = null
    this.#deliverStart(pending.controller, pending.start)
    for (const chunk of pending.chunks) if (!this.#notifier.completed) this.#notifier.onResponseData(chunk)
    if (this.#notifier.completed) return
    if (pending.end !== null) this.#notifier.onResponseEnd(pending.end)
    else if (!this.#controller.paused) pending.controller.resume()
  }

  #deliverStart(controller: DispatchController, start: ResponseStart): void {
    this.#notifier.startDelivered = true
    this.#resumption = BodyResumption.of(this.#context.opts.method, start)
    this.#controller.setSource(controller)
    this.#notifier.onResponseStart(start)
  }

  #continueBody(controller: DispatchController): void {
    this.#resumed = true
    this.#controller.setSource(controller)
  }

  #abort(reason: Error | undefined): void {
    if (this.#notifier.completed) return
    if (this.#inFlight && this.#current !== null) this.#current.abort(reason)
    else this.#fail(abortErrorOf(reason, this.#context.opts))
  }

  #fail(error: Error): void {
    if (this.#notifier.completed) return
    this.#retryDue = false
    this.#pending = null
    this.#decider?.stop()
    this.#notifier.onResponseError(error)
  }
}

/** Types by undici's names. */
export declare namespace RetryHandler {
  export type { OnRetryCallback, RetryCallback, RetryContext, RetryHandlers, RetryOptions, RetryState }
}
