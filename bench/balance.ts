import { parseArgs } from 'node:util'
import { field, scenarios, WELL } from './balance/behaviours.js'
import { bound, type Choices, choices, draw, latencies, shares } from './balance/picture.js'
import { overSockets } from './balance/real.js'
import { type Contender, excess, type Result, simulate } from './balance/simulation.js'
import { row, table } from './balance/table.js'
import { install, type Packages } from './harness/packages.js'

const { values } = parseArgs({
  options: {
    /** Over sockets, with undici beside. */
    real: { type: 'boolean', default: false },
    rate: { type: 'string', default: '800' },
    /** For each contender; where backends change with time, no longer than that takes. */
    seconds: { type: 'string', default: '12.5' },
  },
})

/** The strategies over backends that are slow, flap, are dead or recover; `--real`: over sockets. */
const CONTENDERS: Contender[] = [
  { strategy: 'random', outliers: false, retries: 0 },
  { strategy: 'round-robin', outliers: false, retries: 0 },
  { strategy: 'least-requests', outliers: false, retries: 0 },
  { strategy: 'peak-ewma', outliers: false, retries: 0 },
  { strategy: 'round-robin', outliers: true, retries: 2 },
  { strategy: 'least-requests', outliers: true, retries: 2 },
  { strategy: 'peak-ewma', outliers: true, retries: 2 },
]

function nameOf({ strategy, outliers, retries }: Contender): string {
  return `${strategy}${outliers ? ', outliers' : ''}${retries > 0 ? ', retry' : ''}`
}

/** Undici and the pictures; the figures of sluice can be had without. */
function contenders(): Packages | null {
  try {
    return install()
  } catch (error) {
    console.log(`without undici and pictures: ${(error as Error).message}\n`)
    return null
  }
}

async function simulated(packages: Packages | null): Promise<void> {
  const rows = CONTENDERS.map((contender) => {
    const result: Result = simulate(contender)
    return { name: nameOf(contender), ...result }
  })
  console.log(`100 clients, ${field.length} backends, 60 s of virtual time, seed 1; latency in ms\n`)
  console.log(table(rows, field, WELL))
  console.log('\nThe fullest of n backends beyond the mean, 100 requests each, the worst of 5 seeds\n')
  console.log(`${row(['n', 'random', 'least-requests', 'ln ln n / ln 2'])}\n${row(['--:', '--:', '--:', '--:'])}`)
  const points: Choices[] = [10, 30, 100, 300, 1000, 3000, 10_000].map((n) => {
    const worst = (strategy: 'random' | 'least-requests') =>
      Math.max(...[1, 2, 3, 4, 5].map((seed) => excess(strategy, { n, perBackend: 100, seed })))
    return { n, random: worst('random'), two: worst('least-requests') }
  })
  for (const { n, random, two } of points) console.log(row([n, random, two, bound(n).toFixed(2)]))
  if (packages === null) return
  const title = `${field.length} backends in virtual time`
  const pictures = { latency: latencies(rows, title), shares: shares(rows, field, title), choices: choices(points) }
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

const packages = contenders()
if (values.real) process.exitCode = await real(packages)
else await simulated(packages)
