import { readFileSync, writeFileSync } from 'node:fs'
import { run } from '../../../runtimes/runtimes.js'

/** Writes the next generation into a configuration, and reloads it. */
export function reloading(file: string, read: () => void | Promise<void>): (generation: number) => Promise<void> {
  return async (generation) => {
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replaceAll(/generation-\d+/g, `generation-${generation}`))
    await read()
  }
}

/** Returns the version that a program prints. */
export async function versionOf(path: string, flag: string): Promise<string> {
  const { stdout, stderr } = await run(path, [flag])
  return /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] ?? ''
}
