import { dispatchThrough, forwardEvents } from '../dispatcher/composed.js'
import { type Dispatch, Dispatcher, type DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { coreOf, setCore } from '../dispatcher/dispatcher-core.js'
import { atCaller } from '../errors/caller.js'
import { invalidOption } from '../errors.js'
import { retryBudgetOf, retryDispatch } from './retry.js'
import {
  mergeRetryOptions,
  type RetryInterceptorOpts,
  resolveRetryOptions,
  warnUnknownRetryOptions,
} from './retry-options.js'

/**
 * Dispatcher that sends requests over another dispatcher and retries those that fail; see {@link RetryHandler}. Events,
 * `close` and `destroy` are those of the other dispatcher: closing it fails requests that wait for a retry.
 * Source: undici's `RetryAgent.md`.
 * @example
 * const agent = new RetryAgent(new Agent(), { maxRetries: 3 })
 * const { statusCode } = await agent.request({ origin: 'http://localhost:3000', path: '/', method: 'GET' })
 */
export class RetryAgent extends Dispatcher {
  static #forwardsEvents = false
  readonly #base: Dispatcher.ComposedDispatcher
  readonly #dispatch: Dispatch

  /** @throws {InvalidArgumentError} `dispatcher` is not a Dispatcher, or an option is invalid */
  constructor(dispatcher: Dispatcher, options: RetryInterceptorOpts | null = {}) {
    atCaller(RetryAgent, () => {
      if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
      resolveRetryOptions(options)
    })
    warnUnknownRetryOptions(options)
    super()
    // Done with the first instance: an import must have no side effects.
    if (!RetryAgent.#forwardsEvents) forwardEvents(RetryAgent.prototype, (one) => one.#base)
    RetryAgent.#forwardsEvents = true
    const retry: DispatchInterceptor = (dispatch) =>
      retryDispatch(dispatch, retryBudgetOf(options), () => mergeRetryOptions(options, null))
    this.#base = dispatcher
    this.#dispatch = dispatchThrough(dispatcher, [retry])
    setCore(this, coreOf(dispatcher))
  }

  /** Whether the other dispatcher is closed. */
  get closed(): boolean {
    return this.#base.closed as boolean
  }

  /** Whether the other dispatcher is destroyed. */
  get destroyed(): boolean {
    return this.#base.destroyed as boolean
  }

  /** Statistics of the other dispatcher. */
  get stats(): unknown {
    return this.#base.stats
  }

  /** Returns a description of the state of the other dispatcher. */
  inspect(): string {
    return this.#base.inspect?.() ?? this.#base.constructor.name
  }

  override dispatch(...request: Parameters<Dispatch>): boolean {
    return this.#dispatch(...request)
  }

  /**
   * Closes the wrapped dispatcher.
   * @throws {NotSupportedError} the dispatcher does not implement `close`
   */
  override close(): Promise<void>
  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): Promise<void> | void {
    return callback === undefined ? this.#base.close() : this.#base.close(callback)
  }

  /**
   * Destroys the wrapped dispatcher.
   * @throws {NotSupportedError} the dispatcher does not implement `destroy`
   */
  override destroy(error?: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    if (typeof error === 'function') return this.#base.destroy(error)
    return callback === undefined ? this.#base.destroy(error) : this.#base.destroy(error ?? null, callback)
  }
}
