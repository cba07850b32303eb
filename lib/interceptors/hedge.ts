import { LatencyHistogram } from '../base/histogram.js'
import { unpolluted, unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { positiveInteger, positiveNumber } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import { withDeadline } from '../exchange/deadlines.js'
import type { DispatchInput } from '../exchange/request.js'
import { Hedge, type HedgePlan } from './hedge-handler.js'
import { isReplayable, withReusableHeaders } from './replayable-body.js'
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.js'

/** Options of `interceptors.hedge`. An addition to undici's set; by gRPC's and Envoy's names. */
export interface HedgeOptions {
  /**
   * ms without a response head after which another try is sent. With `percentile`: until that is
   * known. Default: none, one of the two is needed.
   */
  delay?: number | null | undefined
  /**
   * The delay is what this share of the last requests, in %, did not exceed until their response head: measured anew
   * every 100 requests, or as many as the share needs. Default: none, `delay` is fixed.
   */
  percentile?: number | null | undefined
  /** Tries after the first. Default: 1. */
  maxHedges?: number | null | undefined
  /** Bounds the extra tries of all requests taken together. Default: `{ ratio: 0.1, minPerSecond: 1 }`. */
  budget?: RetryBudgetOptions | null | undefined
}

/** RFC 9110 §9.2.2; QUERY is safe too. */
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']

/**
 * Sends a request a second time when no response head has come after a while, over another upstream if there is one.
 * The first head counts, and all other tries are cancelled at once; one of 429 or 5xx waits for another attempt in flight,
 * for a second or `delay` at most, whichever is longer.
 * A try that fails is no failure as long as there is another. Only requests that are idempotent, by their method or
 * their `idempotent`, and whose body can be sent again; no upgrades. Ours.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function hedge(options: HedgeOptions): DispatchInterceptor {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options)
  const { maxHedges, budget, ...pace } = unpolluted(options)
  const tries = positiveInteger('maxHedges', maxHedges, 1)
  const bound = new RetryBudget({ minPerSecond: 1, ratio: 0.1, ...budgetOf(budget) }, undefined, 'budget')
  const plan: HedgePlan = { pace: new Pace(pace), maxHedges: tries, budget: bound }
  return (dispatch) => (request, handler) => {
    if (!mayBeHedged(request)) return dispatch(request, handler)
    bound.addRequest()
    // A balancer adds where each try goes, and sends the next one elsewhere.
    const sent = { ...withReusableHeaders(withDeadline(unpollutedRequest(request))) } as typeof request & DispatchInput
    sent.tried ??= []
    return new Hedge(sent, { dispatch, handler, plan }).start()
  }
}

/** What is left out, or undefined, is no option. */
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

/** When another try is due. */
class Pace {
  /** ms; Infinity for never. */
  delay: number
  readonly #percentile: number | null
  readonly #needed: number
  readonly #latest: LatencyHistogram | null

  constructor({ delay, percentile }: Pick<HedgeOptions, 'delay' | 'percentile'>) {
    if (delay != null && !(typeof delay === 'number' && Number.isFinite(delay) && delay >= 0)) {
      throw invalidOption('delay', 'a number of ms, 0 or more', delay)
    }
    this.#percentile = percentile == null ? null : positiveNumber('percentile', percentile, [95, 99.99])
    if (delay == null && this.#percentile === null) throw invalidOption('delay', 'given, or percentile', delay)
    this.delay = delay ?? Number.POSITIVE_INFINITY
    this.#latest = this.#percentile === null ? null : new LatencyHistogram()
    // Ten of them are above it.
    this.#needed = Math.max(100, Math.ceil(1000 / (100 - (this.#percentile ?? 0))))
  }

  /** A response head came after `latency` ms. */
  record(latency: number): void {
    const latest = this.#latest
    if (latest === null) return
    latest.record(latency)
    if (latest.count < this.#needed) return
    this.delay = latest.percentile(this.#percentile as number)
    latest.reset()
  }
}
