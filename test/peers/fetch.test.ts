import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Runtime, run, runtime } from '../runtimes/runtimes.js'
import type { Way } from './fetch/common.js'
import { expected, expectedOfPools } from './fetch/expected.js'
import { fetchOrigin } from './fetch/origin.js'

const program = fileURLToPath(new URL('./fetch/program.js', import.meta.url))

interface Outcome {
  results: Record<string, unknown>
  /** Connections that sluice reported. */
  connects: number
  /** Connections that the origin accepted. */
  connections: number
  /** Connections opened for a fetch after `uninstall()`. */
  uninstalled: { opened: number; ours: number } | null
  version: string
}

/** Runs the program with a new origin. */
async function outcome(node: Runtime, way: Way): Promise<Outcome> {
  const origin = await fetchOrigin()
  const { code, stdout, stderr } = await run(node.path, [program, origin.url, origin.control.url, way])
  await origin.close()
  if (code !== 0) throw new Error(`${node.name} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

/** Results in which sluice and Node's own client may report different connection errors. */
const ERROR_DIFFERS = /^the connection closes (before|within the body)|^the response is not HTTP/

function compare(t: Test, native: Outcome, sluice: Outcome): void {
  for (const [name, wanted] of Object.entries(expected)) {
    t.match(sluice.results[name], wanted, name)
    if (!ERROR_DIFFERS.test(name))
      t.strictSame(sluice.results[name], native.results[name], `${name}: as without sluice`)
  }
  for (const [name, wanted] of Object.entries(expectedOfPools)) {
    if (sluice.results[name] !== 'unknown to this runtime') t.strictSame(sluice.results[name], wanted, name)
  }
  const known = [...Object.keys(expected), ...Object.keys(expectedOfPools)]
  t.strictSame(Object.keys(sluice.results).sort(), known.sort(), 'all scenarios ran')
}

async function overSluice(t: Test, node: Runtime): Promise<void> {
  const native = await outcome(node, 'native')
  t.equal(native.connects, 0)
  for (const way of ['dispatcher', 'install'] as const) {
    await t.test(way, async (t) => {
      const sluice = await outcome(node, way)
      t.equal(sluice.version, node.version)
      compare(t, native, sluice)
      t.equal(sluice.connections, sluice.connects, 'all connections were opened by sluice')
      t.strictSame(sluice.uninstalled, way === 'install' ? { opened: 1, ours: 0 } : null)
    })
  }
}

// Runs twelve processes, one after another.
t.setTimeout(200_000)

const nodes = new Set([`node@${process.versions.node.split('.')[0]}`, 'node@22', 'node@24', 'node@26'])

const found = await Promise.all(Array.from(nodes, async (name) => ({ name, node: await runtime(name) })))

for (const { name, node } of found) {
  const skip = typeof node === 'string' ? node : false
  t.test(`built-in fetch of ${name} over sluice`, { skip }, (t) => overSluice(t, node as Runtime))
}
