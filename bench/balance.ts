import { mkdirSync, writeFileSync } from 'node:fs'
import { picture } from './balance/picture.js'
import { failureProof } from './balance/real.js'
import { behaviours, type Contender, excess, percentile, simulate } from './balance/simulation.js'

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

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

function simulated(): void {
  const results = CONTENDERS.map((contender) => ({ name: nameOf(contender), result: simulate(contender) }))
  const bad = behaviours.slice(6).map(({ name }) => name)
  console.log(`100 clients, ${behaviours.length} backends, 60 s of virtual time, seed 1; latency in ms\n`)
  const titles = [
    'strategy',
    'requests',
    'success %',
    'p50',
    'p99',
    'p99.9',
    'healthy, each %',
    ...bad.map((one) => `${one} %`),
  ]
  console.log(`${row(titles)}\n${row(titles.map((_, index) => (index === 0 ? '---' : '--:')))}`)
  const percent = (part: number) => (part * 100).toFixed(1)
  for (const { name, result } of results) {
    const { latencies, shares } = result
    const times = [0.5, 0.99, 0.999].map((part) => percentile(latencies, part).toFixed(0))
    const healthy = shares.slice(0, 6).reduce((sum, share) => sum + share) / 6
    const success = (result.success * 100).toFixed(3)
    console.log(row([name, result.requests, success, ...times, percent(healthy), ...shares.slice(6).map(percent)]))
  }
  console.log('\nThe fullest of n backends beyond the mean, 100 requests each, the worst of 5 seeds\n')
  console.log(`${row(['n', 'random', 'least-requests', 'ln ln n / ln 2'])}\n${row(['--:', '--:', '--:', '--:'])}`)
  for (const n of [10, 100, 1000, 10_000]) {
    const worst = (strategy: 'random' | 'least-requests') =>
      Math.max(...[1, 2, 3, 4, 5].map((seed) => excess(strategy, { n, perBackend: 100, seed })))
    console.log(row([n, worst('random'), worst('least-requests'), (Math.log(Math.log(n)) / Math.LN2).toFixed(2)]))
  }
  mkdirSync('bench/results', { recursive: true })
  writeFileSync('bench/results/balance.svg', picture(results))
  console.log('\nbench/results/balance.svg')
}

if (process.argv.includes('--real')) process.exitCode = await failureProof(console.log)
else simulated()
