import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Test } from 'tap'

/** One attack. */
export interface Attack {
  /** What is sent, or done. */
  what: string
  /** What a good client does. */
  good: string
}

const run = new Set<string>()

/** Runs each attack as a test of its own, named by what is done and what is right. */
export async function each<One extends Attack>(
  t: Test,
  attacks: readonly One[],
  attempt: (t: Test, attack: One) => Promise<unknown>,
): Promise<void> {
  for (const attack of attacks) {
    const name = `${attack.what}: ${attack.good}`
    run.add(name)
    await t.test(name, async (t) => {
      await attempt(t, attack)
    })
  }
}

/** To be the last test of a file: the table in test/attacks/README.md has so many. */
export async function counted(t: Test): Promise<void> {
  const table = readFileSync(new URL('../../../test/attacks/README.md', import.meta.url), 'utf8')
  const file = basename(process.argv[1] as string).replace('.test.js', '')
  const row = table.split('\n').find((line) => line.includes(`| \`${file}\` |`))
  t.equal(Number(row?.split('|').at(-2)), run.size, `${run.size} attacks`)
}

/** Both parsers, for what depends on bytes. */
export const PARSERS = ['wasm', 'js'] as const

/** What programs match on. */
export function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name: string }
  return typeof code === 'string' ? code : name
}
