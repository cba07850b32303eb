import type { Candidate, Outcome } from './strategy.js'
import { type Place, type Random, TwoChoices } from './two-choices.js'

/** Nothing is known of it, and it has requests already: whoever is known comes first. */
const UNKNOWN = 1e12

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
  readonly #settings: PeakEwmaConfig

  constructor(settings: PeakEwmaConfig) {
    super(settings.random)
    this.#settings = settings
  }

  protected override prefers(second: Place, first: Place): boolean {
    const time = this.#settings.now()
    return this.#cost(second, time) < this.#cost(first, time)
  }

  override ended(upstream: Candidate, outcome: Outcome): void {
    super.ended(upstream, outcome)
    const place = this.place(upstream)
    const { now, decayTime, failureLatency } = this.#settings
    const time = now()
    const kept = Math.exp((place.at - time) / decayTime)
    const latency = outcome.failed ? Math.max(outcome.latency, failureLatency) : outcome.latency
    const estimate = place.estimate * kept
    if (latency > estimate) place.estimate = latency
    else if (outcome.aborted) return
    else place.estimate = estimate + latency * (1 - kept)
    place.at = time
  }

  #cost({ active, estimate, at, upstream }: Place, time: number): number {
    if (estimate === 0) return active === 0 ? 0 : UNKNOWN + active
    return (estimate * Math.exp((at - time) / this.#settings.decayTime) * (active + 1)) / upstream.weight
  }
}
