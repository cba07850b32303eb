/** Buckets per power of two: the values of one bucket differ by less than 1/128. */
const BUCKETS_PER_DOUBLING = 128
/** Largest recorded value, in microseconds (71 minutes). Longer times are recorded as this. */
const MAX_VALUE = 0xffffffff
const BUCKET_COUNT = 26 * BUCKETS_PER_DOUBLING

/**
 * Histogram of latencies in fixed memory (26 KB). Times are in ms and stored as whole microseconds, up to 71 minutes.
 * Percentiles are accurate to 1 %: exact below 256 µs, and in 128 steps per doubling above. sluice-specific.
 *
 * @example
 * const histogram = new LatencyHistogram()
 * histogram.record(12.5)
 * histogram.percentile(99) // 12.5
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKET_COUNT)
  #count = 0
  #sum = 0
  #max = 0

  /** Number of recorded times. */
  get count(): number {
    return this.#count
  }

  /** Longest recorded time in ms; 0 if empty. */
  get max(): number {
    return this.#max / 1000
  }

  /** Average of the recorded times in ms; 0 if empty. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count / 1000
  }

  /** Records a time in ms. Negative numbers and NaN are ignored. */
  record(time: number): void {
    if (!(time >= 0)) return
    const value = Math.min(MAX_VALUE, Math.round(time * 1000))
    const index = bucketOf(value)
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#count++
    this.#sum += value
    if (value > this.#max) this.#max = value
  }

  /** Returns the time in ms that `percent` % of the recorded times do not exceed (50: median, 100: maximum); 0 if empty. */
  percentile(percent: number): number {
    // Subtracted, because rounding errors can lift the product just above an integer.
    const rank = Math.max(1, Math.ceil((Math.min(100, percent) / 100) * this.#count - 1e-6))
    let seen = 0
    for (let index = 0; index < BUCKET_COUNT; index++) {
      seen += this.#counts[index] as number
      if (seen >= rank) return Math.min(this.#max, largestValueIn(index)) / 1000
    }
    return 0
  }

  /** Removes all recorded times. */
  reset(): void {
    this.#counts.fill(0)
    this.#count = this.#sum = this.#max = 0
  }

  /** Returns count, mean, maximum and percentiles in ms, for `JSON.stringify`. */
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

/** Returns the bucket of a value: its eight leading bits, offset by the number of bits dropped. */
function bucketOf(value: number): number {
  const dropped = Math.max(0, 24 - Math.clz32(value))
  return dropped * BUCKETS_PER_DOUBLING + (value >>> dropped)
}

function largestValueIn(index: number): number {
  const dropped = Math.max(0, Math.floor(index / BUCKETS_PER_DOUBLING) - 1)
  return (index - dropped * BUCKETS_PER_DOUBLING + 1) * 2 ** dropped - 1
}
