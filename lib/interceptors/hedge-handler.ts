import { builtinModule } from '../base/builtin-modules.js'
import { Alarm, type AlarmListener, now, setImmediate } from '../base/clock.js'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import { debug, named } from '../diagnostics/debug.js'
import type { Dispatch } from '../dispatcher/dispatcher.js'
import { nonNullError, RequestAbortedError } from '../errors.js'
import { deadlineOf } from '../exchange/deadlines.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
  RawHeaders,
} from '../exchange/handler.js'
import { adaptInnerHandler } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { passError, reportThrown } from '../exchange/thrown-errors.js'
import { AttemptsController } from './attempts-controller.js'
import { HedgeAttempt, type HedgeAttemptListener } from './hedge-attempt.js'
import { copyReplayedBytes } from './replayable-body.js'
import { abortErrorOf } from './wait.js'

/** Settings and state that all requests of one interceptor share. */
export interface HedgePolicy {
  readonly maxHedges: number
  readonly budget: { takeRetry(): boolean }
  readonly hedgeDelay: {
    /** Delay in ms before another attempt. */
    readonly delay: number
    record(latency: number): void
  }
}

/** Status codes of failures for which another attempt may succeed. */
const FAILURE_STATUSES = [429, 500, 502, 503, 504]
/** Minimum time in ms that such a response waits for another attempt. */
const MIN_FALLBACK_WAIT = 1000

/** Request that is sent in several attempts at a time; its handler receives the response of one of them. */
export class HedgeHandler implements AlarmListener, HedgeAttemptListener {
  readonly #dispatch: Dispatch
  readonly #handler: DispatchHandler
  readonly #policy: HedgePolicy
  #request: DispatchOptions & { timings?: unknown }
  /** Async context of the caller; each attempt is sent in it. */
  readonly #asyncScope = new (builtinModule('node:async_hooks').AsyncResource)('sluice.hedge')
  readonly #controller = new AttemptsController((reason) => this.#abort(reason))
  readonly #alarm = new Alarm(this)
  readonly #startTime = now()
  /** Attempts in flight whose response may win. */
  readonly #attempts = new Set<HedgeAttempt>()
  #attemptCount = 0
  /** First attempt with a response of {@link FAILURE_STATUSES}; delivered unless another attempt succeeds in time. */
  #fallback: HedgeAttempt | null = null
  readonly #fallbackAlarm = new Alarm({ onAlarm: () => setImmediate(() => this.#deliverFallback()) })
  /** Attempt whose response is delivered. */
  #winner: HedgeAttempt | null = null
  /** Attempt that notifies the handler of each step. It may do so repeatedly, if an interceptor below retries it. */
  readonly #notifiers: { [step: string]: HedgeAttempt } = {}
  /** Whether the last callback of the handler was called. */
  #completed = false
  /** Error with which the request has failed. */
  #failure: Error | null = null

  constructor(
    request: DispatchOptions,
    to: { dispatch: Dispatch; handler: DispatchHandler | LegacyDispatchHandler; policy: HedgePolicy },
  ) {
    this.#request = { ...request }
    this.#dispatch = to.dispatch
    this.#handler = adaptInnerHandler(to.handler)
    this.#policy = to.policy
  }

  /** Sends the first attempt and returns what `dispatch` returns. @throws what `dispatch` throws */
  start(): boolean {
    const accepted = this.#send()
    this.#scheduleHedge()
    return accepted
  }

  /** Responses that arrived while the event loop was busy are read in the poll phase, before the check phase. */
  onAlarm(): void {
    setImmediate(() => this.#hedge())
  }

  get #undecided(): boolean {
    return !this.#completed && this.#winner === null
  }

  #scheduleHedge(): void {
    if (this.#undecided && this.#attemptCount <= this.#policy.maxHedges) this.#alarm.set(this.#policy.hedgeDelay.delay)
  }

  #hedge(): void {
    if (!this.#undecided || now() >= deadlineOf(this.#request) || !this.#policy.budget.takeRetry()) return
    try {
      this.#asyncScope.runInAsyncScope(() => this.#send())
    } catch {
      // Like an attempt that fails while another one is in flight.
    }
    this.#scheduleHedge()
  }

