import { Heap, type HeapNode } from '../base/heap.js'

/** Entry of a {@link WeightedRoundRobin}. */
export interface WeightedEntry extends HeapNode {
  /** Name by which {@link WeightedRoundRobin.pick} excludes it. */
  readonly origin?: string
  /** Number above 0; requests are distributed in proportion to it. */
  readonly weight: number
  /** Virtual time of its next turn. Maintained by {@link WeightedRoundRobin}. */
  due: number
  /** Breaks ties: the smallest number comes first. Maintained by {@link WeightedRoundRobin}. */
  order: number
}

/**
 * Smooth weighted round robin by virtual time: the entry that is due first is picked, and is due again 1 / weight
 * later. Equal weights take strict turns. Each pick takes logarithmic time.
 */
export class WeightedRoundRobin<T extends WeightedEntry> {
  readonly #heap = new Heap<T>(isDueBefore)
  /** Due time of the last turn. New entries start from here and do not make up for past turns. */
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

  /** Picks the entry that is due first; null without entries. */
  next(): T | null {
    const { first } = this.#heap
    if (first === null) return null
    this.#virtualTime = first.due
    return this.#advance(first)
  }

  /** Picks the entry that is due first and whose origin is not in `exclude`. Excluded entries keep their turns. */
  pick(exclude?: readonly string[]): T | null {
    if (exclude === undefined) return this.next()
    let first: T | null = null
    for (const member of this.#heap) {
      if (exclude.includes(member.origin as string)) continue
      if (first === null || isDueBefore(member, first)) first = member
    }
    return first === null ? null : this.#advance(first)
  }

  /** Called after a weight changed. A larger weight makes the next turn due earlier. */
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
  // Rounding makes sums of fractions that should be equal differ in their last digits.
  const difference = a.due - b.due
  return Math.abs(difference) > 1e-9 ? difference < 0 : a.order < b.order
}
