import type { Latency } from './histogram.js'
import type { Machine } from './machine.js'
import type { Summary } from './statistics.js'

/** One contender in one workload. */
export interface Row {
  readonly contender: string
  readonly role: 'sluice' | 'peer' | 'floor'
  /** Why there is no figure; null when there is one. */
  readonly failure: string | null
  readonly rounds: readonly number[]
  /** Requests/s, or MB/s where bodies are large. */
  readonly rate: Summary
  /** Of the medians, to the best peer of the workload and to the floor. */
  readonly toPeer: number | null
  readonly toFloor: number | null
  /** µs of CPU time per request; null where it says nothing. */
  readonly cpu: number | null
  readonly latency: Latency | null
  /** Highest resident set of the process, bytes. */
  readonly peak: number | null
  /** Share of its core that the origin used: near 1, it held the contender up. */
  readonly originBusy: number | null
}

export interface TableResult {
  readonly kind: 'throughput' | 'rate'
  readonly name: string
  readonly title: string
  readonly unit: 'requests/s' | 'MB/s'
  /** The fixed rate, requests/s; null without one. */
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
    readonly contender: string
    readonly role: Row['role']
    /** One for each size; null where it failed. */
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

/** What went wrong, in words; nothing when all is right. */
export function failures(results: readonly Result[]): string[] {
  return results.flatMap((result) => {
    const members = result.kind === 'curve' ? result.series : result.rows
    return members.flatMap(({ contender, failure }) =>
      failure === null ? [] : [`${result.name}, ${contender}: ${failure}`],
    )
  })
}
