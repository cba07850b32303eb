import { now, startTimer } from '../base/clock.js'
import { isThenable } from '../base/user-code.js'
import type { DispatcherCore } from '../dispatcher/dispatcher-core.js'
import { nonNullError } from '../errors.js'
import { deadlineOf } from '../exchange/deadlines.js'
import type { DispatchOptions } from '../exchange/request.js'
import { isReplayable, notReplayableError } from './replayable-body.js'
import { retryDelay } from './retry-delay.js'
import type { OnRetryCallback, RetryCallback, RetrySettings, RetryState } from './retry-options.js'
import { startWait } from './wait.js'

/** Request that may be retried, and its retry state; the same object for all attempts. */
export interface RetryRequest {
  readonly state: RetryState
  opts: DispatchOptions & { retryOptions: RetrySettings }
}

/** Receiver of the decisions of a {@link RetryDecider}. */
export interface RetryDecisionListener {
  /** Limit on the retries of all requests; null for none. */
  readonly budget: { takeRetry(): boolean } | null
  /** Returns the core of the dispatcher; null as long as no dispatcher of sluice has received the request. */
  getCore(): DispatcherCore | null
  /** Whether the request has ended. */
  isCompleted(): boolean
  /** Calls the `retry` option. */
  callRetry(retry: RetryCallback, error: Error, answer: OnRetryCallback): unknown
  /** The request will be retried. */
  onRetry(): void
  /** The delay before the retry is over. */
  onRetryDue(): void
  /** The request is not retried and ends with `error`. */
  onNoRetry(error: Error): void
  /** The request failed during the delay: `timeouts.total` has passed, or the dispatcher was destroyed. */
  onExpired(error: Error): void
}

/** Decides after a failed attempt whether and when to retry: by the options, or by the `retry` callback. */
export class RetryDecider {
  readonly #request: RetryRequest
  readonly #listener: RetryDecisionListener
  #stopWaiting: (() => void) | null = null

  constructor(request: RetryRequest, listener: RetryDecisionListener) {
    this.#request = request
    this.#listener = listener
  }

  /** Decides about an attempt that failed with `error`. */
  decide(error: Error): void {
    const { state, opts } = this.#request
    const { budget } = this.#listener
    const settings = opts.retryOptions
    state.counter++
    const replayable = isReplayable(opts.body)
    if (replayable && settings.retry !== undefined) return this.#decideByCallback(settings.retry, error)
    const delay = retryDelay(error, state.counter, { method: opts.method, settings })
    if (delay === null) return this.#reject(error)
    if (!replayable) return this.#reject(notReplayableError(error, opts))
    if (now() + delay >= deadlineOf(opts) || budget?.takeRetry() === false) return this.#reject(error)
    this.#listener.onRetry()
    this.#wait(delay)
  }

  /** Ends the delay or the wait for the callback. */
  stop(): void {
    this.#stopWaiting?.()
  }

  #decideByCallback(retry: RetryCallback, error: Error): void {
    let answered = false
    let synchronous = true
    const answer = (result?: unknown) => {
      if (answered || this.#listener.isCompleted()) return
      answered = true
      if (result !== undefined && result !== null) return this.#reject(result as Error)
      this.#listener.onRetry()
      // A synchronous answer waits for a timer: retries that fail at once would recurse without end.
      if (synchronous) this.#wait(0)
      else this.#end()
    }
    this.#wait()
    try {
      const promise: unknown = this.#listener.callRetry(retry, error, answer)
      if (isThenable(promise)) promise.then(undefined, (thrown) => answer(nonNullError(thrown)))
    } catch (thrown) {
      answer(nonNullError(thrown))
    }
    synchronous = false
  }

  /** Waits for `delay` ms; without `delay`, for the callback. */
  #wait(delay?: number): void {
    this.#stopWaiting?.()
    const release = delay === undefined ? () => {} : startTimer(() => this.#end(), delay)
    const fail = (error: Error) => this.#listener.onExpired(error)
    this.#stopWaiting = startWait(this.#request.opts, this.#listener.getCore(), { fail, release })
  }

  #end(): void {
    this.stop()
    this.#listener.onRetryDue()
  }

  #reject(error: Error): void {
    this.stop()
    this.#listener.onNoRetry(error)
  }
}
