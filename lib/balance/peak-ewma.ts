import type { Candidate, Outcome } from './strategy.js'
import { type Random, TwoChoices, type UpstreamLoad } from './two-choices.js'

/** Cost of an upstream with active requests and unknown latency: upstreams with known latency are preferred. */
const UNKNOWN_COST = 1e12

/** Parameters of {@link PeakEwma}; times in ms. */
export interface PeakEwmaConfig {
  random: Random
  now: () => number
  decayTime: number
  failureLatency: number
}

/**
 * Picks, of two upstreams drawn by weight, the one with the lower product of latency and active requests, in proportion
 * to its weight. The latency is an exponentially weighted moving average that rises to a peak at once. Source:
 * Finagle's "Peak EWMA".
 */
export class PeakEwma extends TwoChoices {
  readonly #config: PeakEwmaConfig

  constructor(settings: PeakEwmaConfig) {
    super(settings.random)
    this.#config = settings
  }

  protected override prefers(second: UpstreamLoad, first: UpstreamLoad): boolean {
    const time = this.#config.now()
    return this.#cost(second, time) < this.#cost(first, time)
  }

  override ended(upstream: Candidate, outcome: Outcome): void {
    super.ended(upstream, outcome)
    const load = this.loadOf(upstream)
    const { now, decayTime, failureLatency } = this.#config
    const time = now()
    const decay = Math.exp((load.updatedAt - time) / decayTime)
    const latency = outcome.failed ? Math.max(outcome.latency, failureLatency) : outcome.latency
    const decayed = load.latency * decay
    if (latency > decayed) load.latency = latency
    else if (outcome.aborted) return
    else load.latency = decayed + latency * (1 - decay)
    load.updatedAt = time
  }

  #cost({ active, latency, updatedAt, upstream }: UpstreamLoad, time: number): number {
    if (latency === 0) return active === 0 ? 0 : UNKNOWN_COST + active
    const decayed = latency * Math.exp((updatedAt - time) / this.#config.decayTime)
    return (decayed * (active + 1)) / upstream.weight
  }
}
