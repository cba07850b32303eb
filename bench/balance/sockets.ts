import { loadavg } from 'node:os'
import type { Packages } from '../harness/packages.js'
import { type Affinity, affinity, start } from '../harness/processes.js'
import { HEALTHY, type Scenario, type ScenarioName, scenarios } from './behaviours.js'
import type { ClientResult } from './client-process.js'
import { balanceClients, REQUIRED } from './clients.js'
import { table } from './table.js'

export interface Measured {
  name: string
  requests: number
  failed: number
  /** Fraction of the requests that succeeded. */
  success: number
  /** Latencies of all requests in ms, failed ones included. */
  latencies: Float64Array
  /** Fraction of the attempts that each backend received. */
  shares: number[]
  /** Maximum start delay of a request in ms. */
  late: number
}

export interface Load {
  /** Requests per second. */
  rate: number
  seconds: number
  /** Names of clients. Default: all. */
  only?: readonly string[]
}

/** Measures each client in its own process, one after the other. The backends run in another process. */
export async function measure(
  scenario: ScenarioName,
  load: Load,
  { affinity: cores, packages }: { affinity: Affinity; packages: Packages | null },
): Promise<Measured[]> {
  const { timeout }: Scenario = scenarios[scenario]
  const origin = start({ program: 'balance/backend-process.js', role: 'origin', affinity: cores })
  try {
    const urls = await origin.channel.call<string[]>('open', scenario)
    const results: Measured[] = []
    for (const { name, role } of balanceClients) {
      if (load.only?.includes(name) === false || (role === 'peer' && packages === null)) continue
      const client = start({ program: 'balance/client-process.js', role: 'client', affinity: cores })
      const { rate, seconds } = load
      await origin.channel.call('begin')
      const task = { client: name, urls, timeout, folder: packages?.folder ?? null, rate, seconds }
      const result = await client.channel.call<ClientResult>('run', task).finally(() => client.close())
      const counts = await origin.channel.call<number[]>('counts')
      results.push(measured(name, result, counts))
    }
    return results
  } finally {
    await origin.close()
  }
}

function measured(name: string, result: ClientResult, counts: readonly number[]): Measured {
  const { requests, failed, latencies, refused, late } = result
  const attempts = counts.map((count, index) => count + (refused[index] as number))
  const all = attempts.reduce((sum, count) => sum + count, 0)
  return {
    name,
    requests,
    failed,
    success: 1 - failed / requests,
    latencies: Float64Array.from(latencies),
    shares: attempts.map((count) => count / all),
    late,
  }
}

/** Checks {@link REQUIRED}: p99 at most a fifth of plain round robin's, and at most one failure in 10 000 requests. */
export function checkRequirement(results: readonly Measured[]): { ratio: number; met: boolean } {
  const [plain, required] = [results[0], results.find(({ name }) => name === REQUIRED)] as [Measured, Measured]
  const p99 = ({ latencies }: Measured) => latencies[Math.floor(latencies.length * 0.99)] as number
  const ratio = p99(required) / p99(plain)
  return { ratio, met: ratio <= 1 / 5 && required.success >= 0.9999 }
}

/** Length in seconds of the scenario `mixed`. */
const MINUTE = 60

/** Measures all scenarios and prints them. Returns code 1 if {@link REQUIRED} fails its check. */
export async function overSockets(
  print: (line: string) => void,
  { load, packages }: { load: Load; packages: Packages | null },
): Promise<{ code: number; results: Record<ScenarioName, Measured[]> }> {
  const cores = await affinity()
  const before = loadavg()[0] as number
  print(`node ${process.version}; ${cores.note}; load average ${before.toFixed(1)}`)
  print(`${load.rate} requests/s at fixed times, ${load.seconds} s each, latency in ms of all, failed ones included\n`)
  const failures = await measure('failures', load, { affinity: cores, packages })
  print('3 backends: one takes 500 ms instead of 5, one refuses connections, one cuts off each 100th response\n')
  print(table(failures, scenarios.failures.behaviours, 0))
  const { ratio, met } = checkRequirement(failures)
  print(
    `\np99 of ${REQUIRED}: ${ratio.toFixed(3)} of plain round robin's; ${met ? 'meets' : 'FAILS'} the requirement (at most 0.2, 99.99 % answered)\n`,
  )
  const late = (results: readonly Measured[]) => Math.max(...results.map((one) => one.late)).toFixed(0)
  print(`requests started at most ${late(failures)} ms late; more than a timeout means that the machine was too busy\n`)
  const short = { ...load, seconds: Math.min(load.seconds, MINUTE / scenarios.mixed.pace) }
  const mixed = await measure('mixed', short, { affinity: cores, packages })
  print(
    `${short.seconds} s, 10 backends: ${HEALTHY} healthy, one 20 times slower, one flapping, one dead, one that recovers slowly\n`,
  )
  print(table(mixed, scenarios.mixed.behaviours, HEALTHY))
  print(`\nrequests started at most ${late(mixed)} ms late; load average at the end ${loadavg()[0]?.toFixed(1)}`)
  return { code: met ? 0 : 1, results: { failures, mixed } }
}
