import type { Latency } from './histogram.js'
import type { Machine } from './machine.js'
import type { Summary } from './statistics.js'

/** Result of one client in one workload. */
export interface Row {
  readonly client: string
  readonly role: 'sluice' | 'peer' | 'baseline'
  /** Why the client failed, or null. */
  readonly failure: string | null
  readonly rounds: readonly number[]
  /** Requests/s, or MB/s for large bodies. */
  readonly rate: Summary
  /** Ratios of the medians: to the best peer of the workload, and to the raw socket baseline. */
  readonly toPeer: number | null
  readonly toBaseline: number | null
  /** CPU time per request in µs, or null at a fixed rate. */
  readonly cpu: number | null
  readonly latency: Latency | null
  /** Peak resident set size of the process in bytes. */
  readonly peak: number | null
  /** CPU utilization of the origin, 0 to 1. Near 1, the origin limited the client. */
  readonly originBusy: number | null
}

export interface TableResult {
  readonly kind: 'throughput' | 'rate'
  readonly name: string
  readonly title: string
  readonly unit: 'requests/s' | 'MB/s'
  /** Fixed rate in requests/s, or null. */
  readonly fixedRate: number | null
  readonly rows: readonly Row[]
}

export interface CurveResult {
  readonly kind: 'curve'
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly axis: string
  readonly sizes: readonly number[]
  readonly series: readonly {
    readonly client: string
    readonly role: Row['role']
    /** One value for each size, or null where the client failed. */
    readonly values: readonly (Summary | null)[]
    readonly failure: string | null
  }[]
}

export type Result = TableResult | CurveResult

export interface Report {
  readonly command: string
  readonly mode: string
  readonly rounds: number
  readonly seconds: number
  readonly machine: Machine
  readonly results: readonly Result[]
}

/** Describes every failure. */
export function failures(results: readonly Result[]): string[] {
  return results.flatMap((result) => {
    const entries = result.kind === 'curve' ? result.series : result.rows
    return entries.flatMap(({ client, failure }) => (failure === null ? [] : [`${result.name}, ${client}: ${failure}`]))
  })
}
