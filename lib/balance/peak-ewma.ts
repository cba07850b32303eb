import type { Candidate, Outcome } from './strategy.js'
import { type Random, TwoChoices, type UpstreamLoad } from './two-choices.js'

/** Nothing is known of it, and it has requests already: whoever is known comes first. */
const UNKNOWN_COST = 1e12

/** What {@link PeakEwma} goes by; times in ms. */
export interface PeakEwmaConfig {
  random: Random
  now: () => number
  decayTime: number
  failureLatency: number
}

/**
 * Of two, the one with the lower latency times requests, for its weight. Latency is a mean that forgets exponentially,
 * and follows a peak at once. Source: Finagle's "Peak EWMA".
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
