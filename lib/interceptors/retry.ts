import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { Dispatch, Dispatcher, DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { coreOf, setCore } from '../dispatcher/dispatcher-core.js'
import { invalidOption } from '../errors.js'
import { mergeOptions } from './option-layers.js'
import { withReusableHeaders } from './replayable-body.js'
import { RetryBudget } from './retry-budget.js'
import { RetryHandler } from './retry-handler.js'
import { mergeRetryOptions, type RetryInput, type RetryInterceptorInput, resolveRetryOptions } from './retry-options.js'

/**
 * Sends requests again that failed and may be repeated; see {@link RetryHandler}. A request's own `retryOptions` go
 * over `options`.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function retry(options: RetryInterceptorInput | null = {}): DispatchInterceptor {
  resolveRetryOptions(options)
  const budget = retryBudgetOf(options)
  return (dispatch) => retryDispatch(dispatch, budget, (own) => mergeRetryOptions(options, own))
}

/** @throws {InvalidArgumentError} an option is not what is documented */
export function retryBudgetOf(options: RetryInterceptorInput | null | undefined): RetryBudget | null {
  const { retryBudget } = mergeOptions(options)
  return retryBudget === undefined || retryBudget === null ? null : new RetryBudget(retryBudget)
}

/** A way to dispatch by RetryHandlers. `optionsFor` knows what a request's own `retryOptions` are worth. */
export function retryDispatch(
  dispatch: Dispatch,
  budget: RetryBudget | null,
  optionsFor: (own: RetryInput | null | undefined) => RetryInput,
): Dispatch {
  return (request, handler) => {
    if (typeof request !== 'object' || request === null) throw invalidOption('options', 'an object', request)
    budget?.addRequest()
    // A balancer adds where each try goes, and sends the next one elsewhere.
    const sent = { ...withReusableHeaders(unpollutedRequest(request)) } as Dispatcher.DispatchOptions & {
      tried?: string[]
    }
    sent.tried ??= []
    const { retryOptions: own } = sent as { retryOptions?: RetryInput }
    // Who retries further down sees the same options at each try.
    let dispatchAgain = dispatch
    if (own !== undefined) {
      dispatchAgain = (again, tries) => dispatch(Object.assign(again, { retryOptions: own }), tries)
      setCore(dispatchAgain, coreOf(dispatch))
    }
    const retryOptions = optionsFor(own)
    return dispatch(sent, new RetryHandler({ ...sent, retryOptions }, { dispatch: dispatchAgain, handler, budget }))
  }
}
