import { Heap, type HeapNode } from '../base/heap.js'

/** One of those among whom requests are shared by weight. */
export interface WeightedEntry extends HeapNode {
  /** What it is excluded by. */
  readonly origin?: string
  /** Above 0: its share of the requests. */
  readonly weight: number
  /** When it is due, in turns of a weight of 1. Kept by {@link WeightedRoundRobin}. */
  due: number
  /** Breaks ties: who came first goes first. Kept by {@link WeightedRoundRobin}. */
  order: number
}

/**
 * Smooth weighted round robin as virtual time: whoever is due first goes, and is due again 1 / weight later. Equal
 * weights take strict turns; a weight of 1 among 100s is asked once in as many turns. Logarithmic in the number.
 */
export class WeightedRoundRobin<T extends WeightedEntry> {
  readonly #heap = new Heap<T>(isDueBefore)
  /** The time up to which turns were taken: who joins is due from now, not for the past. */
  #virtualTime = 0
  #nextOrder = 0

  get size(): number {
    return this.#heap.size
  }

  add(member: T): void {
    member.due = this.#virtualTime + 1 / member.weight
    member.order = this.#nextOrder++
    this.#heap.insertOrMove(member)
  }

  remove(member: T): void {
    this.#heap.remove(member)
  }

  /** Whose turn it is, or null when there is nobody. */
  next(): T | null {
    const { first } = this.#heap
    if (first === null) return null
    this.#virtualTime = first.due
    return this.#advance(first)
  }

  /** Who is due first of those that did not fail it; they keep their turns. */
  pick(exclude?: readonly string[]): T | null {
    if (exclude === undefined) return this.next()
    let first: T | null = null
    for (const member of this.#heap) {
      if (exclude.includes(member.origin as string)) continue
      if (first === null || isDueBefore(member, first)) first = member
    }
    return first === null ? null : this.#advance(first)
  }

  /** Its weight is another: when that has grown, it need not wait as long as it had to by the old one. */
  reweighed(member: T): void {
    if (member.index < 0) return
    member.due = Math.min(member.due, this.#virtualTime + 1 / member.weight)
    this.#heap.insertOrMove(member)
  }

  #advance(member: T): T {
    member.due += 1 / member.weight
    member.order = this.#nextOrder++
    this.#heap.insertOrMove(member)
    return member
  }
}

function isDueBefore(a: WeightedEntry, b: WeightedEntry): boolean {
  // Sums of fractions that should be equal differ in their last digits.
  const difference = a.due - b.due
  return Math.abs(difference) > 1e-9 ? difference < 0 : a.order < b.order
}
