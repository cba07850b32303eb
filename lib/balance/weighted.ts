/** One of those among whom requests are shared by weight. */
export interface Weighted {
  /** What it is excluded by. */
  readonly origin?: string
  /** Above 0: its share of the requests. */
  readonly weight: number
  /** Where it stands in the heap; -1 outside. Kept by {@link WeightedTurns}. */
  index: number
  /** When it is due, in turns of a weight of 1. Kept by {@link WeightedTurns}. */
  due: number
  /** Breaks ties: who came first goes first. Kept by {@link WeightedTurns}. */
  order: number
}

/**
 * Smooth weighted round robin as virtual time: whoever is due first goes, and is due again 1 / weight later. Equal
 * weights take strict turns; a weight of 1 among 100s is asked once in as many turns. Logarithmic in the number.
 */
export class WeightedTurns<T extends Weighted> {
  readonly #heap: T[] = []
  /** The time up to which turns were taken: who joins is due from now, not for the past. */
  #now = 0
  #orders = 0

  get size(): number {
    return this.#heap.length
  }

  add(member: T): void {
    member.due = this.#now + 1 / member.weight
    member.order = this.#orders++
    member.index = this.#heap.push(member) - 1
    this.#rise(member)
  }

  remove(member: T): void {
    if (member.index < 0) return
    const last = this.#heap.pop() as T
    const { index } = member
    member.index = -1
    if (last === member) return
    last.index = index
    this.#heap[index] = last
    this.#rise(last)
    this.#sink(last)
  }

  /** Whose turn it is, or null when there is nobody. */
  next(): T | null {
    const first = this.#heap[0]
    if (first === undefined) return null
    this.#now = first.due
    first.due += 1 / first.weight
    first.order = this.#orders++
    this.#sink(first)
    return first
  }

  /** Who is due first of those that did not fail it; they keep their turns. */
  pick(exclude?: readonly string[]): T | null {
    if (exclude === undefined) return this.next()
    let first: T | null = null
    for (const member of this.#heap) {
      if (exclude.includes(member.origin as string)) continue
      if (first === null || this.#before(member, first)) first = member
    }
    if (first === null) return null
    first.due += 1 / first.weight
    first.order = this.#orders++
    this.#sink(first)
    return first
  }

  reweighed(member: T): void {
    this.hasten(member)
  }

  /** Its weight has grown: it need not wait as long as it had to by the old one. */
  hasten(member: T): void {
    if (member.index < 0) return
    member.due = Math.min(member.due, this.#now + 1 / member.weight)
    this.#rise(member)
  }

  #before(a: T, b: T): boolean {
    // Sums of fractions that should be equal differ in their last digits.
    const difference = a.due - b.due
    return Math.abs(difference) > 1e-9 ? difference < 0 : a.order < b.order
  }

  #rise(member: T): void {
    const heap = this.#heap
    let { index } = member
    while (index > 0) {
      const above = heap[(index - 1) >> 1] as T
      if (!this.#before(member, above)) break
      heap[index] = above
      above.index = index
      index = (index - 1) >> 1
    }
    heap[index] = member
    member.index = index
  }

  #sink(member: T): void {
    const heap = this.#heap
    let { index } = member
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#before(heap[child + 1] as T, heap[child] as T)) child++
      const below = heap[child] as T
      if (!this.#before(below, member)) break
      heap[index] = below
      below.index = index
      index = child
    }
    heap[index] = member
    member.index = index
  }
}
