import { now } from '../base/clock.js'
import type { Candidate, UpstreamPicker } from './strategy.js'

/** In how many steps a weight grows, for pickers that must be told. */
const STEPS = 10

/** One of a {@link EligibleUpstreams}. */
export interface EligibilityEntry extends Candidate {
  /** How many want it left out. */
  blocks: number
  /** The picker has it. */
  listed: boolean
  /** It comes back among the others. */
  startSlowly(): void
  /** Its weight grows still, for as many ms as this from when it came. */
  readonly starting: boolean
  readonly slowStart: number
}

/** Who of all upstreams is known to the picker: the good ones, or all when too few are good. */
export class EligibleUpstreams<T extends EligibilityEntry> {
  readonly #picker: UpstreamPicker<T>
  readonly #all = new Set<T>()
  /** In percent. */
  readonly #panicThreshold: number
  #blocked = 0
  /** Whose weights grow. */
  readonly #starting = new Set<T>()
  #nextStep = 0

  constructor(picker: UpstreamPicker<T>, panicThreshold: number) {
    this.#picker = picker
    this.#panicThreshold = panicThreshold
  }

  add(upstream: T): void {
    this.#all.add(upstream)
    this.#list(upstream, true)
    this.#start(upstream)
    if (this.#blocked > 0) this.#arrange()
  }

  /** Tells the picker of weights that have grown: who is due by a weight of long ago would be late by the lack of it. */
  grow(): void {
    if (this.#starting.size === 0 || now() < this.#nextStep) return
    for (const upstream of this.#starting) {
      if (!upstream.starting) this.#starting.delete(upstream)
      this.#picker.reweighed?.(upstream)
      this.#nextStep = now() + upstream.slowStart / STEPS
    }
  }

  remove(upstream: T): void {
    if (!this.#all.delete(upstream)) return
    this.#starting.delete(upstream)
    this.#list(upstream, false)
    if (upstream.blocks > 0) this.#blocked--
    if (this.#blocked > 0) this.#arrange()
  }

  block(upstream: T, out: boolean): void {
    if (!this.#all.has(upstream)) return
    const before = upstream.blocks
    upstream.blocks += out ? 1 : -1
    if (before > 0 === upstream.blocks > 0) return
    this.#blocked += out ? 1 : -1
    if (!out) upstream.startSlowly()
    this.#arrange()
    this.#start(upstream)
  }

  #start(upstream: T): void {
    if (upstream.starting) this.#starting.add(upstream)
  }

  #arrange(): void {
    const good = this.#all.size - this.#blocked
    const panic = good * 100 < this.#panicThreshold * this.#all.size || good === 0
    for (const upstream of this.#all) this.#list(upstream, panic || upstream.blocks === 0)
  }

  #list(upstream: T, listed: boolean): void {
    if (upstream.listed === listed) return
    upstream.listed = listed
    if (listed) this.#picker.add(upstream)
    else this.#picker.remove(upstream)
  }
}
