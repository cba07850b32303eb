import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Runtime, run, runtime } from '../runtimes/runtimes.js'
import { expected } from './undici/expected.js'

const program = fileURLToPath(new URL('./undici/program.js', import.meta.url))

interface Outcome {
  version: string
  /** Results by scenario, and by library of interceptor and dispatcher. */
  results: Record<string, Record<string, unknown>>
}

const EACH = ['sluice over sluice', 'sluice over undici', 'undici over sluice', 'undici over undici']
const MIXED = ["sluice's with some of undici", "undici's with some of sluice"].flatMap((above) => [
  `${above} over sluice`,
  `${above} over undici`,
])

function pairsOf(scenario: string): string[] {
  if (scenario === 'cache' || scenario === 'deduplicate') return EACH.filter((pair) => pair.startsWith('undici'))
  return scenario === 'chain' || scenario === 'streams' ? [...EACH, ...MIXED] : EACH
}

async function eachWithEach(t: Test, node: Runtime): Promise<void> {
  const { code, stdout, stderr } = await run(node.path, [program])
  if (code !== 0) throw new Error(`${node.name} ended with ${code}: ${stderr}`)
  const { version, results }: Outcome = JSON.parse(stdout)
  t.equal(version, node.version)
  t.strictSame(Object.keys(results).sort(), Object.keys(expected).sort())
  for (const [scenario, wanted] of Object.entries(expected)) {
    const found = results[scenario] ?? {}
    t.strictSame(Object.keys(found).sort(), pairsOf(scenario).sort(), scenario)
    for (const [pair, result] of Object.entries(found)) t.strictSame(result, wanted, `${scenario}: ${pair}`)
  }
}

t.setTimeout(200_000)

// undici 8 requires Node 22.
const found = await Promise.all(
  ['node@22', 'node@24', 'node@26'].map(async (name) => ({ name, node: await runtime(name) })),
)

for (const { name, node } of found) {
  const skip = typeof node === 'string' ? node : false
  t.test(`interceptors of undici and of sluice over each other, on ${name}`, { skip }, (t) =>
    eachWithEach(t, node as Runtime),
  )
}
