/** Buckets per ms. */
const RESOLUTION = 10
const BUCKETS = 60_000 * RESOLUTION

/** Histogram of times up to a minute, in constant memory. */
export class WaitHistogram {
  readonly #buckets = new Uint32Array(BUCKETS)
  count = 0

  record(ms: number): void {
    const index = Math.min(BUCKETS - 1, Math.max(0, Math.ceil(ms * RESOLUTION)))
    this.#buckets[index] = (this.#buckets[index] as number) + 1
    this.count++
  }

  /** Returns the time in ms that this fraction of the times does not exceed. */
  percentile(fraction: number): number {
    let left = Math.ceil(this.count * fraction)
    for (let index = 0; index < BUCKETS; index++) {
      left -= this.#buckets[index] as number
      if (left <= 0) return index / RESOLUTION
    }
    return Number.POSITIVE_INFINITY
  }
}
