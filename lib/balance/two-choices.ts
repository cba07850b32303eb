import type { Candidate, Outcome, UpstreamPicker } from './strategy.js'

/** Returns a random number from 0 (inclusive) to 1 (exclusive), like `Math.random`. */
export type Random = () => number

/** Load of an upstream. It is kept while the upstream is ejected, which may still have active requests then. */
export class UpstreamLoad {
  readonly upstream: Candidate
  /** Index in the list of eligible upstreams; -1 if it is not eligible. */
  index = -1
  /** Number of requests in flight. */
  active = 0
  /** Mean latency in ms, 0 if unknown. Maintained by PeakEwma. */
  latency = 0
  /** Time of the last change of `latency`, in ms. */
  updatedAt = 0

  constructor(upstream: Candidate) {
    this.upstream = upstream
  }
}

/** Number of rejected draws after which the weights are summed up instead. */
const MAX_DRAWS = 16

/**
 * Draws two upstreams at random, by weight, and picks the better one. That is nearly as good as the best of all (the
 * largest load exceeds the mean by ln ln n / ln 2, not by ln n / ln ln n), and clients with equal information do not
 * all choose the same upstream.
 */
export abstract class TwoChoices implements UpstreamPicker {
  readonly #random: Random
  readonly #loads: UpstreamLoad[] = []
  readonly #loadByUpstream = new WeakMap<Candidate, UpstreamLoad>()
  /** Largest weight; 0 if it must be determined again. */
  #maxWeight = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Whether `second` should take the request rather than `first`, which was drawn first. */
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

  /** Draws an upstream other than `other`, by weight: rejection sampling, then summing up. */
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

  /** Updates the largest weight: weights grow without notice during a slow start. */
  #noteWeight(weight: number, load?: UpstreamLoad): UpstreamLoad {
    if (weight > this.#maxWeight) this.#maxWeight = weight
    return load as UpstreamLoad
  }
}

/**
 * Picks, of two upstreams drawn by weight, the one with fewer active requests in proportion to its weight. Source:
 * Envoy's "weighted least request", M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
 */
export class LeastRequests extends TwoChoices {
  /** Compares the loads without and with this request. On a tie the draw decides, which follows the weights. */
  protected override prefers(second: UpstreamLoad, first: UpstreamLoad): boolean {
    const {
      active: secondActive,
      upstream: { weight: secondWeight },
    } = second
    const {
      active: firstActive,
      upstream: { weight: firstWeight },
    } = first
    return (
      secondActive * firstWeight < firstActive * secondWeight &&
      (secondActive + 1) * firstWeight < (firstActive + 1) * secondWeight
    )
  }
}
