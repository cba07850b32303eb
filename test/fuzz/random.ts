/** Seeded random number generator (sfc32). */
export class Random {
  #a: number
  #b = 0x9e3779b9
  #c = 0x243f6a88
  #count = 1

  constructor(seed: number) {
    this.#a = seed | 0
    for (let i = 0; i < 12; i++) this.#next()
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Returns an integer from 0 to below `limit`. */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.#next() % limit
  }

  /** Returns true with probability 1 / `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  /** Returns a usual value, or with probability 1 / `times` an unusual one. */
  mostly<Item>(times: number, usual: readonly Item[], odd: readonly Item[]): Item {
    return this.pick(this.once(times) ? odd : usual)
  }

  byte(): string {
    return String.fromCharCode(this.below(256))
  }

  /** Returns a seed for another generator. */
  seed(): number {
    return this.#next()
  }
}
