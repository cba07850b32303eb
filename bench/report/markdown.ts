import type { CurveResult, Report, Row, TableResult } from '../harness/results.js'
import { ratio } from '../harness/statistics.js'
import { about, number, times } from './text.js'

/** Peers that share the column `best other`. */
const OTHERS: readonly string[] = ['node:http', 'got', 'axios', 'node-fetch', 'fetch']

/** Returns tables for a README: one row for each workload, with figures and ratios. */
export function markdown(report: Report): string[] {
  const tables = report.results.filter((result) => result.kind !== 'curve')
  const curves = report.results.filter((result) => result.kind === 'curve')
  return [
    `\`${report.command}\`: ${report.rounds} rounds of ${report.seconds} s, clients in alternating order`,
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
  'raw socket baseline',
  'to undici',
  'to `blocking: false`',
  'to baseline',
]

function throughput(tables: readonly TableResult[]): string[] {
  return [row(head), row(head.map((_, index) => (index === 0 ? '---' : '--:'))), ...tables.map(line)]
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function line(table: TableResult): string {
  const find = (name: string) => table.rows.find(({ client }) => client === name)
  const [sluice, undici, pipelined, baseline] = ['sluice', 'undici', 'undici, blocking: false', 'baseline'].map(find)
  const others = table.rows.filter(({ client }) => OTHERS.includes(client))
  const rated = table.kind === 'rate'
  const shown = (one: Row | undefined) => (rated ? one?.latency?.p99 : one?.rate.median)
  const byFigure = (a: Row, b: Row) => ((shown(b) ?? 0) - (shown(a) ?? 0)) * (rated ? -1 : 1)
  const [bestOther] = others.sort(byFigure)
  const title = rated ? `${table.title}: p99 in µs at ${number(table.fixedRate)}/s` : `${table.title} (${table.unit})`
  const to = (base: Row | undefined) => times(ratio(shown(sluice) ?? Number.NaN, shown(base)))
  return row([
    title,
    number(shown(sluice)),
    number(shown(undici)),
    number(shown(pipelined)),
    bestOther === undefined ? '–' : `${number(shown(bestOther))} (${bestOther.client})`,
    number(shown(baseline)),
    to(undici),
    to(pipelined),
    to(baseline),
  ])
}

function ofCurve(curve: CurveResult): string[] {
  const titles = [`${curve.title} (${curve.unit})`, ...curve.sizes.map((size) => number(size))]
  const rows = curve.series.map(({ client, values }) => row([client, ...values.map((value) => number(value?.median))]))
  return [row(titles), row(titles.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows]
}
