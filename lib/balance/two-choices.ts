import type { Candidate, Outcome, UpstreamPicker } from './strategy.js'

/** Numbers from 0 up to 1, without it. */
export type Random = () => number

/** What is known of an upstream, as long as there is such an object: it may leave and come back with requests open. */
class UpstreamLoad {
  readonly upstream: Candidate
  /** Where it stands; -1 when it is not to be chosen. */
  index = -1
  active = 0
  /** ms */
  estimate = 0
  /** When the estimate was made. */
  at = 0

  constructor(upstream: Candidate) {
    this.upstream = upstream
  }
}

export type { UpstreamLoad as Place }

/** How often a place is drawn and refused before all are counted. */
const DRAWS = 16

/**
 * The better one of two that are drawn by weight: nearly as good as the best of all (the largest load exceeds the mean
 * by ln ln n / ln 2, not by ln n / ln ln n), and no herd runs to the one that looked best.
 */
export abstract class TwoChoices implements UpstreamPicker {
  readonly #random: Random
  readonly #places: UpstreamLoad[] = []
  readonly #known = new WeakMap<Candidate, UpstreamLoad>()
  /** Of all weights; 0 when it has to be looked for. */
  #heaviest = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** True when the second should take a request rather than the first, who was drawn first. */
  protected abstract prefers(second: UpstreamLoad, first: UpstreamLoad): boolean

  protected place(upstream: Candidate): UpstreamLoad {
    let place = this.#known.get(upstream)
    if (place === undefined) {
      place = new UpstreamLoad(upstream)
      this.#known.set(upstream, place)
    }
    return place
  }

  add(upstream: Candidate): void {
    const place = this.place(upstream)
    if (place.index < 0) place.index = this.#places.push(place) - 1
    this.#heaviest = 0
  }

  remove(upstream: Candidate): void {
    const place = this.place(upstream)
    const { index } = place
    if (index < 0) return
    const last = this.#places.pop() as UpstreamLoad
    place.index = -1
    this.#heaviest = 0
    if (last === place) return
    this.#places[index] = last
    last.index = index
  }

  reweighed(): void {
    this.#heaviest = 0
  }

  pick(exclude?: readonly string[]): Candidate | null {
    const all = this.#places
    const places = exclude === undefined ? all : all.filter(({ upstream }) => !exclude.includes(upstream.origin))
    if (places.length < 2) return places[0]?.upstream ?? null
    const first = this.#draw(places, null)
    const second = this.#draw(places, first)
    return (this.prefers(second, first) ? second : first).upstream
  }

  started(upstream: Candidate): void {
    this.place(upstream).active++
  }

  ended(upstream: Candidate, _outcome: Outcome): void {
    this.place(upstream).active--
  }

  /** By weight, anyone but `other`. */
  #draw(places: readonly UpstreamLoad[], other: UpstreamLoad | null): UpstreamLoad {
    if (this.#heaviest === 0) for (const { upstream } of this.#places) this.#seen(upstream.weight)
    for (let draws = 0; draws < DRAWS; draws++) {
      const place = places[Math.floor(this.#random() * places.length) % places.length] as UpstreamLoad
      const { weight } = place.upstream
      if (place === other) continue
      if (weight >= this.#heaviest || this.#random() * this.#heaviest < weight) return this.#seen(weight, place)
    }
    const others = places.filter((place) => place !== other)
    let left = this.#random() * others.reduce((sum, { upstream }) => sum + upstream.weight, 0)
    for (const place of others) {
      left -= place.upstream.weight
      if (left < 0) return place
    }
    return others.at(-1) as UpstreamLoad
  }

  /** Weights rise without a word while upstreams start slowly. */
  #seen(weight: number, place?: UpstreamLoad): UpstreamLoad {
    if (weight > this.#heaviest) this.#heaviest = weight
    return place as UpstreamLoad
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
