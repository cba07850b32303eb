import { now } from '../base/clock.js'
import type { Candidate, UpstreamPicker } from './strategy.js'

/** Number of steps of a slow start in which the picker is notified of the growing weight. */
const SLOW_START_STEPS = 10

/** Upstream in {@link EligibleUpstreams}. */
export interface EligibilityEntry extends Candidate {
  /** Number of watchers that have ejected it. */
  ejectedBy: number
  /** Whether the picker may choose it. */
  eligible: boolean
  /** Starts the slow start, when it recovers. */
  beginSlowStart(): void
  /** Whether its weight is still growing. */
  readonly inSlowStart: boolean
  /** Duration of the slow start in ms. */
  readonly slowStart: number
}

/** Controls which upstreams a picker may choose: the healthy ones, or all in panic mode (when too few are healthy). */
export class EligibleUpstreams<T extends EligibilityEntry> {
  readonly #picker: UpstreamPicker<T>
  readonly #all = new Set<T>()
  /** Percentage of healthy upstreams below which all are eligible. */
  readonly #panicThreshold: number
  #ejectedCount = 0
  /** Upstreams whose weights are growing. */
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

  /** Notifies the picker of weights that have grown, so that the next turn of their upstreams is due earlier. */
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

  /** Records that one watcher ejects or readmits an upstream. */
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
    const healthy = this.#all.size - this.#ejectedCount
    const panic = healthy * 100 < this.#panicThreshold * this.#all.size || healthy === 0
    for (const upstream of this.#all) this.#setEligible(upstream, panic || upstream.ejectedBy === 0)
  }

  #setEligible(upstream: T, eligible: boolean): void {
    if (upstream.eligible === eligible) return
    upstream.eligible = eligible
    if (eligible) this.#picker.add(upstream)
    else this.#picker.remove(upstream)
  }
}
