import * as sluice from '../../../lib/index.js'
import { borrowed, type Dispatchers, type Interceptors, play, scenarios } from './scenarios.js'

/**
 * Runs interceptors of sluice and undici over pools of sluice and undici, in all combinations.
 * `node program.js [undici]` prints the results; `undici` is a package name or the URL of a module.
 */
const undici = await import(process.argv[2] ?? 'undici')

const makers: Record<string, { dispatchers: Dispatchers; interceptors: Interceptors }> = {
  sluice: {
    dispatchers: sluice as unknown as Dispatchers,
    interceptors: sluice.interceptors as unknown as Interceptors,
  },
  undici: { dispatchers: undici, interceptors: undici.interceptors },
}
const ours = makers.sluice as { interceptors: Interceptors }
const theirs = makers.undici as { interceptors: Interceptors }
const some = ({ retry, decompress }: Interceptors) => ({ retry, decompress }) as Interceptors
/** Chains of interceptors of both libraries. */
const mixtures = {
  "sluice's with some of undici": { ...ours.interceptors, ...some(theirs.interceptors) },
  "undici's with some of sluice": { ...theirs.interceptors, ...some(ours.interceptors) },
}

const results: Record<string, Record<string, unknown>> = {}
for (const [beneath, { dispatchers }] of Object.entries(makers)) {
  for (const [above, { interceptors }] of Object.entries(makers)) {
    for (const [name, scenario] of Object.entries(scenarios)) {
      results[name] ??= {}
      results[name][`${above} over ${beneath}`] = await play(scenario, interceptors, dispatchers)
    }
  }
  for (const [name, scenario] of Object.entries(borrowed)) {
    results[name] ??= {}
    results[name][`undici over ${beneath}`] = await play(scenario, undici.interceptors as Interceptors, dispatchers)
  }
  for (const [above, interceptors] of Object.entries(mixtures)) {
    for (const name of ['chain', 'streams']) {
      const played = await play(scenarios[name] as (typeof scenarios)[string], interceptors, dispatchers)
      results[name] = { ...results[name], [`${above} over ${beneath}`]: played }
    }
  }
}
process.stdout.write(JSON.stringify({ version: process.version, results }))
