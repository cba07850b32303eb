import type { Server } from './peer.js'
import { capabilities, type Outcome, type Result } from './run.js'

/** Result of one server. */
export interface Judged {
  readonly name: string
  readonly version: string
  /** Outcomes by capability. */
  readonly cells: ReadonlyMap<string, string>
  /** Unexpected failures, which fail the run. */
  readonly complaints: readonly string[]
}

type Word = 'ok' | 'n/a' | 'defect' | 'FAILS'

/** Compares outcomes with known defects: finds new failures, and known ones that are gone. */
export function judge({ server, version, outcomes }: Result): Judged {
  if (typeof outcomes === 'string') return { name: server.name, version, cells: new Map(), complaints: [] }
  const complaints: string[] = []
  const words = new Map<string, Word>()
  for (const outcome of outcomes) {
    const title = `${outcome.capability}: ${outcome.name}`
    const complaint = complaintOf(server, outcome)
    if (complaint !== null) complaints.push(`${server.name}: ${title}: ${complaint}`)
    words.set(title, complaint !== null ? 'FAILS' : outcome.error === null ? 'ok' : 'defect')
  }
  for (const title of Object.keys(server.lacks)) words.set(title, 'n/a')
  return { name: server.name, version, cells: cellsOf(words), complaints }
}

/** Returns the problem of an outcome, or null. A case that is known to fail must fail as described. */
export function complaintOf(server: Server, { capability, name, error }: Outcome): string | null {
  const known = server.defects?.[`${capability}: ${name}`]?.error
  if (known === undefined) return error
  if (error === null) return 'no longer a defect, strike it'
  return known.test(error) ? null : `another defect than was known: ${error}`
}

function cellsOf(words: ReadonlyMap<string, Word>): Map<string, string> {
  const cells = new Map<string, string>()
  for (const [capability, cases] of Object.entries(capabilities)) {
    const mine = Object.keys(cases).map((name) => words.get(`${capability}: ${name}`))
    const count = (word: Word) => mine.filter((one) => one === word).length
    const parts = (['FAILS', 'defect', 'n/a'] as const).filter((word) => count(word) > 0)
    const applicable = mine.filter((word) => word !== undefined && word !== 'n/a').length
    const ok = applicable === 0 ? [] : [`${count('ok')}/${applicable}`]
    cells.set(capability, [...ok, ...parts.map((word) => `${count(word)} ${word}`)].join(', '))
  }
  return cells
}

/** Returns the table of servers and capabilities. */
export function markdown(judged: readonly Judged[]): string {
  const names = Object.keys(capabilities)
  const head = ['', 'version', ...names]
  const body = judged.map(({ name, version, cells }) => [
    name,
    version,
    ...names.map((capability) => cells.get(capability) ?? '-'),
  ])
  return [head, head.map(() => '---'), ...body].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** Returns the table of cases and servers. */
export function plain(results: readonly Result[]): string {
  const rows = [
    ['', ...results.map(({ server }) => server.name)],
    ['', ...results.map(({ version }) => version)],
  ]
  for (const [capability, cases] of Object.entries(capabilities)) {
    for (const name of Object.keys(cases))
      rows.push([`${capability}: ${name}`, ...results.map((one) => cellOf(one, capability, name))])
  }
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cellOf({ server, outcomes }: Result, capability: string, name: string): string {
  const title = `${capability}: ${name}`
  if (typeof outcomes === 'string') return '-'
  if (server.lacks[title] !== undefined) return 'n/a'
  const outcome = outcomes.find((one) => one.capability === capability && one.name === name)
  if (outcome === undefined) return '-'
  if (outcome.error === null) return 'ok'
  return server.defects?.[title]?.error.test(outcome.error) ? 'defect' : 'FAILS'
}
