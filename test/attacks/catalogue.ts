import type { Test } from 'tap'

/** One attack. */
export interface Attack {
  /** What is sent, or done. */
  what: string
  /** What a good client does. */
  good: string
}

/** Runs each attack as a test of its own, named by what is done and what is right. */
export async function each<One extends Attack>(
  t: Test,
  attacks: readonly One[],
  run: (t: Test, attack: One) => Promise<unknown>,
): Promise<void> {
  for (const attack of attacks) {
    await t.test(`${attack.what}: ${attack.good}`, async (t) => {
      await run(t, attack)
    })
  }
}

/** Both parsers, for what depends on bytes. */
export const PARSERS = ['wasm', 'js'] as const

/** What programs match on. */
export function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name: string }
  return typeof code === 'string' ? code : name
}
