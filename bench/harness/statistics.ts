/** Summary of samples. */
export interface Summary {
  readonly median: number
  readonly low: number
  readonly high: number
  /** Median absolute deviation: a spread that one outlier does not change. */
  readonly deviation: number
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

export function summarize(values: readonly number[]): Summary {
  const middle = median(values)
  return {
    median: middle,
    low: values.length === 0 ? Number.NaN : Math.min(...values),
    high: values.length === 0 ? Number.NaN : Math.max(...values),
    deviation: median(values.map((value) => Math.abs(value - middle))),
  }
}

/** Returns `value / base`, or null without a valid base. */
export function ratio(value: number, base: number | null | undefined): number | null {
  if (base === null || base === undefined || !(base > 0) || !Number.isFinite(value)) return null
  return value / base
}

/** Returns the order of one round. Odd rounds are reversed, so that no client always runs first. */
export function orderOf<T>(items: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...items] : [...items].reverse()
}
