/** Figures in the output of wrk. */
export interface WrkFigures {
  requests: number
  rate: number
  /** Latency in µs by percentile. */
  latency: Record<string, number>
}

/** Percentiles that wrk and the load generator both report. */
export const percentiles: readonly string[] = ['50', '90', '99']

const scales: Record<string, number> = { us: 1, ms: 1000, s: 1e6, m: 60e6 }

/**
 * Parses the output of `wrk --latency`.
 * @throws {Error} If figures are missing.
 */
export function wrkFigures(output: string): WrkFigures {
  const requests = /^ *(\d+) requests in /m.exec(output)?.[1]
  const rate = /^Requests\/sec: +([\d.]+)/m.exec(output)?.[1]
  const found = output.matchAll(/^ +(\d+)% +([\d.]+)(us|ms|s|m) *$/gm)
  const latency = Object.fromEntries(
    Array.from(found, ([, at = '', value, unit = '']) => [at, Number(value) * (scales[unit] ?? Number.NaN)]),
  )
  if (requests === undefined || rate === undefined || percentiles.some((at) => !(at in latency))) {
    throw new Error(`unexpected output of wrk:\n${output}`)
  }
  return { requests: Number(requests), rate: Number(rate), latency }
}
