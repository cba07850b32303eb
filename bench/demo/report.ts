import { frame, redraw, type Scene } from './frame.js'
import { json } from './settings.js'

/** What one part of the demo did. */
export interface Row {
  what: string
  requests: number
  wrong: number
  seconds: number
  /** Connections that the origin saw. */
  connections: number
  /** Anything worth a word. */
  note: string
}

const live = process.stdout.isTTY === true && !json
let before: Scene | null = null
let lines = 0

/** Drawn in place on a terminal; nothing in a pipe. */
export function progress(scene: Scene): void {
  if (!live) return
  const drawn = frame(scene, before, process.stdout.columns || 80)
  process.stdout.write(redraw(lines, drawn))
  before = scene
  lines = drawn.length
}

export function finished(row: Row): void {
  if (json) return
  const line = `  ${row.wrong === 0 ? 'ok  ' : 'FAIL'} ${row.what}: ${row.requests} requests in ${row.seconds.toFixed(2)} s`
  process.stdout.write(live ? redraw(lines, [line]) : `${line}\n`)
  before = null
  lines = 0
}

export function heading(text: string): void {
  if (!json) console.log(text)
}

/** Prints the table and returns the exit code. */
export function report(rows: readonly Row[], stats: Record<string, unknown>): number {
  const wrong = rows.reduce((sum, row) => sum + row.wrong, 0)
  if (json) {
    console.log(JSON.stringify({ rows, stats, wrong }, null, 2))
    return wrong === 0 ? 0 : 1
  }
  const cells = rows.map((row) => [
    row.what,
    String(row.requests),
    String(Math.round(row.requests / row.seconds)),
    String(row.connections),
    String(row.wrong),
    row.note,
  ])
  const head = ['what', 'requests', 'requests/s', 'connections', 'wrong', 'note']
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => (row[column] as string).length)),
  )
  const line = (row: string[]) => row.map((cell, column) => pad(cell, widths[column] as number, column)).join('  ')
  console.log(`\n${line(head)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`)
  for (const row of cells) console.log(line(row))
  console.log('\nstats before closing, by dispatcher:')
  for (const [name, value] of Object.entries(stats)) console.log(`  ${name}: ${JSON.stringify(value)}`)
  console.log(wrong === 0 ? 'All responses were right.' : `${wrong} responses were wrong.`)
  return wrong === 0 ? 0 : 1
}

/** Words to the left, numbers to the right. */
function pad(text: string, width: number, column: number): string {
  return column === 0 || column === 5 ? text.padEnd(width) : text.padStart(width)
}
