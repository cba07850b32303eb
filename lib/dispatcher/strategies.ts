import { PeakEwma } from '../balance/peak-ewma.js'
import { positive } from '../balance/settings.js'
import type { UpstreamPicker } from '../balance/strategy.js'
import { LeastRequests, type Random } from '../balance/two-choices.js'
import { now } from '../base/clock.js'
import { ownOptions } from '../base/own-options.js'
import { invalidOption } from '../errors.js'

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
  return new LeastRequests(randomOf(ownOptions(options)))
}

/**
 * Of two upstreams drawn by weight, the one with the lower product of latency and requests, for its weight. Latency is
 * a mean that forgets exponentially, and follows a peak at once. Source: Finagle's "Peak EWMA".
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function peakEwma(given: PeakEwmaOptions = {}): UpstreamPicker {
  const options = ownOptions(given)
  return new PeakEwma({
    random: randomOf(options),
    now,
    decayTime: positive('decayTime', options.decayTime, [10_000]),
    failureLatency: positive('failureLatency', options.failureLatency, [1_000]),
  })
}

function randomOf({ random }: LeastRequestsOptions): Random {
  if (random === undefined || random === null) return Math.random
  if (typeof random !== 'function') throw invalidOption('random', 'a function', random)
  return random
}
