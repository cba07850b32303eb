/** Buckets to the power of two: a value stands in its bucket for values that differ by less than a 128th. */
const BUCKETS_PER_DOUBLING = 128
/** Microseconds; what is above counts as this: 71 minutes. */
const MAX_VALUE = 0xffffffff
const BUCKET_COUNT = 26 * BUCKETS_PER_DOUBLING

/**
 * Counts times by their length, in memory that does not grow: 26 KB. Times are in ms, kept as whole microseconds up to
 * 71 minutes and told to within 1 % (two significant digits): below 256 µs exactly, above in 128 steps to each doubling. Ours.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKET_COUNT)
  #count = 0
  #sum = 0
  #max = 0

  /** Times recorded. */
  get count(): number {
    return this.#count
  }

  /** The longest, in ms; 0 without any. */
  get max(): number {
    return this.#max / 1000
  }

  /** Their average, in ms; 0 without any. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count / 1000
  }

  /** `time` in ms; what is not a number, 0 or more, is left out. */
  record(time: number): void {
    if (!(time >= 0)) return
    const value = Math.min(MAX_VALUE, Math.round(time * 1000))
    const index = bucketOf(value)
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#count++
    this.#sum += value
    if (value > this.#max) this.#max = value
  }

  /** ms that `percent` % of the times do not exceed: 50 for the median, 100 for the longest; 0 without any. */
  percentile(percent: number): number {
    // A product that falls short of a whole number by an error of rounding is that number.
    const rank = Math.max(1, Math.ceil((Math.min(100, percent) / 100) * this.#count - 1e-6))
    let seen = 0
    for (let index = 0; index < BUCKET_COUNT; index++) {
      seen += this.#counts[index] as number
      if (seen >= rank) return Math.min(this.#max, largestValueIn(index)) / 1000
    }
    return 0
  }

  /** Forgets all. */
  reset(): void {
    this.#counts.fill(0)
    this.#count = this.#sum = this.#max = 0
  }

  /** In ms, as `JSON.stringify` takes it. */
  toJSON(): { count: number; mean: number; p50: number; p90: number; p99: number; p999: number; max: number } {
    const [p50, p90, p99, p999] = [50, 90, 99, 99.9].map((percent) => this.percentile(percent)) as [
      number,
      number,
      number,
      number,
    ]
    return { count: this.count, mean: this.mean, p50, p90, p99, p999, max: this.max }
  }
}

/** The eight leading bits of a value, behind the number of those that follow. */
function bucketOf(value: number): number {
  const dropped = Math.max(0, 24 - Math.clz32(value))
  return dropped * BUCKETS_PER_DOUBLING + (value >>> dropped)
}

function largestValueIn(index: number): number {
  const dropped = Math.max(0, Math.floor(index / BUCKETS_PER_DOUBLING) - 1)
  return (index - dropped * BUCKETS_PER_DOUBLING + 1) * 2 ** dropped - 1
}
