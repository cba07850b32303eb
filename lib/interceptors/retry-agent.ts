import { dispatchThrough, forwardEvents } from '../dispatcher/composed.js'
import { type Dispatch, Dispatcher, type DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { coreOf, setCore } from '../dispatcher/dispatcher-core.js'
import { invalidOption } from '../errors.js'
import { retryBudgetOf, retryDispatch } from './retry.js'
import { mergeRetryOptions, type RetryInterceptorInput, resolveRetryOptions } from './retry-options.js'

/**
 * A dispatcher that sends through another one, and again what failed and may be repeated; see {@link RetryHandler}.
 * Events, `close` and `destroy` are those of the other one: closed while a request waits for its next try, it fails
 * that request. Source: undici's `RetryAgent.md`.
 */
export class RetryAgent extends Dispatcher {
  static #forwardsEvents = false
  readonly #base: Dispatcher.ComposedDispatcher
  readonly #dispatch: Dispatch

  /** @throws {InvalidArgumentError} no dispatcher, or an option that is not what is documented */
  constructor(dispatcher: Dispatcher, options: RetryInterceptorInput | null = {}) {
    if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
    resolveRetryOptions(options)
    super()
    // Not before the first instance, since an import does nothing.
    if (!RetryAgent.#forwardsEvents) forwardEvents(RetryAgent.prototype, (one) => one.#base)
    RetryAgent.#forwardsEvents = true
    const retry: DispatchInterceptor = (dispatch) =>
      retryDispatch(dispatch, retryBudgetOf(options), () => mergeRetryOptions(options, null))
    this.#base = dispatcher
    this.#dispatch = dispatchThrough(dispatcher, [retry])
    setCore(this, coreOf(dispatcher))
  }

  /** The base's. */
  get closed(): boolean {
    return this.#base.closed as boolean
  }

  /** The base's. */
  get destroyed(): boolean {
    return this.#base.destroyed as boolean
  }

  /** The base's. */
  get stats(): unknown {
    return this.#base.stats
  }

  /** The base's. */
  inspect(): string {
    return this.#base.inspect?.() ?? this.#base.constructor.name
  }

  override dispatch(...request: Parameters<Dispatch>): boolean {
    return this.#dispatch(...request)
  }

  /**
   * That of the base.
   * @throws what it throws
   */
  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): Promise<void> | void {
    return callback === undefined ? this.#base.close() : this.#base.close(callback)
  }

  /**
   * That of the base.
   * @throws what it throws
   */
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    if (typeof error === 'function') return this.#base.destroy(error)
    return callback === undefined ? this.#base.destroy(error) : this.#base.destroy(error ?? null, callback)
  }
}
