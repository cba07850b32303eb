import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cachedRuntime } from '../../test/runtimes/runtimes.js'

const script = fileURLToPath(new URL('../soak.js', import.meta.url))

/** Options of soaks on other Node versions. */
export interface OtherNodesOptions {
  /** Comma-separated major versions, or `none`. */
  readonly nodes: string
  readonly minutes: number
  readonly cycle: string
  readonly seed: number
}

/** Runs the `fetch` operations on every other installed Node, one after another. Returns whether all passed. */
export async function otherNodes({ nodes, minutes, cycle, seed }: OtherNodesOptions): Promise<boolean> {
  const majors =
    nodes === 'none' ? [] : nodes.split(',').filter((major) => major !== process.versions.node.split('.')[0])
  const flags = ['--only-fetch', '--minutes', String(minutes), '--cycle', cycle, '--seed', String(seed)]
  let good = true
  for (const major of majors) {
    const node = await cachedRuntime(`node@${major}`)
    if (node === null) {
      console.log(`fetch of Node ${major} is skipped: node test/runtimes/install.mjs node@${major} installs it`)
      continue
    }
    const child = spawn(node.path, ['--expose-gc', script, ...flags], { stdio: 'inherit' })
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
    good &&= code === 0
  }
  return good
}
