import { now } from '../base/clock.js'
import type { Candidate, UpstreamPicker } from './strategy.js'

/** In how many steps a weight grows, for pickers that must be told. */
const SLOW_START_STEPS = 10

/** One of a {@link EligibleUpstreams}. */
export interface EligibilityEntry extends Candidate {
  /** How many want it left out. */
  ejectedBy: number
  /** The picker has it. */
  eligible: boolean
  /** It comes back among the others. */
  beginSlowStart(): void
  /** Its weight grows still, for as many ms as this from when it came. */
  readonly inSlowStart: boolean
  readonly slowStart: number
}

/** Who of all upstreams is known to the picker: the good ones, or all when too few are good. */
export class EligibleUpstreams<T extends EligibilityEntry> {
  readonly #picker: UpstreamPicker<T>
  readonly #all = new Set<T>()
  /** In percent. */
  readonly #panicThreshold: number
  #ejectedCount = 0
  /** Whose weights grow. */
  readonly #inSlowStart = new Set<T>()
  #nextStep = 0

  constructor(picker: UpstreamPicker<T>, panicThreshold: number) {
    this.#picker = picker
    this.#panicThreshold = panicThreshold
  }

  add(upstream: T): void {
    this.#all.add(upstream)
    this.#setEligible(upstream, true)
    this.#trackSlowStart(upstream)
    if (this.#ejectedCount > 0) this.#updateEligible()
  }

  /** Tells the picker of weights that have grown: who is due by a weight of long ago would be late by the lack of it. */
  updateWeights(): void {
    if (this.#inSlowStart.size === 0 || now() < this.#nextStep) return
    for (const upstream of this.#inSlowStart) {
      if (!upstream.inSlowStart) this.#inSlowStart.delete(upstream)
      this.#picker.reweighed?.(upstream)
      this.#nextStep = now() + upstream.slowStart / SLOW_START_STEPS
    }
  }

  remove(upstream: T): void {
    if (!this.#all.delete(upstream)) return
    this.#inSlowStart.delete(upstream)
    this.#setEligible(upstream, false)
    if (upstream.ejectedBy > 0) this.#ejectedCount--
    if (this.#ejectedCount > 0) this.#updateEligible()
  }

  setEjected(upstream: T, ejected: boolean): void {
    if (!this.#all.has(upstream)) return
    const before = upstream.ejectedBy
    upstream.ejectedBy += ejected ? 1 : -1
    if (before > 0 === upstream.ejectedBy > 0) return
    this.#ejectedCount += ejected ? 1 : -1
    if (!ejected) upstream.beginSlowStart()
    this.#updateEligible()
    this.#trackSlowStart(upstream)
  }

  #trackSlowStart(upstream: T): void {
    if (upstream.inSlowStart) this.#inSlowStart.add(upstream)
  }

  #updateEligible(): void {
    const good = this.#all.size - this.#ejectedCount
    const panic = good * 100 < this.#panicThreshold * this.#all.size || good === 0
    for (const upstream of this.#all) this.#setEligible(upstream, panic || upstream.ejectedBy === 0)
  }

  #setEligible(upstream: T, listed: boolean): void {
    if (upstream.eligible === listed) return
    upstream.eligible = listed
    if (listed) this.#picker.add(upstream)
    else this.#picker.remove(upstream)
  }
}
