import { loadavg } from 'node:os'
import type { Packages } from '../harness/packages.js'
import { type Affinity, affinity, start } from '../harness/processes.js'
import { type Scenario, type ScenarioName, scenarios, WELL } from './behaviours.js'
import type { Told } from './client.js'
import { contenders, PROMISED } from './contenders.js'
import { table } from './table.js'

export interface Measured {
  name: string
  requests: number
  failed: number
  /** Part of the requests that ended well. */
  success: number
  /** ms, of all requests, those that failed included. */
  latencies: Float64Array
  /** Part of the tries that each backend had. */
  shares: number[]
  /** ms by which the start of a request was late at most. */
  late: number
}

export interface Load {
  /** Requests per second. */
  rate: number
  seconds: number
  /** Names of contenders. Default: all. */
  only?: readonly string[]
}

/** Each contender a process of its own, one after the other, before backends in another. */
export async function measure(
  scenario: ScenarioName,
  load: Load,
  { bound, packages }: { bound: Affinity; packages: Packages | null },
): Promise<Measured[]> {
  const { patience }: Scenario = scenarios[scenario]
  const origin = start({ program: 'balance/backends.js', place: 'origin', affinity: bound })
  try {
    const urls = await origin.channel.ask<string[]>('open', scenario)
    const results: Measured[] = []
    for (const { name, role } of contenders) {
      if (load.only?.includes(name) === false || (role === 'peer' && packages === null)) continue
      const client = start({ program: 'balance/client.js', place: 'contender', affinity: bound })
      const { rate, seconds } = load
      await origin.channel.ask('begin')
      const task = { contender: name, urls, patience, folder: packages?.folder ?? null, rate, seconds }
      const told = await client.channel.ask<Told>('run', task).finally(() => client.close())
      const counts = await origin.channel.ask<number[]>('counts')
      results.push(measured(name, told, counts))
    }
    return results
  } finally {
    await origin.close()
  }
}

function measured(name: string, told: Told, counts: readonly number[]): Measured {
  const { requests, failed, latencies, refused, late } = told
  const tries = counts.map((count, index) => count + (refused[index] as number))
  const all = tries.reduce((sum, count) => sum + count, 0)
  return {
    name,
    requests,
    failed,
    success: 1 - failed / requests,
    latencies: Float64Array.from(latencies),
    shares: tries.map((count) => count / all),
    late,
  }
}

/** What was promised of these: p99 a fifth of plain round robin's, and all but one in 10 000 answered. */
export function kept(results: readonly Measured[]): { ratio: number; kept: boolean } {
  const [plain, promised] = [results[0], results.find(({ name }) => name === PROMISED)] as [Measured, Measured]
  const p99 = ({ latencies }: Measured) => latencies[Math.floor(latencies.length * 0.99)] as number
  const ratio = p99(promised) / p99(plain)
  return { ratio, kept: ratio <= 1 / 5 && promised.success >= 0.9999 }
}

/** Seconds that the behaviours of the field take. */
const MINUTE = 60

/** Prints what was measured; 1 when it is worse than was promised. */
export async function overSockets(
  print: (line: string) => void,
  { load, packages }: { load: Load; packages: Packages | null },
): Promise<{ code: number; results: Record<ScenarioName, Measured[]> }> {
  const bound = await affinity()
  const before = loadavg()[0] as number
  print(`node ${process.version}; ${bound.note}; load average at the start ${before.toFixed(1)}`)
  print(`${load.rate} requests/s at fixed times, ${load.seconds} s each, latency in ms of all, failed ones included\n`)
  const failures = await measure('failures', load, { bound, packages })
  print('3 backends: one takes 500 ms instead of 5, one refuses, one breaks off each 100th response in the midst\n')
  print(table(failures, scenarios.failures.behaviours, 0))
  const { ratio, kept: good } = kept(failures)
  print(`\np99 of ${PROMISED}: ${ratio.toFixed(3)} of plain round robin's, which is ${good ? '' : 'not '}as promised\n`)
  const late = (results: readonly Measured[]) => Math.max(...results.map((one) => one.late)).toFixed(0)
  print(`requests started ${late(failures)} ms late at most: what is more than a timeout is the machine's doing\n`)
  const short = { ...load, seconds: Math.min(load.seconds, MINUTE / scenarios.field.pace) }
  const field = await measure('field', short, { bound, packages })
  print(
    `${short.seconds} s, 10 backends: ${WELL} well, one 20 times slower, one flapping, one dead, one that recovers slowly\n`,
  )
  print(table(field, scenarios.field.behaviours, WELL))
  print(`\nrequests started ${late(field)} ms late at most; load average at the end ${loadavg()[0]?.toFixed(1)}`)
  return { code: good ? 0 : 1, results: { failures, field } }
}
