// Installs the packages of `packages.json` (test runners, mocks, compilers) into the cache folder, from npm.
// `node test/package/tools/install.mjs` prints the folder.
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cache, installIn, settle } from '../../runtimes/install.mjs'

const dependencies = JSON.parse(readFileSync(new URL('packages.json', import.meta.url), 'utf8'))
const manifest = { private: true, dependencies }
const folder = join(cache, 'tools')

function complete() {
  const path = join(folder, 'package.json')
  return existsSync(join(folder, 'node_modules')) && readFileSync(path, 'utf8') === JSON.stringify(manifest)
}

try {
  if (!complete()) {
    mkdirSync(cache, { recursive: true })
    const made = mkdtempSync(join(cache, '.tools-'))
    installIn(made, 'what the tests of the package run', manifest)
    settle(made, folder, complete)
  }
  console.log(folder)
} catch (error) {
  process.exitCode = 1
  console.error(error instanceof Error ? error.message : error)
}
