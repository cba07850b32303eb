import { parseArgs } from 'node:util'
import { HEALTHY, mixedBackends, scenarios } from './balance/behaviours.js'
import { bound, type Choices, choices, draw, latencies, shares } from './balance/pictures.js'
import { type Configuration, excess, type Result, simulate } from './balance/simulation.js'
import { overSockets } from './balance/sockets.js'
import { row, table } from './balance/table.js'
import { install, type Packages } from './harness/packages.js'

const { values } = parseArgs({
  options: {
    /** Measures over sockets, with undici for comparison. */
    real: { type: 'boolean', default: false },
    rate: { type: 'string', default: '800' },
    /** Seconds for each client; at most the length of the scenario where backends change with time. */
    seconds: { type: 'string', default: '12.5' },
  },
})

// `make balance`: compares strategies over backends that are slow, flap, are dead or recover; `--real`: over sockets.

const CONFIGURATIONS: Configuration[] = [
  { strategy: 'random', outliers: false, retries: 0 },
  { strategy: 'round-robin', outliers: false, retries: 0 },
  { strategy: 'least-requests', outliers: false, retries: 0 },
  { strategy: 'peak-ewma', outliers: false, retries: 0 },
  { strategy: 'round-robin', outliers: true, retries: 2 },
  { strategy: 'least-requests', outliers: true, retries: 2 },
  { strategy: 'peak-ewma', outliers: true, retries: 2 },
]

function nameOf({ strategy, outliers, retries }: Configuration): string {
  return `${strategy}${outliers ? ', outliers' : ''}${retries > 0 ? ', retry' : ''}`
}

/** Installs undici and the picture library. Returns null if that fails: sluice is measured without them. */
function optionalPackages(): Packages | null {
  try {
    return install()
  } catch (error) {
    console.log(`no undici and no pictures: ${(error as Error).message}\n`)
    return null
  }
}

async function simulated(packages: Packages | null): Promise<void> {
  const rows = CONFIGURATIONS.map((configuration) => {
    const result: Result = simulate(configuration)
    return { name: nameOf(configuration), ...result }
  })
  console.log(`100 clients, ${mixedBackends.length} backends, 60 s of virtual time, seed 1; latency in ms\n`)
  console.log(table(rows, mixedBackends, HEALTHY))
  console.log('\nRequests of the fullest of n backends above the mean of 100 per backend, maximum of 5 seeds\n')
  console.log(`${row(['n', 'random', 'least-requests', 'ln ln n / ln 2'])}\n${row(['--:', '--:', '--:', '--:'])}`)
  const points: Choices[] = [10, 30, 100, 300, 1000, 3000, 10_000].map((n) => {
    const worst = (strategy: 'random' | 'least-requests') =>
      Math.max(...[1, 2, 3, 4, 5].map((seed) => excess(strategy, { n, perBackend: 100, seed })))
    return { n, random: worst('random'), two: worst('least-requests') }
  })
  for (const { n, random, two } of points) console.log(row([n, random, two, bound(n).toFixed(2)]))
  if (packages === null) return
  const title = `${mixedBackends.length} backends in virtual time`
  const pictures = {
    latency: latencies(rows, title),
    shares: shares(rows, mixedBackends, title),
    choices: choices(points),
  }
  console.log(`\n${(await draw(pictures, packages)).join('\n')}`)
}

async function real(packages: Packages | null): Promise<number> {
  const load = { rate: Number(values.rate), seconds: Number(values.seconds) }
  const { code, results } = await overSockets(console.log, { load, packages })
  if (packages === null) return code
  const pictures = Object.entries(results).flatMap(([name, rows]) => {
    const { behaviours } = scenarios[name as keyof typeof scenarios]
    const title = `${behaviours.length} backends over sockets`
    return [
      [`real-${name}-latency`, latencies(rows, title)],
      [`real-${name}-shares`, shares(rows, behaviours, title)],
    ]
  })
  console.log(`\n${(await draw(Object.fromEntries(pictures), packages)).join('\n')}`)
  return code
}

const packages = optionalPackages()
if (values.real) process.exitCode = await real(packages)
else await simulated(packages)
