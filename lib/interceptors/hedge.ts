import { LatencyHistogram } from '../base/histogram.js'
import { unpolluted, unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { atCaller } from '../errors/caller.js'
import { positiveInteger, positiveNumber } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import { invalidOption } from '../errors.js'
import { withDeadline } from '../exchange/deadlines.js'
import type { DispatchInput } from '../exchange/request.js'
import { HedgeHandler, type HedgePolicy } from './hedge-handler.js'
import { isReplayable, withReusableHeaders } from './replayable-body.js'
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.js'

/** Options of `interceptors.hedge`. Sluice-specific; named as in gRPC and Envoy. */
export interface HedgeOptions {
  /**
   * Delay in ms after which a request without response headers is sent again. With `percentile`, the delay until that is
   * known. Default: none; `delay` or `percentile` is required.
   */
  delay?: number | null | undefined
  /**
   * Percentile (0 to 100) of the time to response headers that is used as the delay. Updated every 100 requests, or every
   * as many as the percentile needs. Default: none; `delay` is fixed.
   */
  percentile?: number | null | undefined
  /** Maximum number of additional attempts. Default: 1. */
  maxHedges?: number | null | undefined
  /** Limit on the additional attempts of all requests together. Default: `{ ratio: 0.1, minPerSecond: 1 }`. */
  budget?: RetryBudgetOptions | null | undefined
}

/** Idempotent methods (RFC 9110 §9.2.2); QUERY is safe too. */
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']

/**
 * Sends a request a second time if no response headers arrive within a delay, over another upstream if there is one. The
 * first response wins, and the other attempts are aborted. A 429 or 5xx response waits for another attempt in flight, for
 * one second or `delay`, whichever is longer. The request fails only when all attempts have failed. Applies to idempotent
 * requests (by method, or `idempotent: true`) whose body can be sent again, not to upgrades. Sluice-specific.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const pool = new BalancedPool(['http://localhost:3001', 'http://localhost:3002'])
 * const hedged = pool.compose(interceptors.hedge({ percentile: 95, delay: 50 }))
 */
export function hedge(options: HedgeOptions): DispatchInterceptor {
  const policy = atCaller(hedge, () => policyOf(options))
  return (dispatch) => (request, handler) => {
    if (!mayBeHedged(request)) return dispatch(request, handler)
    policy.budget.addRequest()
    // A balancer adds the origin of each attempt and sends the next one to another upstream.
    const sent = { ...withReusableHeaders(withDeadline(unpollutedRequest(request))) } as typeof request & DispatchInput
    sent.tried ??= []
    return new HedgeHandler(sent, { dispatch, handler, policy }).start()
  }
}

function policyOf(options: HedgeOptions): HedgePolicy & { budget: RetryBudget } {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options)
  refuseUnknownOptions({ bag: 'hedge', names: ['delay', 'percentile', 'maxHedges', 'budget'] }, options)
  const { maxHedges, budget, ...delayOptions } = unpolluted(options)
  const attempts = positiveInteger('maxHedges', maxHedges, 1)
  const retryBudget = new RetryBudget({ minPerSecond: 1, ratio: 0.1, ...budgetOf(budget) }, undefined, 'budget')
  return { hedgeDelay: new HedgeDelay(delayOptions), maxHedges: attempts, budget: retryBudget }
}

/** Returns the options of the budget without undefined and null. */
function budgetOf(budget: HedgeOptions['budget']): RetryBudgetOptions {
  if (budget === undefined || budget === null) return {}
  if (typeof budget !== 'object') throw invalidOption('budget', 'an object', budget)
  return Object.fromEntries(Object.entries(budget).filter(([, value]) => value != null))
}

function mayBeHedged(request: DispatchInput): boolean {
  if (typeof request !== 'object' || request === null) return false
  const { method, idempotent, upgrade, body } = request
  if (method === 'CONNECT' || (upgrade != null && upgrade !== false)) return false
  return (idempotent ?? IDEMPOTENT.includes(method)) === true && isReplayable(body)
}

/** Delay before another attempt is sent. */
class HedgeDelay {
  /** Delay in ms; Infinity: never. */
  delay: number
  readonly #percentile: number | null
  readonly #needed: number
  readonly #latest: LatencyHistogram | null

  constructor({ delay, percentile }: Pick<HedgeOptions, 'delay' | 'percentile'>) {
    if (delay != null && !(typeof delay === 'number' && Number.isFinite(delay) && delay >= 0)) {
      throw invalidOption('delay', 'a non-negative number of ms', delay)
    }
    this.#percentile = percentile == null ? null : positiveNumber('percentile', percentile, [95, 99.99])
    if (delay == null && this.#percentile === null)
      throw invalidOption('delay', 'a number of ms, unless percentile is given', delay)
    this.delay = delay ?? Number.POSITIVE_INFINITY
    this.#latest = this.#percentile === null ? null : new LatencyHistogram()
    // So many that ten of them exceed the percentile.
    this.#needed = Math.max(100, Math.ceil(1000 / (100 - (this.#percentile ?? 0))))
  }

  /** Records that response headers arrived after `latency` ms. */
  record(latency: number): void {
    const latest = this.#latest
    if (latest === null) return
    latest.record(latency)
    if (latest.count < this.#needed) return
    this.delay = latest.percentile(this.#percentile as number)
    latest.reset()
  }
}
