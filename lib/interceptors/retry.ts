import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { Dispatch, Dispatcher, DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { coreOf, setCore } from '../dispatcher/dispatcher-core.js'
import { atCaller } from '../errors/caller.js'
import { invalidOption } from '../errors.js'
import { mergeOptions } from './option-layers.js'
import { withReusableHeaders } from './replayable-body.js'
import { RetryBudget } from './retry-budget.js'
import { RetryHandler } from './retry-handler.js'
import {
  mergeRetryOptions,
  type RetryInput,
  type RetryInterceptorOpts,
  resolveRetryOptions,
  warnUnknownRetryOptions,
} from './retry-options.js'

/**
 * Retries requests that fail; see {@link RetryHandler}. The request option `retryOptions` takes precedence over
 * `options`.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const pool = new Pool('http://localhost:3000').compose(interceptors.retry({ maxRetries: 3, minTimeout: 100 }))
 * const { statusCode } = await pool.request({ path: '/', method: 'GET' })
 */
export function retry(options: RetryInterceptorOpts | null = {}): DispatchInterceptor {
  atCaller(retry, () => resolveRetryOptions(options))
  warnUnknownRetryOptions(options)
  const budget = atCaller(retry, () => retryBudgetOf(options))
  return (dispatch) => retryDispatch(dispatch, budget, (own) => mergeRetryOptions(options, own))
}

/**
 * Creates the budget of `options.retryBudget`; null if there is none.
 * @throws {InvalidArgumentError} an option is invalid
 */
export function retryBudgetOf(options: RetryInterceptorOpts | null | undefined): RetryBudget | null {
  const { retryBudget } = mergeOptions(options)
  return retryBudget === undefined || retryBudget === null ? null : new RetryBudget(retryBudget)
}

/** Returns a `dispatch` function that retries. `optionsFor` merges the `retryOptions` of a request with those of all. */
export function retryDispatch(
  dispatch: Dispatch,
  budget: RetryBudget | null,
  optionsFor: (own: RetryInput | null | undefined) => RetryInput,
): Dispatch {
  return (request, handler) => {
    if (typeof request !== 'object' || request === null) throw invalidOption('options', 'an object', request)
    budget?.addRequest()
    // A balancer adds the origin of each attempt and sends the next one to another upstream.
    const sent = { ...withReusableHeaders(unpollutedRequest(request)) } as Dispatcher.DispatchOptions & {
      tried?: string[]
    }
    sent.tried ??= []
    const { retryOptions: own } = sent as { retryOptions?: RetryInput }
    // Another retry interceptor below sees the same options at each attempt.
    let dispatchAgain = dispatch
    if (own !== undefined) {
      dispatchAgain = (again, tries) => dispatch(Object.assign(again, { retryOptions: own }), tries)
      setCore(dispatchAgain, coreOf(dispatch))
    }
    const retryOptions = optionsFor(own)
    return dispatch(sent, new RetryHandler({ ...sent, retryOptions }, { dispatch: dispatchAgain, handler, budget }))
  }
}
