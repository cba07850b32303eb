import type { Machine } from '../harness/machine.js'
import type { CurveResult, Report, Result, Row, TableResult } from '../harness/results.js'

export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits).replace(/\B(?=(\d{3})+$)/g, digits === 0 ? ' ' : '')
}

export const times = (value: number | null): string => (value === null ? '–' : `${value.toFixed(2)}×`)

const mega = (bytes: number | null): string => (bytes === null ? '–' : `${Math.round(bytes / 1e6)} MB`)
const percent = (fraction: number | null): string => (fraction === null ? '–' : `${Math.round(fraction * 100)} %`)

/** Aligns columns: the first to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  '),
  )
}

export function about(machine: Machine): string[] {
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`)
  return [
    `${machine.cores} × ${machine.cpu}, ${Math.round(machine.memory / 2 ** 30)} GB, ${machine.system}, node ${machine.node}`,
    packages.join(', '),
    `${machine.affinity}; load average ${machine.load.toFixed(1)}`,
  ]
}

export function lines(result: Result): string[] {
  return ['', heading(result), ...(result.kind === 'curve' ? curve(result) : table(result))]
}

export function heading(result: Result): string {
  if (result.kind === 'curve') return `${result.title} (${result.unit})`
  return result.fixedRate === null ? result.title : `${result.title}: ${number(result.fixedRate)} requests/s`
}

function table(result: TableResult): string[] {
  const { unit } = result
  const head = [
    unit,
    'median',
    '(low to high)',
    'to best peer',
    'to baseline',
    'CPU µs',
    'p50 µs',
    'p99',
    'p99.9',
    'peak',
    'origin',
  ]
  const rows = result.rows.map((row) => {
    if (row.failure !== null && row.rounds.length === 0) return [row.client, ...head.slice(1).map(() => '–')]
    return [row.client, ...figures(row)]
  })
  const failed = result.rows.flatMap(({ client, failure }) => (failure === null ? [] : [`${client}: ${failure}`]))
  return [...columns([head, ...rows]), ...failed].map((line) => `  ${line}`)
}

function figures(row: Row): string[] {
  const { rate, latency } = row
  return [
    number(rate.median),
    `(${number(rate.low)} to ${number(rate.high)})`,
    times(row.toPeer),
    times(row.toBaseline),
    number(row.cpu),
    number(latency?.p50),
    number(latency?.p99),
    number(latency?.p999),
    mega(row.peak),
    percent(row.originBusy),
  ]
}

function curve(result: CurveResult): string[] {
  const head = [result.axis, ...result.sizes.map((size) => number(size))]
  const rows = result.series.map(({ client, values }) => [
    client,
    ...values.map((value) => (value === null ? '–' : number(value.median))),
  ])
  const failed = result.series.flatMap(({ client, failure }) => (failure === null ? [] : [`${client}: ${failure}`]))
  return [...columns([head, ...rows]), ...failed].map((line) => `  ${line}`)
}

/** Explains the columns of the tables. */
export const legend: readonly string[] = [
  'baseline     raw sockets that write the same requests and count response bytes',
  'to best peer, to baseline',
  '             ratio of medians; above 1: more requests/s (or MB/s) than that client',
  'CPU µs       CPU time of the client per request',
  'p50 … p99.9  latency percentiles in µs',
  'peak         highest resident memory of the client process',
  'origin       CPU utilization of the origin; near 100 %, it limits the client',
]

export function preamble(report: Omit<Report, 'results'>): string[] {
  return [
    ...about(report.machine),
    `${report.mode} mode, ${report.rounds} rounds of ${report.seconds} s, clients in alternating order; every response is checked`,
  ]
}
