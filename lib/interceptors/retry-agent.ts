import { chain } from '../dispatcher/chain.js'
import { ComposedDispatcher, type Dispatcher, type DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { invalidOption } from '../errors.js'
import { budgetOf, retrying } from './retry.js'
import { mergeRetryOptions, type RetryAllInput, resolveRetryOptions } from './retry-options.js'

/**
 * A dispatcher that sends through another one, and again what failed and may be repeated; see {@link RetryHandler}.
 * Events, `close` and `destroy` are those of the other one: closed while a request waits for its next try, it fails
 * that request. Source: undici's `RetryAgent.md`.
 */
export class RetryAgent extends ComposedDispatcher {
  /** @throws {InvalidArgumentError} no dispatcher, or an option that is not what is documented */
  constructor(dispatcher: Dispatcher, options: RetryAllInput | null = {}) {
    if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
    resolveRetryOptions(options)
    const retry: DispatchInterceptor = (dispatch) =>
      retrying(dispatch, budgetOf(options), () => mergeRetryOptions(options, null))
    super(dispatcher, chain(dispatcher, [retry]))
  }
}
