import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Runtime, run, runtime } from '../runtimes/runtimes.js'
import { expected, expectedOfPools } from './fetch/expected.js'
import { fetchOrigin } from './fetch/origin.js'

const program = fileURLToPath(new URL('./fetch/program.js', import.meta.url))

interface Outcome {
  results: Record<string, unknown>
  /** Connections that sluice told of. */
  connects: number
  version: string
}

/** Runs the program against an origin of its own; `accepted` is how many connections that one saw. */
async function outcome(node: Runtime, way: 'native' | 'dispatcher'): Promise<Outcome & { accepted: number }> {
  const origin = await fetchOrigin()
  const { code, stdout, stderr } = await run(node.path, [program, origin.url, origin.control.url, way])
  const accepted = origin.connections
  await origin.close()
  if (code !== 0) throw new Error(`${node.name} ended with ${code}: ${stderr}`)
  return { ...JSON.parse(stdout), accepted }
}

/** Where sluice and Node's own client may name a failure of the connection in their own words. */
const OWN_WORDS = /^the connection closes before|^the answer is not HTTP/

function compare(t: Test, native: Outcome, sluice: Outcome): void {
  for (const [name, wanted] of Object.entries(expected)) {
    t.match(sluice.results[name], wanted, name)
    if (!OWN_WORDS.test(name)) t.strictSame(sluice.results[name], native.results[name], `${name}: as without sluice`)
  }
  for (const [name, wanted] of Object.entries(expectedOfPools)) {
    if (sluice.results[name] !== 'unknown to this runtime') t.strictSame(sluice.results[name], wanted, name)
  }
  const known = [...Object.keys(expected), ...Object.keys(expectedOfPools)]
  t.strictSame(Object.keys(sluice.results).sort(), known.sort(), 'nothing was left out')
}

async function overPool(t: Test, node: Runtime): Promise<void> {
  const native = await outcome(node, 'native')
  const sluice = await outcome(node, 'dispatcher')
  t.equal(sluice.version, node.version)
  compare(t, native, sluice)
  t.equal(sluice.accepted, sluice.connects, 'all connections were of sluice')
  t.equal(native.connects, 0)
}

const nodes = new Set([`node@${process.versions.node.split('.')[0]}`, 'node@22', 'node@24', 'node@26'])

const found = await Promise.all(Array.from(nodes, async (name) => ({ name, node: await runtime(name) })))

for (const { name, node } of found) {
  const skip = typeof node === 'string' ? node : false
  t.test(`built-in fetch of ${name} over a Pool`, { skip }, (t) => overPool(t, node as Runtime))
}
