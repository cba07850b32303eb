import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Histogram } from './histogram.js'

/** Folder of installed packages: SLUICE_CACHE, or `.cache/` of the project. */
export const cache = resolve(process.env.SLUICE_CACHE ?? fileURLToPath(new URL('../../../.cache', import.meta.url)))

const modern = Number(process.versions.node.split('.')[0]) >= 22

/** Version ranges of the newest releases that run on this Node. */
const versions: Record<string, string> = {
  undici: modern ? '^8.0.0' : '^7.0.0',
  got: modern ? '^16.0.0' : '^14.0.0',
  axios: '^1.0.0',
  'node-fetch': '^3.0.0',
  'hdr-histogram-js': '^3.0.0',
  echarts: '^6.0.0',
}

/** Loads packages that only the bench needs. */
export class Packages {
  readonly folder: string
  readonly #require: NodeJS.Require

  constructor(folder: string) {
    this.folder = folder
    this.#require = createRequire(join(folder, 'package.json'))
  }

  /** Imports a package. */
  // biome-ignore lint/suspicious/noExplicitAny: the package is known at run time only, so its type is not known
  load(name: string): Promise<any> {
    return import(pathToFileURL(this.#require.resolve(name)).href)
  }

  version(name: string): string {
    const manifest = readFileSync(join(this.folder, 'node_modules', name, 'package.json'), 'utf8')
    return (JSON.parse(manifest) as { version: string }).version
  }

  get versions(): Record<string, string> {
    return Object.fromEntries(Object.keys(versions).map((name) => [name, this.version(name)]))
  }

  async histogram(): Promise<() => Histogram> {
    const { build } = await this.load('hdr-histogram-js')
    return () => build({ lowestDiscernibleValue: 1, highestTrackableValue: 3.6e12, numberOfSignificantValueDigits: 3 })
  }
}

const manifest = `${JSON.stringify({ private: true, dependencies: versions }, null, 2)}\n`

function isComplete(folder: string): boolean {
  const path = join(folder, 'package.json')
  return existsSync(path) && readFileSync(path, 'utf8') === manifest
}

/**
 * Installs the packages into the cache unless they are there.
 * @throws {Error} If they can not be installed, with the reason.
 */
export function install(): Packages {
  const parent = join(cache, 'bench')
  const folder = join(parent, modern ? 'node22-and-newer' : 'node20')
  if (isComplete(folder)) return new Packages(folder)
  mkdirSync(parent, { recursive: true })
  const newFolder = mkdtempSync(join(parent, '.newFolder-'))
  try {
    writeFileSync(join(newFolder, 'package.json'), manifest)
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    const options = { cwd: newFolder, encoding: 'utf8', shell: process.platform === 'win32' } as const
    const { status, stderr, error } = spawnSync('npm', ['install', ...flags], options)
    if (status !== 0) {
      const message = /^npm (?:error|ERR!) (.+)$/m.exec(stderr ?? '')?.[1] ?? `npm exited with code ${status}`
      throw new Error(`can not install the packages of the bench: ${error?.message ?? message}`)
    }
    moveIntoPlace(newFolder, folder)
  } finally {
    rmSync(newFolder, { recursive: true, force: true })
  }
  return new Packages(folder)
}

/** Moves the new folder to its final path, unless another process has installed the same packages meanwhile. */
function moveIntoPlace(newFolder: string, folder: string): void {
  try {
    if (!isComplete(folder)) {
      rmSync(folder, { recursive: true, force: true })
      renameSync(newFolder, folder)
    }
  } catch (error) {
    if (!isComplete(folder)) throw error
  }
}
