/** Buckets for each ms. */
const FINE = 10
const BUCKETS = 60_000 * FINE

/** Times up to a minute, in memory that does not grow. */
export class Waits {
  readonly #buckets = new Uint32Array(BUCKETS)
  count = 0

  record(ms: number): void {
    const index = Math.min(BUCKETS - 1, Math.max(0, Math.ceil(ms * FINE)))
    this.#buckets[index] = (this.#buckets[index] as number) + 1
    this.count++
  }

  /** ms that this part of the times does not exceed. */
  percentile(part: number): number {
    let left = Math.ceil(this.count * part)
    for (let index = 0; index < BUCKETS; index++) {
      left -= this.#buckets[index] as number
      if (left <= 0) return index / FINE
    }
    return Number.POSITIVE_INFINITY
  }
}
