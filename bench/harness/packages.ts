import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Histogram } from './histogram.js'

/** Where things from elsewhere are kept: SLUICE_CACHE, or `.cache/` of the project. */
export const cache = resolve(process.env.SLUICE_CACHE ?? fileURLToPath(new URL('../../../.cache', import.meta.url)))

const modern = Number(process.versions.node.split('.')[0]) >= 22

/** The newest that runs on this Node. */
const wanted: Record<string, string> = {
  undici: modern ? '^8.0.0' : '^7.0.0',
  got: modern ? '^16.0.0' : '^14.0.0',
  axios: '^1.0.0',
  'node-fetch': '^3.0.0',
  'hdr-histogram-js': '^3.0.0',
  echarts: '^6.0.0',
}

/** Packages that only the bench needs. */
export class Packages {
  readonly folder: string
  readonly #require: NodeJS.Require

  constructor(folder: string) {
    this.folder = folder
    this.#require = createRequire(join(folder, 'package.json'))
  }

  /** What `import` of the package gives. */
  // biome-ignore lint/suspicious/noExplicitAny: what a package exports is for its user to know
  load(name: string): Promise<any> {
    return import(pathToFileURL(this.#require.resolve(name)).href)
  }

  version(name: string): string {
    const manifest = readFileSync(join(this.folder, 'node_modules', name, 'package.json'), 'utf8')
    return (JSON.parse(manifest) as { version: string }).version
  }

  get versions(): Record<string, string> {
    return Object.fromEntries(Object.keys(wanted).map((name) => [name, this.version(name)]))
  }

  async histogram(): Promise<() => Histogram> {
    const { build } = await this.load('hdr-histogram-js')
    return () => build({ lowestDiscernibleValue: 1, highestTrackableValue: 3.6e12, numberOfSignificantValueDigits: 3 })
  }
}

const manifest = `${JSON.stringify({ private: true, dependencies: wanted }, null, 2)}\n`

function isComplete(folder: string): boolean {
  const path = join(folder, 'package.json')
  return existsSync(path) && readFileSync(path, 'utf8') === manifest
}

/**
 * Installs the packages into the cache unless they are there.
 * @throws {Error} they can not be installed: it says why
 */
export function install(): Packages {
  const parent = join(cache, 'bench')
  const folder = join(parent, modern ? 'node22-and-newer' : 'node20')
  if (isComplete(folder)) return new Packages(folder)
  mkdirSync(parent, { recursive: true })
  const made = mkdtempSync(join(parent, '.made-'))
  try {
    writeFileSync(join(made, 'package.json'), manifest)
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    const options = { cwd: made, encoding: 'utf8', shell: process.platform === 'win32' } as const
    const { status, stderr, error } = spawnSync('npm', ['install', ...flags], options)
    if (status !== 0) {
      const said = /^npm (?:error|ERR!) (.+)$/m.exec(stderr ?? '')?.[1] ?? `npm ended with ${status}`
      throw new Error(`the contenders can not be installed: ${error?.message ?? said}`)
    }
    settle(made, folder)
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
  return new Packages(folder)
}

/** Moves what was made to its place; whoever came first stays, if it is what is wanted. */
function settle(made: string, folder: string): void {
  try {
    if (!isComplete(folder)) {
      rmSync(folder, { recursive: true, force: true })
      renameSync(made, folder)
    }
  } catch (error) {
    if (!isComplete(folder)) throw error
  }
}
