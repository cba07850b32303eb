import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plainEnvironment } from '../harness/processes.js'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

export interface Packed {
  readonly filename: string
  /** Size of all files in bytes. */
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string; readonly size: number }[]
}

/** Runs `npm pack` and returns its report. With a folder, the package is written there. */
export function pack(folder: string | null = null): Packed {
  const where = folder === null ? ['--dry-run'] : ['--pack-destination', folder]
  const output = execFileSync('npm', ['pack', root, '--json', '--ignore-scripts', ...where], {
    cwd: tmpdir(),
    encoding: 'utf8',
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return (JSON.parse(output) as [Packed])[0]
}

/** A temporary project that has the packed library installed. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-'))

  constructor(manifest: Record<string, unknown> = { type: 'module' }) {
    const installed = join(this.folder, 'node_modules/sluice')
    mkdirSync(installed, { recursive: true })
    const { filename } = pack(this.folder)
    execFileSync('tar', ['xzf', join(this.folder, filename), '-C', installed, '--strip-components=1'])
    this.write('package.json', JSON.stringify({ private: true, ...manifest }))
  }

  /** Links a package of this repository into the project. */
  link(name: string, to = join(root, 'node_modules', name)): void {
    const path = join(this.folder, 'node_modules', name)
    mkdirSync(dirname(path), { recursive: true })
    symlinkSync(to, path)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Writes a file and returns its path. */
  write(name: string, text: string): string {
    const path = this.path(name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return path
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
