import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pack } from '../../../bench/package/project.js'
import { type Runtime, run } from '../../runtimes/runtimes.js'
import { authority, serverIdentity } from '../../servers/certificates.js'

const sources = fileURLToPath(new URL('../../../../test/peers/libraries/', import.meta.url))

/** Module that the packages import as `undici`. */
export type Tree = 'sluice' | 'undici'
export const trees: readonly Tree[] = ['sluice', 'undici']

/** A scenario that is known to fail, with the reason. Over undici it may pass at times: most of these depend on timing. */
export interface Known {
  readonly scenario: string
  readonly over: Tree
  readonly because: string
}

/** A package that is built on undici. */
export interface Library {
  readonly version: string
  /** Name of the file of its scenarios. */
  readonly scenarios: string
  /** Whether it uses parts of undici that sluice does not include, and needs `facade/`. */
  readonly facade?: boolean
  readonly title?: string
  readonly remark?: string
  readonly known?: readonly Known[]
}

/** Packages by name. */
export const libraries: Readonly<Record<string, Library>> = JSON.parse(
  readFileSync(join(sources, 'packages.json'), 'utf8'),
).libraries

/** Returns the names of scenario files. */
export const scenarioFiles = readdirSync(join(sources, 'scenarios')).filter((name) => name !== 'harness.mjs')

/** Outcome of one scenario. */
export interface Outcome {
  readonly name: string
  readonly error?: string
}

/**
 * Installs both trees if necessary, and copies the built sluice and the scenarios into them. Returns their folders, or why their
 * tests must be skipped.
 * @throws {Error} If they can not be installed and SLUICE_NO_SKIP is set.
 */
export async function prepare(): Promise<Record<Tree, string> | string> {
  const { code, stdout, stderr } = await run(process.execPath, [join(sources, 'install.mjs')])
  const folders = Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t')),
  )
  if (code !== 0) {
    const reason = stderr.trim() || `the installer ended with ${code}`
    if (process.env.SLUICE_NO_SKIP !== undefined) throw new Error(reason)
    return reason
  }
  refresh(folders.sluice)
  const ca = await authority()
  const tls = { ca: ca.cert, ...(await serverIdentity(ca)) }
  for (const tree of trees) {
    rmSync(join(folders[tree], 'scenarios'), { recursive: true, force: true })
    cpSync(join(sources, 'scenarios'), join(folders[tree], 'scenarios'), { recursive: true })
    writeFileSync(join(folders[tree], 'scenarios/tls.json'), JSON.stringify(tls))
  }
  return folders
}

/** Replaces the sluice of a tree by the current build. */
function refresh(folder: string): void {
  const made = mkdtempSync(join(tmpdir(), 'sluice-'))
  const { filename } = pack(made)
  execFileSync('tar', ['xzf', join(made, filename), '-C', made])
  for (const path of named(folder)) {
    const { name } = manifest(join(folder, path))
    const source = name === 'sluice' ? join(made, 'package') : join(sources, 'facade')
    rmSync(join(folder, path), { recursive: true, force: true })
    cpSync(source, join(folder, path), { recursive: true })
  }
  rmSync(made, { recursive: true, force: true })
}

/** Returns all paths at which `undici` or `sluice` is installed in a tree. */
function named(folder: string): string[] {
  const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'))
  return Object.keys(packages).filter((path) => /node_modules\/(undici|sluice)$/.test(path))
}

function manifest(folder: string): { name: string; version: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

/** Returns the names of the packages installed as `undici` or `sluice`, by path. */
export function installedAs(folder: string): Record<string, string> {
  return Object.fromEntries(named(folder).map((path) => [path, manifest(join(folder, path)).name]))
}

/** Runs the scenarios of a package in a new process. */
export async function play(node: Runtime, folder: string, { scenarios }: Library): Promise<Outcome[]> {
  const file = (name: string) => join(folder, 'scenarios', `${name}.mjs`)
  const { code, stdout, stderr } = await run(node.path, [file('harness'), file(scenarios)])
  const lines = stdout.split('\n').filter((line) => line.startsWith('{"name":'))
  const outcomes: Outcome[] = lines.map((line) => JSON.parse(line))
  if (code === 0 && outcomes.length > 0) return outcomes
  return [...outcomes, { name: 'the process', error: `ended with ${code}: ${stderr}` }]
}

/** Returns the problem of an outcome, or null. Over sluice, a scenario that is known to fail must fail. */
export function complaintOf(library: Library, over: Tree, { name, error }: Outcome): string | null {
  const known = library.known?.find((one) => one.scenario === name && one.over === over)
  if (known === undefined) return error ?? null
  return error === undefined && over === 'sluice' ? 'no longer fails: strike it from packages.json' : null
}

/** Returns the table of `test/peers/README.md`. `counts`: number of scenarios by package. */
export function markdown(counts: Readonly<Record<string, number>>): string {
  const rows = Object.entries(libraries).map(([name, { version, title, remark, facade, known = [] }]) => {
    const total = counts[name] ?? 0
    const holding = (over: Tree) => `${total - known.filter((one) => one.over === over).length}/${total}`
    const remarks = [
      ...(facade ? ['with the facade'] : []),
      ...(remark === undefined ? [] : [remark]),
      ...known.map(({ over, scenario, because }) => `${over} fails "${scenario}": ${because}`),
    ]
    return [
      title ?? `\`${name}\``,
      version.replace(/^npm:.*@/, ''),
      holding('sluice'),
      holding('undici'),
      remarks.join('; '),
    ]
  })
  const head = ['package', 'version', 'sluice', 'undici', 'remark']
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
