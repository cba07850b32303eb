import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plainEnvironment } from '../../bench/harness/processes.js'
import { run, runtime } from './runtimes.js'
import type { Outcome, World } from './servers.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const MARK = 'outcomes: '

/** A runtime in a configuration: one column of the table. */
export interface Host {
  readonly name: string
  /** Runtimes that must be installed. */
  readonly needs: readonly string[]
  /** Whether the process exits by itself once everything is closed. */
  readonly endsByItself: boolean
  /** Returns the command that runs the program. `paths` are those of {@link needs}. */
  prepare(paths: readonly string[], order: Order): Promise<string[]>
}

/** The program to run. */
export interface Order {
  /** Folder of the project that {@link newProject} creates. */
  folder: string
  world: World
  only: string
}

/** Returns the source of a module that runs the program and prints the outcomes. */
export function entryText({ world, only }: Order, around: (run: string) => string = (run) => run): string {
  const run = `conform(${JSON.stringify(world)}, '${only}').then((outcomes) => {
  console.log('${MARK}' + JSON.stringify(outcomes))
})`
  return `import { conform } from './conform.js'\n${around(run)}\n`
}

/** Bundles a module and its imports into one file. */
export async function bundle(esbuild: string, folder: string, flags: readonly string[]): Promise<void> {
  const common = ['--bundle', '--external:node:*', '--log-level=warning', '--loader:.wasm=copy', '--asset-names=[name]']
  const made = await run(esbuild, [...common, ...flags, `--outdir=${folder}`])
  if (made.code !== 0) throw new Error(made.stderr)
}

/** Returns a command that runs a module. */
export function like(name: string, part: { needs: string; flags?: readonly string[] }): Host {
  return {
    name,
    needs: [part.needs],
    endsByItself: true,
    async prepare([path = ''], order) {
      const file = `entry-${name.replace(/\W/g, '-')}.js`
      writeFileSync(join(order.folder, file), entryText(order))
      return [path, ...(part.flags ?? []), file]
    },
  }
}

const CONFIGURATION = (ca: string) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = (
    modules = [(name = "bundle.js", esModule = embed "bundle.js"), (name = "llhttp.wasm", wasm = embed "llhttp.wasm")],
    compatibilityDate = "2026-07-01", compatibilityFlags = ["nodejs_compat"])),
  (name = "internet", network = (allow = ["private"], tlsOptions = (trustedCertificates = [${JSON.stringify(ca)}]))),
]);
`

const workerd: Host = {
  name: 'workerd',
  needs: ['workerd', 'esbuild'],
  endsByItself: false,
  async prepare([path = '', esbuild = ''], order) {
    const { folder, world } = order
    const trusting = { ...order, world: { ...world, ca: null } }
    const source = join(folder, 'entry-workerd.js')
    writeFileSync(
      source,
      entryText(trusting, (run) => `export default { test: () => ${run} }`),
    )
    writeFileSync(join(folder, 'configuration.capnp'), CONFIGURATION(world.ca ?? ''))
    await bundle(esbuild, folder, [source, '--format=esm', '--conditions=workerd', '--entry-names=bundle'])
    return [path, 'test', 'configuration.capnp']
  },
}

export const hosts: readonly Host[] = [
  like('Node 20', { needs: 'node@20' }),
  like('Node 22', { needs: 'node@22' }),
  like('Node 24', { needs: 'node@24' }),
  like('Node 26', { needs: 'node@26' }),
  like('jitless', { needs: 'node@24', flags: ['--jitless'] }),
  like('Bun', { needs: 'bun', flags: ['run'] }),
  like('Deno', { needs: 'deno', flags: ['run', '-A', '--no-lock'] }),
  workerd,
]

/** Creates a folder with the installed package and the program. */
export async function newProject(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  const packed = await run('npm', ['pack', root, '--json', '--ignore-scripts', '--pack-destination', folder])
  if (packed.code !== 0) throw new Error(packed.stderr)
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
  const installed = join(folder, 'node_modules', 'sluice')
  mkdirSync(installed, { recursive: true })
  await run('tar', ['xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
  const manifest = { private: true, type: 'module', dependencies: { sluice: '*' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const program = fileURLToPath(new URL('.', import.meta.url))
  for (const name of ['conform.js', 'servers.js', 'cases']) {
    cpSync(join(program, name), join(folder, name), { recursive: true })
  }
  return folder
}

/** Runs the program in a runtime. Returns the reason as text if the runtime is not available. */
export async function conformIn(host: Host, order: Order): Promise<{ version: string; outcomes: Outcome[] } | string> {
  const found = await Promise.all(host.needs.map((name) => runtime(name)))
  const paths: string[] = []
  for (const one of found) {
    if (typeof one === 'string') return one
    paths.push(one.path)
  }
  const version = typeof found[0] === 'object' ? (/\d+(\.\d+)+|\d+-\d+-\d+/.exec(found[0].version)?.[0] ?? '') : ''
  let result: { stdout: string; failure: string | null }
  try {
    const [path = '', ...args] = await host.prepare(paths, order)
    result = await runToItsEnd(path, args, order.folder)
  } catch (error) {
    result = { stdout: '', failure: String(error) }
  }
  const { stdout, failure } = result
  const line = stdout.split('\n').find((line) => line.includes(MARK))
  if (line === undefined)
    return {
      version,
      outcomes: [{ capability: 'Client', name: 'the program runs', error: failure ?? 'it printed nothing' }],
    }
  const outcomes = JSON.parse(line.slice(line.indexOf(MARK) + MARK.length)) as Outcome[]
  if (host.endsByItself) outcomes.push({ capability: 'keep-alive', name: 'the process ends by itself', error: failure })
  return { version, outcomes }
}

const LIMIT = 120_000

/** Runs a program. Returns its output, and its exit code with the end of the output if it failed. */
function runToItsEnd(
  path: string,
  args: readonly string[],
  folder: string,
): Promise<{ stdout: string; failure: string | null }> {
  const options = { cwd: folder, env: plainEnvironment(), maxBuffer: 64 * 1024 * 1024, timeout: LIMIT }
  return new Promise((resolve) => {
    execFile(path, args, { ...options, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const wrong =
        error === null ? null : `${error.signal ?? error.code}\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`
      resolve({ stdout: `${stdout}\n${stderr}`, failure: wrong })
    })
  })
}
