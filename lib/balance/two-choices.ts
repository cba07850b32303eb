import type { Candidate, Outcome, UpstreamPicker } from './strategy.js'

/** Numbers from 0 up to 1, without it. */
export type Random = () => number

/** What is known of an upstream, as long as there is such an object: it may leave and come back with requests open. */
export class UpstreamLoad {
  readonly upstream: Candidate
  /** Where it stands; -1 when it is not to be chosen. */
  index = -1
  active = 0
  /** ms */
  latency = 0
  /** When the estimate was made. */
  updatedAt = 0

  constructor(upstream: Candidate) {
    this.upstream = upstream
  }
}

/** How often a load is drawn and refused before all are counted. */
const MAX_DRAWS = 16

/**
 * The better one of two that are drawn by weight: nearly as good as the best of all (the largest load exceeds the mean
 * by ln ln n / ln 2, not by ln n / ln ln n), and no herd runs to the one that looked best.
 */
export abstract class TwoChoices implements UpstreamPicker {
  readonly #random: Random
  readonly #loads: UpstreamLoad[] = []
  readonly #loadByUpstream = new WeakMap<Candidate, UpstreamLoad>()
  /** Of all weights; 0 when it has to be looked for. */
  #maxWeight = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** True when the second should take a request rather than the first, who was drawn first. */
  protected abstract prefers(second: UpstreamLoad, first: UpstreamLoad): boolean

  protected loadOf(upstream: Candidate): UpstreamLoad {
    let load = this.#loadByUpstream.get(upstream)
    if (load === undefined) {
      load = new UpstreamLoad(upstream)
      this.#loadByUpstream.set(upstream, load)
    }
    return load
  }

  add(upstream: Candidate): void {
    const load = this.loadOf(upstream)
    if (load.index < 0) load.index = this.#loads.push(load) - 1
    this.#maxWeight = 0
  }

  remove(upstream: Candidate): void {
    const load = this.loadOf(upstream)
    const { index } = load
    if (index < 0) return
    const last = this.#loads.pop() as UpstreamLoad
    load.index = -1
    this.#maxWeight = 0
    if (last === load) return
    this.#loads[index] = last
    last.index = index
  }

  reweighed(): void {
    this.#maxWeight = 0
  }

  pick(exclude?: readonly string[]): Candidate | null {
    const all = this.#loads
    const loads = exclude === undefined ? all : all.filter(({ upstream }) => !exclude.includes(upstream.origin))
    if (loads.length < 2) return loads[0]?.upstream ?? null
    const first = this.#draw(loads, null)
    const second = this.#draw(loads, first)
    return (this.prefers(second, first) ? second : first).upstream
  }

  started(upstream: Candidate): void {
    this.loadOf(upstream).active++
  }

  ended(upstream: Candidate, _outcome: Outcome): void {
    this.loadOf(upstream).active--
  }

  /** By weight, anyone but `other`. */
  #draw(loads: readonly UpstreamLoad[], other: UpstreamLoad | null): UpstreamLoad {
    if (this.#maxWeight === 0) for (const { upstream } of this.#loads) this.#noteWeight(upstream.weight)
    for (let draws = 0; draws < MAX_DRAWS; draws++) {
      const load = loads[Math.floor(this.#random() * loads.length) % loads.length] as UpstreamLoad
      const { weight } = load.upstream
      if (load === other) continue
      if (weight >= this.#maxWeight || this.#random() * this.#maxWeight < weight) return this.#noteWeight(weight, load)
    }
    const others = loads.filter((load) => load !== other)
    let left = this.#random() * others.reduce((sum, { upstream }) => sum + upstream.weight, 0)
    for (const load of others) {
      left -= load.upstream.weight
      if (left < 0) return load
    }
    return others.at(-1) as UpstreamLoad
  }

  /** Weights rise without a word while upstreams start slowly. */
  #noteWeight(weight: number, load?: UpstreamLoad): UpstreamLoad {
    if (weight > this.#maxWeight) this.#maxWeight = weight
    return load as UpstreamLoad
  }
}

/**
 * Least requests by the power of two choices: of two, the one with fewer requests for its weight. Source: Envoy's "weighted
 * least request", M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
 */
export class LeastRequests extends TwoChoices {
  /** Before and with this request: without load the draw decides, so that all get their share by weight. */
  protected override prefers(second: UpstreamLoad, first: UpstreamLoad): boolean {
    const { active: mine, upstream: me } = second
    const { active: yours, upstream: you } = first
    return mine * you.weight < yours * me.weight && (mine + 1) * you.weight < (yours + 1) * me.weight
  }
}
