import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { withoutOptions } from '../../bench/harness/processes.js'
import { Project } from '../../bench/package/project.js'
import { type Runtime, run, runtime } from '../runtimes/runtimes.js'
import { files, tools } from './tools/programs.js'

t.setTimeout(230_000)

const installer = fileURLToPath(new URL('../../../test/package/tools/install.mjs', import.meta.url))
const { code, stdout, stderr } = await run(process.execPath, [installer])
if (code !== 0 && process.env.SLUICE_NO_SKIP !== undefined) throw new Error(stderr)
const skip = code !== 0 && stderr.trim()
const installed = stdout.trim()

/** Runs a script of an installed tool in a folder, without the module loader of tap. */
function runTool(node: string, command: readonly string[], options: { project: string; env?: NodeJS.ProcessEnv }) {
  const [script = '', ...args] = command
  const [path = '', ...rest] = withoutOptions([node, join(installed, 'node_modules', script), ...args])
  return run(path, rest, options.env, options.project)
}

/** Packages that the programs load, or the tools on their behalf. */
const LINKED = ['@types/node', 'proxyquire', 'sinon', 'typescript', 'vitest']

/** Creates a project outside this repository, whose configuration of TypeScript the tools would find. */
function createProject(t: Test): Project {
  const project = new Project({})
  t.teardown(() => project.remove())
  for (const name of LINKED) project.link(name, join(installed, 'node_modules', name))
  for (const [path, text] of Object.entries(files)) project.write(path, text)
  return project
}

const running = `node@${process.versions.node.split('.')[0]}`
for (const name of [running, 'node@24', 'node@26']) {
  const node = await runtime(name)
  const missing = typeof node === 'string' && node
  t.test(`test runners, mocks and ts-node load the package, ${name}`, { skip: skip || missing }, async (t) => {
    const project = createProject(t)
    const { path } = node as Runtime
    for (const [tool, { script, args, env, passes, everywhere }] of Object.entries(tools)) {
      if (name !== running && !everywhere) continue
      const options = { project: project.folder, env: { NO_COLOR: '1', ...env } }
      const { code, stdout, stderr } = await runTool(path, [script, ...args], options)
      t.equal(code, 0, `${tool}: ${stdout}${stderr}`)
      t.match(stdout + stderr, passes, tool)
    }
  })
}

const USE = `import sluice, { Client, errors, type Dispatcher, interceptors, request } from 'sluice'
import { Pool } from 'sluice/pool'
import { retry } from 'sluice/interceptors'
const options: Dispatcher.RequestOptions = { path: '/', method: 'GET' }
export const status = async (): Promise<number> => {
  const { statusCode } = await new Client('http://x').compose(retry(), interceptors.redirect()).request(options)
  return statusCode
}
export const pool = (): sluice.Dispatcher => new Pool('http://x')
export const get = (path: string) => request('http://x' + path)
export const failed = (error: unknown): boolean => error instanceof errors.UndiciError
`

/** Compiler, options and type of package. TypeScript 7 has no resolution `node10`. */
const MODES: readonly [compiler: string, options: string, type: 'commonjs' | 'module'][] = [
  ['typescript', '--module node16', 'commonjs'],
  ['typescript', '--module node16', 'module'],
  ['typescript', '--module nodenext', 'commonjs'],
  ['typescript', '--module esnext --moduleResolution bundler', 'module'],
  ['typescript', '--module commonjs --moduleResolution node10', 'commonjs'],
  ['typescript-newest', '--module node20', 'commonjs'],
  ['typescript-newest', '--module nodenext', 'commonjs'],
  ['typescript-newest', '--module nodenext', 'module'],
  ['typescript-newest', '--module preserve', 'commonjs'],
]

t.test('TypeScript compiles against the package in each module mode', { skip }, async (t) => {
  const project = createProject(t)
  project.write('use.ts', USE)
  for (const [compiler, options, type] of MODES) {
    project.write('package.json', JSON.stringify({ private: true, type }))
    // The declarations themselves are checked by test/types.
    const common = 'use.ts --noEmit --skipLibCheck --strict --target es2022 --esModuleInterop --declaration'
    const command = [`${compiler}/bin/tsc`, ...common.split(' '), ...options.split(' ')]
    const { code, stdout, stderr } = await runTool(process.execPath, command, { project: project.folder })
    t.equal(code, 0, `${compiler}, ${options}, ${type}: ${stdout}${stderr}`)
  }
})
