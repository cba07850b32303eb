// Puts runtimes, and what they need, into a cache folder, out of npm: `node test/runtimes/install.mjs [name …]`, all by default.
// `--cached NAME` installs nothing, and prints nothing when it is not there.
// Prints a line for each: its name, exact version and path, by tabs. Run it as often as you like, also at the same time.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * @typedef {object} Runtime
 * @property {string} package what npm calls it; it ships the binary and needs no script of its own to run
 * @property {string} version the versions that will do
 * @property {string} binary within the folder of the package
 */

const platform = process.platform === 'win32' ? 'win' : process.platform
const nodeBinary = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'

/** @param {number} major @returns {Runtime} */
const node = (major) => ({
  // `node` itself is but a script that installs this one.
  package: `node-${platform}-${process.arch}`,
  version: `^${major}.0.0`,
  binary: nodeBinary,
})

const exe = process.platform === 'win32' ? '.exe' : ''
const arm = process.arch === 'arm64'

/** @returns {Runtime} */
const bun = () => ({
  package: `@oven/bun-${process.platform === 'win32' ? 'windows' : process.platform}-${arm ? 'aarch64' : process.arch}`,
  version: '^1.4.0',
  binary: `bin/bun${exe}`,
})

/** @returns {Runtime} */
const deno = () => ({
  package: `@deno/${process.platform}-${process.arch}${process.platform === 'linux' ? '-glibc' : ''}`,
  version: '^2.9.0',
  binary: `deno${exe}`,
})

/** @returns {Runtime} */
const workerd = () => ({
  package: `@cloudflare/workerd-${process.platform === 'win32' ? 'windows' : process.platform}-${arm ? 'arm64' : '64'}`,
  version: '^1.20261117.0',
  binary: `bin/workerd${exe}`,
})

/** Bundles for workerd, which reads no package.json. @returns {Runtime} */
const esbuild = () => ({
  package: `@esbuild/${process.platform}-${process.arch}`,
  version: '^0.28.0',
  binary: process.platform === 'win32' ? 'esbuild.exe' : 'bin/esbuild',
})

/** The newest compiler; that of the repository is older. @returns {Runtime} */
const typescript = () => ({
  package: `@typescript/typescript-${process.platform}-${process.arch}`,
  version: '>=7.0.2',
  binary: process.platform === 'win32' ? 'lib/tsc.exe' : 'lib/tsc',
})

/** @type {Record<string, Runtime>} */
export const runtimes = {
  'node@20': node(20),
  'node@22': node(22),
  'node@24': node(24),
  'node@26': node(26),
  bun: bun(),
  deno: deno(),
  workerd: workerd(),
  esbuild: esbuild(),
  typescript: typescript(),
}

/** Where they are kept: SLUICE_CACHE, or `.cache/` of the project. */
export const cache = resolve(process.env.SLUICE_CACHE ?? fileURLToPath(new URL('../../.cache', import.meta.url)))

/**
 * Installs a runtime unless it is there.
 * @param {string} name
 * @returns {{ version: string, path: string }}
 * @throws {Error} it can not be installed: it says why
 */
export function install(name) {
  const runtime = runtimes[name]
  if (runtime === undefined) throw new Error(`${name}: no such runtime; there are ${Object.keys(runtimes).join(', ')}`)
  const folder = join(cache, 'runtimes', name)
  const path = join(folder, 'node_modules', runtime.package, runtime.binary)
  if (versionOf(path) === null) {
    const made = fetchInto(runtime, name)
    settle(made, folder, () => versionOf(path) !== null)
  }
  const version = versionOf(path)
  if (version === null) throw new Error(`${name}: ${path} does not run`)
  return { version, path }
}

/**
 * @param {Runtime} runtime
 * @param {string} name
 */
function fetchInto(runtime, name) {
  const parent = join(cache, 'runtimes')
  mkdirSync(parent, { recursive: true })
  const made = mkdtempSync(join(parent, `.${name}-`))
  installIn(made, name, { private: true, dependencies: { [runtime.package]: runtime.version } })
  return made
}

/**
 * Installs the dependencies of a manifest into a folder, and removes the folder when that fails.
 * @param {string} folder
 * @param {string} name what the error says can not be installed
 * @param {object} manifest
 */
export function installIn(folder, name, manifest) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  const retries = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000']
  const options = { cwd: folder, encoding: /** @type {const} */ ('utf8'), shell: process.platform === 'win32' }
  const { status, stderr, error } = spawnSync('npm', ['install', ...flags, ...retries], options)
  if (status === 0) return
  rmSync(folder, { recursive: true, force: true })
  const lines = Array.from(stderr.matchAll(/^npm (?:error|ERR!) (.+)$/gm), ([, line]) => line)
  const reason =
    lines.find((line) => /reason|No matching|Not Found/.test(line)) ?? lines[0] ?? `npm ended with ${status}`
  throw new Error(`${name} can not be installed: ${error?.message ?? reason}`)
}

/**
 * Moves an installation to its folder atomically. An installation that is already there stays if it runs.
 * @param {string} made
 * @param {string} folder
 * @param {() => boolean} runs
 */
export function settle(made, folder, runs) {
  try {
    if (!existsSync(folder)) return renameSync(made, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  }
  if (!runs()) {
    rmSync(folder, { recursive: true, force: true })
    renameSync(made, folder)
  } else rmSync(made, { recursive: true, force: true })
}

/** @param {string} path */
function versionOf(path) {
  if (!existsSync(path)) return null
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 30_000 })
  // Some print the versions of their components in further lines.
  return status === 0 ? (stdout.trim().split('\n')[0] ?? '') : null
}

/**
 * The runtime as it is in the cache, or null.
 * @param {string} name
 * @returns {{ version: string, path: string } | null}
 */
function cached(name) {
  const runtime = runtimes[name]
  if (runtime === undefined) return null
  const path = join(cache, 'runtimes', name, 'node_modules', runtime.package, runtime.binary)
  const version = versionOf(path)
  return version === null ? null : { version, path }
}

/** @param {string[]} names */
function main(names) {
  if (names[0] === '--cached') {
    const found = cached(names[1] ?? '')
    if (found !== null) console.log(`${names[1]}\t${found.version}\t${found.path}`)
    return
  }
  for (const name of names) {
    try {
      const { version, path } = install(name)
      console.log(`${name}\t${version}\t${path}`)
    } catch (error) {
      process.exitCode = 1
      console.error(error instanceof Error ? error.message : error)
    }
  }
}

const [, script, ...names] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  main(names.length > 0 ? names : Object.keys(runtimes))
}