  #send(): boolean {
    const first = this.#attemptCount++ === 0
    if (!first) debug?.(`hedge of ${named(this.#request)}`)
    const attempt = new HedgeAttempt(this, { first, offset: now() - this.#startTime, inner: this.#handler })
    this.#attempts.add(attempt)
    const { timings } = this.#request
    const filled = typeof timings === 'object' && timings !== null && Object.isExtensible(timings)
    const request = filled ? { ...this.#request, timings: attempt.timings } : { ...this.#request }
    try {
      return this.#dispatch(request as DispatchOptions, attempt)
    } catch (error) {
      this.#attempts.delete(attempt)
      throw error
    }
  }

  // Events of the attempts

  onBegin(controller: DispatchController): void {
    this.#request = this.#controller.withTimeouts(this.#request, controller)
  }

  #isNotifier(from: HedgeAttempt, step: string): boolean {
    this.#notifiers[step] ??= from
    return this.#notifiers[step] === from
  }

  onQueued(from: HedgeAttempt): void {
    if (this.#isNotifier(from, 'queued')) this.#notify(() => this.#handler.onRequestQueued?.(this.#controller))
  }

  onStart(from: HedgeAttempt, context: unknown): void {
    if (!this.#completed && this.#isNotifier(from, 'start'))
      this.#notify(() => this.#handler.onRequestStart?.(this.#controller, context))
  }

  onBodySent(chunk: Buffer): void {
    copyReplayedBytes(this.#request, this.#handler)
    if (this.#undecided) this.#notify(() => this.#handler.onBodySent?.(chunk))
  }

  onRequestSent(): void {
    copyReplayedBytes(this.#request, this.#handler)
    if (this.#undecided) this.#notify(() => this.#handler.onRequestSent?.())
  }

  onResponseStarted(from: HedgeAttempt): void {
    if (this.#undecided && this.#isNotifier(from, 'first')) this.#notify(() => this.#handler.onResponseStarted?.())
  }

  onResponseStart(from: HedgeAttempt, status: [number, string | undefined], headers: IncomingHeaders): void {
    const [statusCode] = status
    if (this.#completed || !this.#attempts.has(from)) return
    const final = statusCode >= 200
    // Only the first attempt reports informational responses; others would repeat them.
    if (!final && !from.first) return
    if (final && this.#attempts.size > 1 && FAILURE_STATUSES.includes(statusCode)) {
      return this.#keepAsFallback(from, () => this.#notifyResponseStart(from, status, headers))
    }
    if (final) this.#setWinner(from)
    this.#notifyResponseStart(from, status, headers)
  }

  #keepAsFallback(from: HedgeAttempt, notifyStart: () => void): void {
    this.#attempts.delete(from)
    from.buffer(notifyStart)
    if (this.#fallback !== null) return from.discard()
    this.#fallback = from
    this.#fallbackAlarm.set(Math.max(MIN_FALLBACK_WAIT, this.#policy.hedgeDelay.delay))
  }

  /** Delivers the fallback response. Returns false if there is none. */
  #deliverFallback(): boolean {
    const fallback = this.#fallback
    if (fallback === null || this.#completed) return false
    this.#fallback = null
    this.#attempts.add(fallback)
    this.#setWinner(fallback)
    fallback.deliver()
    return true
  }

  #notifyResponseStart(
    from: HedgeAttempt,
    [statusCode, statusMessage]: [number, string | undefined],
    headers: IncomingHeaders,
  ): void {
    this.#controller.rawHeaders = from.rawHeaders
    this.#notify(() => this.#handler.onResponseStart?.(this.#controller, statusCode, headers, statusMessage))
  }

  onData(from: HedgeAttempt, chunk: Buffer): void {
    if (from === this.#winner && !this.#completed)
      this.#notify(() => this.#handler.onResponseData?.(this.#controller, chunk))
  }

  onEnd(from: HedgeAttempt, trailers: IncomingHeaders): void {
    if (from !== this.#winner || this.#completed) return
    this.#finish(from)
    this.#controller.rawTrailers = (from.controller as DispatchController).rawTrailers as RawHeaders
    try {
      this.#handler.onResponseEnd?.(this.#controller, trailers)
    } catch (error) {
      passError(error, true, () => this.#notifyError(nonNullError(error)))
    }
  }

  onError(from: HedgeAttempt, error: Error): void {
    if (from === this.#fallback) this.#takeFallback()
    const current = this.#attempts.delete(from)
    if (this.#completed && !this.#controller.aborted) return reportThrown(error, this.#failure)
    if (!current || this.#completed) return
    // Another attempt may succeed.
    if (this.#controller.aborted || (this.#attempts.size === 0 && !this.#deliverFallback())) this.#fail(error, from)
  }

  #setWinner(winner: HedgeAttempt): void {
    this.#winner = winner
    this.#alarm.dispose()
    this.#policy.hedgeDelay.record(now() - this.#startTime)
    this.#copyTimings(winner)
    this.#attempts.delete(winner)
    const losers = [...this.#attempts]
    this.#attempts.clear()
    this.#attempts.add(winner)
    for (const loser of losers)
      loser.cancel(new RequestAbortedError('Another attempt of the request received a response first'))
    this.#takeFallback()?.discard()
    this.#controller.setSource(winner.bodySource)
  }

  #takeFallback(): HedgeAttempt | null {
    const fallback = this.#fallback
    this.#fallback = null
    this.#fallbackAlarm.dispose()
    return fallback
  }

  /** Copies the timings to the object of the caller, whose setters may throw. */
  #copyTimings(of: HedgeAttempt): void {
    const { timings } = this.#request
    if (typeof timings !== 'object' || timings === null) return
    try {
      Object.assign(timings, of.timingsOfRequest, { tries: this.#attemptCount })
    } catch {}
  }

  // Callbacks of the handler

  #notify(call: () => void): void {
    try {
      call()
    } catch (error) {
      if (this.#controller.aborted) reportUncaught(error)
      else this.#controller.abort(error as Error)
    }
  }

  #abort(reason: Error | undefined): void {
    for (const one of [...this.#attempts]) one.cancel(reason)
    this.#takeFallback()?.cancel(reason)
    if (!this.#completed) this.#fail(abortErrorOf(reason, this.#request))
  }

  #fail(error: Error, from?: HedgeAttempt): void {
    if (this.#completed) return
    this.#finish(from, error)
    this.#notifyError(error)
  }

  #finish(from?: HedgeAttempt, error: Error | null = null): void {
    this.#completed = true
    this.#failure = error
    this.#alarm.dispose()
    if (from !== undefined) this.#copyTimings(from)
    this.#controller.end(error)
  }

  #notifyError(error: Error): void {
    callUserCode(() => this.#handler.onResponseError?.(this.#controller, error))
  }
}
