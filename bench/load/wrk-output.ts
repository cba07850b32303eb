/** What wrk printed, as numbers. */
export interface WrkFigures {
  requests: number
  rate: number
  /** By percentile, µs. */
  latency: Record<string, number>
}

/** Percentiles that both can tell. */
export const percentiles: readonly string[] = ['50', '90', '99']

const scales: Record<string, number> = { us: 1, ms: 1000, s: 1e6, m: 60e6 }

/** @throws {Error} this is not the output of `wrk --latency` */
export function wrkFigures(output: string): WrkFigures {
  const requests = /^ *(\d+) requests in /m.exec(output)?.[1]
  const rate = /^Requests\/sec: +([\d.]+)/m.exec(output)?.[1]
  const found = output.matchAll(/^ +(\d+)% +([\d.]+)(us|ms|s|m) *$/gm)
  const latency = Object.fromEntries(
    Array.from(found, ([, at = '', value, unit = '']) => [at, Number(value) * (scales[unit] ?? Number.NaN)]),
  )
  if (requests === undefined || rate === undefined || percentiles.some((at) => !(at in latency))) {
    throw new Error(`wrk said something else:\n${output}`)
  }
  return { requests: Number(requests), rate: Number(rate), latency }
}
