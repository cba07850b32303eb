import { capabilities } from './conform.js'
import { defects } from './defects.js'
import type { Outcome } from './servers.js'

/** Result of one runtime. */
export interface Judged {
  readonly host: string
  readonly version: string
  /** Outcomes by capability. */
  readonly cells: ReadonlyMap<string, string>
  /** Unexpected failures, which fail the run. */
  readonly complaints: readonly string[]
}

/** Compares outcomes with known defects: finds new failures, and known ones that are gone. */
export function judge(host: string, result: { version: string; outcomes: readonly Outcome[] } | string): Judged {
  if (typeof result === 'string') return { host, version: 'not here', cells: new Map(), complaints: [] }
  const { version, outcomes } = result
  const known = new Set(defects.filter((defect) => defect.host === host).map(({ fails }) => fails))
  const cells = new Map<string, string>()
  const complaints: string[] = []
  for (const capability of Object.keys(capabilities)) {
    const mine = outcomes.filter((outcome) => outcome.capability === capability)
    if (mine.length === 0) continue
    const failed = mine.filter(({ error }) => error !== null)
    const unknown = failed.filter(({ name }) => !known.has(`${capability}: ${name}`))
    const word = unknown.length > 0 ? 'FAILS' : failed.length > 0 ? 'defect' : 'ok'
    cells.set(capability, `${word} ${mine.length - failed.length}/${mine.length}`)
    complaints.push(...unknown.map(({ name, error }) => `${host}: ${capability}: ${name}\n${error}`))
    const fixed = mine.filter(({ name, error }) => error === null && known.has(`${capability}: ${name}`))
    complaints.push(...fixed.map(({ name }) => `${host}: ${capability}: ${name}: no longer a defect, strike it`))
  }
  return { host, version, cells, complaints }
}

function rows(judged: readonly Judged[]): string[][] {
  const head = ['', ...judged.map(({ host }) => host)]
  const versions = ['version', ...judged.map(({ version }) => version)]
  const body = Object.keys(capabilities).map((name) => [name, ...judged.map(({ cells }) => cells.get(name) ?? '-')])
  return [head, versions, ...body]
}

export function plain(judged: readonly Judged[]): string {
  const table = rows(judged)
  const widths = (table[0] ?? []).map((_cell, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function markdown(judged: readonly Judged[]): string {
  const [head = [], ...body] = rows(judged)
  return [head, head.map(() => '---'), ...body].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
