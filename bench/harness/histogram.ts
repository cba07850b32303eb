/** The part of hdr-histogram-js that the bench uses. Values are in ns. */
export interface Histogram {
  recordValue(value: number): void
  getValueAtPercentile(percentile: number): number
  add(other: Histogram): void
  reset(): void
  outputPercentileDistribution(ticksPerHalf: number, scale: number): string
  readonly totalCount: number
  readonly mean: number
  readonly maxValue: number
}

/** Highest value in ns: one hour. */
const HIGHEST = 3.6e12

export function record(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(HIGHEST, Math.max(1, Math.round(ms * 1e6))))
}

/** Latency percentiles in µs. */
export interface Latency {
  readonly samples: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export function latencyOf(histogram: Histogram): Latency {
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return {
    samples: histogram.totalCount,
    mean: histogram.mean / 1000,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue / 1000,
  }
}
