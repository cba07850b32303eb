import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Test } from 'tap'

/** An attack, and the correct reaction of a client. */
export interface Attack {
  /** Data or action of the attack: first half of the test title. */
  what: string
  /** Correct reaction: second half of the test title. */
  good: string
}

const run = new Set<string>()

/** Runs each attack as a subtest, titled by attack and correct reaction. */
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

/** Checks that the row of this file in test/attacks/README.md has the right number. Must be the last test of a file. */
export async function counted(t: Test): Promise<void> {
  const table = readFileSync(new URL('../../../test/attacks/README.md', import.meta.url), 'utf8')
  const file = basename(process.argv[1] as string).replace('.test.js', '')
  const row = table.split('\n').find((line) => line.includes(`| \`${file}\` |`))
  t.equal(Number(row?.split('|').at(-2)), run.size, `${run.size} attacks`)
}

/** Both parsers, for attacks by response bytes. */
export const PARSERS = ['wasm', 'js'] as const

/** Returns the code of an error, or its name if it has none. */
export function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name: string }
  return typeof code === 'string' ? code : name
}
