import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { install } from '../harness/packages.js'
import { root } from './project.js'
import { type Library, librariesFor } from './starts.js'

export interface Node {
  readonly name: string
  readonly path: string
  readonly libraries: readonly Library[]
}

/** Returns the running Node, Node 24 and Node 26, installed if necessary. */
export function nodes(): Node[] {
  const running = { version: process.version, path: process.execPath }
  const found = [running]
  const installer = fileURLToPath(new URL('test/runtimes/install.mjs', pathToFileURL(`${root}/`)))
  for (const major of [24, 26]) {
    if (major === majorOf(running.version)) continue
    const line = execFileSync(process.execPath, [installer, `node@${major}`], { encoding: 'utf8' })
    const [, version = '', path = ''] = line.trim().split('\t')
    found.push({ version, path })
  }
  return found.map(({ version, path }) => {
    const major = majorOf(version)
    const packages = major >= 22 ? '' : join(install().folder, 'node_modules')
    return { name: `Node ${version.replace('v', '')}`, path, libraries: librariesFor({ major, packages, root }) }
  })
}

function majorOf(version: string): number {
  return Number(version.replace('v', '').split('.')[0])
}
