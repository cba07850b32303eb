// Installs the packages of `packages.json` twice into the cache folder, from npm: with sluice in place of every undici, and
// with undici. `node test/peers/libraries/install.mjs` prints a line for each: its name and path, by tabs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache, installIn, settle } from '../../runtimes/install.mjs'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const { undici, libraries, companions } = JSON.parse(readFileSync(new URL('packages.json', import.meta.url), 'utf8'))

/** @typedef {'sluice' | 'undici'} Tree */

/**
 * Returns a manifest that replaces undici in the whole tree. Packages that need features which sluice does not have get the facade.
 * @param {Tree} tree
 */
function manifestOf(tree) {
  const names = Object.keys(libraries)
  const versions = Object.fromEntries(names.map((name) => [name, libraries[name].version]))
  const dependencies = { ...companions, ...versions, undici, 'undici-original': `npm:undici@${undici}` }
  // With a later one the queries of @mercuriusjs/gateway can not be printed.
  const overrides = { graphql: '$graphql' }
  if (tree === 'undici') return { private: true, dependencies, overrides }
  const needing = names.filter((name) => libraries[name].facade)
  return {
    private: true,
    dependencies: { ...dependencies, sluice: 'file:sluice.tgz', undici: 'file:sluice.tgz' },
    overrides: {
      ...overrides,
      undici: '$undici',
      ...Object.fromEntries(needing.map((name) => [name, { undici: 'file:facade.tgz' }])),
    },
  }
}

/**
 * Installs a tree unless it is there.
 * @param {Tree} tree
 * @returns {string} its folder
 * @throws {Error} it can not be installed: the message says why
 */
export function install(tree) {
  const folder = join(cache, 'libraries', tree)
  const manifest = manifestOf(tree)
  const complete = () =>
    existsSync(join(folder, 'node_modules')) &&
    readFileSync(join(folder, 'package.json'), 'utf8') === JSON.stringify(manifest)
  if (complete()) return folder
  mkdirSync(join(cache, 'libraries'), { recursive: true })
  const made = mkdtempSync(join(cache, 'libraries', `.${tree}-`))
  if (tree === 'sluice') {
    packInto(made, root, 'sluice')
    packInto(made, fileURLToPath(new URL('facade', import.meta.url)), 'facade')
  }
  installIn(made, `what is built on undici, over ${tree},`, manifest)
  settle(made, folder, complete)
  return folder
}

/**
 * @param {string} folder
 * @param {string} source the folder of a package
 * @param {string} name
 */
function packInto(folder, source, name) {
  const args = ['pack', source, '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' })
  renameSync(join(folder, JSON.parse(stdout)[0].filename), join(folder, `${name}.tgz`))
}

function main() {
  for (const tree of /** @type {const} */ (['undici', 'sluice'])) console.log(`${tree}\t${install(tree)}`)
}

const [, script] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  try {
    main()
  } catch (error) {
    process.exitCode = 1
    console.error(error instanceof Error ? error.message : error)
  }
}
