import { readFileSync } from 'node:fs'
import * as sluice from '../../lib/index.js'

const folder = new URL('../../../node_modules/undici/docs/docs/api/', import.meta.url)

/** Returns the runnable examples of a page of undici's documentation: those that begin with an import and do more. */
export function examplesOf(page: string): string[] {
  const text = readFileSync(new URL(page, folder), 'utf8')
  const found = [...text.matchAll(/```m?js\n([\s\S]*?)```/g)].map((match) => match[1] as string)
  return found.filter((code) => /^import .* from 'undici'\n\n/.test(code))
}

/** Runs an example with sluice and the variables of `scope`. Returns the requested variables of the example. */
export function runExample(
  code: string,
  scope: Record<string, unknown>,
  wanted: readonly string[],
): Promise<Record<string, never>> {
  const body = code.replace(/^import (\{.*\}) from 'undici'/, 'const $1 = sluice')
  const AsyncFunction = (async () => {}).constructor as new (
    ...parts: string[]
  ) => (...values: unknown[]) => Promise<never>
  const run = new AsyncFunction('sluice', ...Object.keys(scope), `${body}\nreturn { ${wanted.join(', ')} }`)
  return run(sluice, ...Object.values(scope))
}
