import { type Progress, redraw, render } from './live-view.js'
import { json } from './options.js'

/** Result of one scenario. */
export interface Row {
  name: string
  requests: number
  /** Number of wrong responses and failed requests. */
  wrong: number
  seconds: number
  /** Connections that the origin accepted during the scenario. */
  connections: number
  note: string
}

const live = process.stdout.isTTY === true && !json
let previous: Progress | null = null
let drawnLines = 0

/** Redraws the live view on a terminal. Prints nothing otherwise. */
export function showProgress(progress: Progress): void {
  if (!live) return
  const lines = render(progress, previous, process.stdout.columns || 80)
  process.stdout.write(redraw(drawnLines, lines))
  previous = progress
  drawnLines = lines.length
}

export function showResult(row: Row): void {
  if (json) return
  const line = `  ${row.wrong === 0 ? 'ok  ' : 'FAIL'} ${row.name}: ${row.requests} requests in ${row.seconds.toFixed(2)} s`
  process.stdout.write(live ? redraw(drawnLines, [line]) : `${line}\n`)
  previous = null
  drawnLines = 0
}

export function heading(text: string): void {
  if (!json) console.log(text)
}

/** Prints the tables, at most 80 columns wide, and returns the exit code. */
export function report(rows: readonly Row[], stats: Record<string, object>): number {
  const wrong = rows.reduce((sum, row) => sum + row.wrong, 0)
  if (json) {
    console.log(JSON.stringify({ rows, stats, wrong }, null, 2))
    return wrong === 0 ? 0 : 1
  }
  const results = rows.map(({ name, requests, seconds, connections, wrong }) => [
    name,
    requests,
    Math.round(requests / seconds),
    connections,
    wrong,
  ])
  printTable(['scenario', 'requests', 'requests/s', 'new connections', 'wrong'], results)
  console.log('\nNotes:')
  for (const { name, note } of rows) if (note !== '') console.log(`  ${name}: ${note}`)
  const counters = ['connected', 'free', 'pending', 'queued', 'running', 'size']
  const statsRows = perDispatcher(stats).map(([name, values]) => [
    name,
    ...counters.map((counter) => String(values[counter] ?? '–')),
  ])
  printTable(['stats before close', ...counters], statsRows)
  console.log(wrong === 0 ? '\nAll responses were correct.' : `\n${wrong} responses were wrong.`)
  return wrong === 0 ? 0 : 1
}

type Counters = Record<string, unknown>

/** Returns name and counters of each dispatcher. The stats of an Agent become one entry for each origin. */
function perDispatcher(stats: Record<string, object>): [name: string, counters: Counters][] {
  return Object.entries(stats).flatMap(([name, values]): [string, Counters][] =>
    'connected' in values
      ? [[name, values as Counters]]
      : Object.entries(values).map(([origin, counters]) => [`${name} ${origin}`, counters]),
  )
}

/** Prints a table whose first column is text and whose others are numbers. */
function printTable(head: string[], rows: readonly (string | number)[][]): void {
  const table = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, column) => Math.max(...table.map((row) => (row[column] as string).length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
      )
      .join('  ')
  console.log(`\n${line(head)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`)
  for (const row of table.slice(1)) console.log(line(row))
}
