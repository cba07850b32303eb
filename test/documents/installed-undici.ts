import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { runtime } from '../runtimes/runtimes.js'
import type { Stage } from './run.js'

const require = createRequire(import.meta.url)

/** Returns the installed undici and a Node that it runs on, or the reason why it can not be used. */
export async function undiciHere(): Promise<Omit<Stage, 'scene'> | string> {
  const library = pathToFileURL(require.resolve('undici'))
  if (runsHere()) return { node: process.execPath, library }
  const other = await runtime('node@24')
  return typeof other === 'string' ? other : { node: other.path, library }
}

/** Returns the Node versions that undici's package.json declares. */
function runsHere(): boolean {
  const least = /(\d+)\.(\d+)/.exec(require('undici/package.json').engines.node) as RegExpExecArray
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  return major > Number(least[1]) || (major === Number(least[1]) && minor >= Number(least[2]))
}
