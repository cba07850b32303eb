import type { CurveResult, Report, Row, TableResult } from '../harness/results.js'
import { ratio } from '../harness/statistics.js'
import { about, number, times } from './text.js'

/** Peers that have no column of their own. */
const OTHERS: readonly string[] = ['node:http', 'got', 'axios', 'node-fetch', 'fetch']

/** One table for a README: a line for each workload, what was measured and the ratios. */
export function markdown(report: Report): string[] {
  const tables = report.results.filter((result) => result.kind !== 'curve')
  const curves = report.results.filter((result) => result.kind === 'curve')
  return [
    `\`${report.command}\`: ${report.rounds} rounds of ${report.seconds} s in turns`,
    '',
    ...about(report.machine).map((line) => `${line}  `),
    ...(tables.length === 0 ? [] : ['', ...throughput(tables)]),
    ...curves.flatMap((curve) => ['', ...ofCurve(curve)]),
  ]
}

const head = [
  'workload',
  'sluice',
  'undici',
  'undici, `blocking: false`',
  'best other',
  'floor',
  'to undici',
  'to `blocking: false`',
  'to the floor',
]

function throughput(tables: readonly TableResult[]): string[] {
  return [row(head), row(head.map((_, index) => (index === 0 ? '---' : '--:'))), ...tables.map(line)]
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function line(table: TableResult): string {
  const find = (name: string) => table.rows.find(({ contender }) => contender === name)
  const [sluice, undici, pipelined, floor] = ['sluice', 'undici', 'undici, blocking: false', 'floor'].map(find)
  const measured = table.rows.filter(({ contender }) => OTHERS.includes(contender))
  const rated = table.kind === 'rate'
  const shown = (one: Row | undefined) => (rated ? one?.latency?.p99 : one?.rate.median)
  const better = (a: Row, b: Row) => ((shown(b) ?? 0) - (shown(a) ?? 0)) * (rated ? -1 : 1)
  const [other] = measured.sort(better)
  const title = rated ? `${table.title}: p99 in µs at ${number(table.fixedRate)}/s` : `${table.title} (${table.unit})`
  const to = (base: Row | undefined) => times(ratio(shown(sluice) ?? Number.NaN, shown(base)))
  return row([
    title,
    number(shown(sluice)),
    number(shown(undici)),
    number(shown(pipelined)),
    other === undefined ? '–' : `${number(shown(other))} (${other.contender})`,
    number(shown(floor)),
    to(undici),
    to(pipelined),
    to(floor),
  ])
}

function ofCurve(curve: CurveResult): string[] {
  const titles = [`${curve.title} (${curve.unit})`, ...curve.sizes.map((size) => number(size))]
  const rows = curve.series.map(({ contender, values }) =>
    row([contender, ...values.map((value) => number(value?.median))]),
  )
  return [row(titles), row(titles.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows]
}
