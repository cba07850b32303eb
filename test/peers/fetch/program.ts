// Runs as a process in each Node: `program.js ORIGIN CONTROL native|dispatcher|install`. Uses all features of the built-in
// fetch, with sluice or Node's own dispatcher, and prints the results as JSON.
import { describeError, type Scenario, Surroundings, type Way } from './common.js'
import { failures } from './failures.js'
import { pooling } from './pooling.js'
import { requests } from './requests.js'
import { responses } from './responses.js'

const [, , origin = '', control = '', way, only] = process.argv
const one = new Surroundings(origin, control, way as Way)
const scenarios: Record<string, Scenario> = {
  ...requests,
  ...responses,
  ...failures,
  ...(way === 'native' ? {} : pooling),
}
const results: Record<string, unknown> = {}
for (const [name, run] of Object.entries(scenarios)) {
  if (only !== undefined && only !== name) continue
  results[name] = await run(one).catch((error) => ({ crashed: describeError(error) }))
}
const { connects } = one
const { connections } = await one.state()
const uninstalled = way === 'install' ? await one.uninstall() : null
await one.close()
console.log(JSON.stringify({ results, connects, connections, uninstalled, version: process.version }))
