import { PeakEwma } from '../balance/peak-ewma.js'
import type { UpstreamPicker, UpstreamWatcher } from '../balance/strategy.js'
import { LeastRequests, type Random } from '../balance/two-choices.js'
import { WeightedRoundRobin } from '../balance/weighted-round-robin.js'
import { now } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { atCaller } from '../errors/caller.js'
import { positiveNumber, requireFunction } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import { invalidChoice, invalidOption } from '../errors.js'
import { isolatedMethods } from './isolated-methods.js'
import type { Upstream } from './upstream.js'

/** Options of {@link leastRequests}. Specific to sluice. */
export interface LeastRequestsOptions {
  /** Random number generator: from 0 (inclusive) to 1 (exclusive). Default: `Math.random`. */
  random?: Random
}

/** Options of {@link peakEwma}. Source: Finagle's "Peak EWMA". */
export interface PeakEwmaOptions extends LeastRequestsOptions {
  /** Time in ms in which the influence of an old latency decays to 1/e. Default: 10 000. */
  decayTime?: number
  /** Minimum latency in ms that a failure counts as, so that fast failures are not preferred. Default: 1 000. */
  failureLatency?: number
}

/**
 * Creates a load balancing strategy that picks, of two upstreams drawn by weight, the one with fewer active requests in
 * proportion to its weight. Source: "The Power of Two Random Choices", Mitzenmacher, Richa and Sitaraman.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const pool = new BalancedPool(origins, { strategy: leastRequests() })
 */
export function leastRequests(options: LeastRequestsOptions = {}): UpstreamPicker {
  return atCaller(leastRequests, () => {
    refuseUnknownOptions({ bag: 'leastRequests', names: ['random'] }, options)
    return new LeastRequests(randomOf(unpolluted(options)))
  })
}

/**
 * Creates a load balancing strategy that picks, of two upstreams drawn by weight, the one with the lower product of
 * latency and active requests, in proportion to its weight. The latency is an exponentially weighted moving average
 * that rises to a peak at once. Source: Finagle's "Peak EWMA".
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const pool = new BalancedPool(origins, { strategy: peakEwma({ decayTime: 5_000 }) })
 */
export function peakEwma(options: PeakEwmaOptions = {}): UpstreamPicker {
  return atCaller(peakEwma, () => createPeakEwma(options))
}

function createPeakEwma(given: PeakEwmaOptions): UpstreamPicker {
  const options = unpolluted(given)
  refuseUnknownOptions({ bag: 'peakEwma', names: ['random', 'decayTime', 'failureLatency'] }, given)
  return new PeakEwma({
    random: randomOf(options),
    now,
    decayTime: positiveNumber('decayTime', options.decayTime, [10_000]),
    failureLatency: positiveNumber('failureLatency', options.failureLatency, [1_000]),
  })
}

function randomOf({ random }: LeastRequestsOptions): Random {
  if (random === undefined || random === null) return Math.random
  requireFunction('random', random)
  return random
}

/**
 * Returns the picker for the `strategy` option of a BalancedPool.
 * @throws {InvalidArgumentError} the option is invalid
 */
export function pickerOf(strategy: unknown): UpstreamPicker<Upstream> {
  if (strategy === undefined || strategy === null || strategy === 'round-robin')
    return new WeightedRoundRobin<Upstream>()
  if (strategy === 'least-requests') return leastRequests() as UpstreamPicker<Upstream>
  if (strategy === 'peak-ewma') return peakEwma() as UpstreamPicker<Upstream>
  const picker = strategy as UpstreamPicker<Upstream>
  const { pick, add, remove } = picker
  if ([pick, add, remove].every((method) => typeof method === 'function')) {
    const methods = isolatedMethods(picker, ['add', 'remove', 'reweighed', 'started', 'ended'])
    return { ...methods, pick: (exclude) => picker.pick(exclude) }
  }
  throw invalidChoice('strategy', "'round-robin', 'least-requests', 'peak-ewma' or an UpstreamPicker", strategy)
}

/**
 * Returns the watcher of the `outlierDetection` or `healthCheck` option of a BalancedPool, if there is one.
 * @throws {InvalidArgumentError} the option is invalid
 */
export function watcherOf(option: Record<string, unknown>): UpstreamWatcher<Upstream>[] {
  const [name, value] = Object.entries(option)[0] as [string, UpstreamWatcher<Upstream> | null | undefined]
  if (value === undefined || value === null) return []
  if (typeof value.watch === 'function') return [value]
  throw invalidOption(name, name === 'healthCheck' ? 'a HealthCheck' : 'an OutlierDetection', value)
}
