import { PeakEwma } from '../balance/peak-ewma.js'
import type { UpstreamPicker, UpstreamWatcher } from '../balance/strategy.js'
import { LeastRequests, type Random } from '../balance/two-choices.js'
import { WeightedRoundRobin } from '../balance/weighted-round-robin.js'
import { now } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { positiveNumber, requireFunction } from '../errors/option-checks.js'
import { invalidChoice, invalidOption } from '../errors.js'
import { isolatedMethods } from './isolated-methods.js'
import type { Upstream } from './upstream.js'

/** Options of {@link leastRequests}. Ours. */
export interface LeastRequestsOptions {
  /** Numbers from 0 up to 1, without it. Default: `Math.random`. */
  random?: Random
}

/** Options of {@link peakEwma}. Source: Finagle's "Peak EWMA". */
export interface PeakEwmaOptions extends LeastRequestsOptions {
  /** ms in which an old latency comes to count e times less. Default: 10 000. */
  decayTime?: number
  /** ms that a failure counts for at least: what fails at once is no better for it. Default: 1 000. */
  failureLatency?: number
}

/**
 * Of two upstreams drawn by weight, the one with fewer requests for its weight. Source: "The Power of Two
 * Random Choices", Mitzenmacher, Richa and Sitaraman.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function leastRequests(options: LeastRequestsOptions = {}): UpstreamPicker {
  return new LeastRequests(randomOf(unpolluted(options)))
}

/**
 * Of two upstreams drawn by weight, the one with the lower product of latency and requests, for its weight. Latency is
 * a mean that forgets exponentially, and follows a peak at once. Source: Finagle's "Peak EWMA".
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function peakEwma(given: PeakEwmaOptions = {}): UpstreamPicker {
  const options = unpolluted(given)
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

/** What the option `strategy` of a BalancedPool stands for. */
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

/** What the options `outlierDetection` and `healthCheck` of a BalancedPool stand for. */
export function watcherOf(option: Record<string, unknown>): UpstreamWatcher<Upstream>[] {
  const [name, value] = Object.entries(option)[0] as [string, UpstreamWatcher<Upstream> | null | undefined]
  if (value === undefined || value === null) return []
  if (typeof value.watch === 'function') return [value]
  throw invalidOption(name, name === 'healthCheck' ? 'a HealthCheck' : 'an OutlierDetection', value)
}
