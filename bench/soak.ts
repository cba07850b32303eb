import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cycle, LongLivedObjects } from './soak/cycle.js'
import { fetchKinds, kinds } from './soak/dispatchers.js'
import { otherNodes } from './soak/nodes.js'
import type { Addresses } from './soak/origin.js'
import { SoakResults, slope } from './soak/results.js'
import { seeded } from './soak/seeded-random.js'
import { type Memory, memory, type State, settledState } from './soak/state.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    /** Length of a cycle in seconds. State is compared after each. */
    cycle: { type: 'string', default: '10' },
    /** Other Node versions whose `fetch` is tested, each for a fifth of the time: major versions, or `none`. */
    nodes: { type: 'string', default: '20,22,24,26' },
    /** Runs only operations of `fetch`. */
    'only-fetch': { type: 'boolean', default: false },
    /** Leaks a listener in each cycle, to show that it is noticed. */
    spoil: { type: 'boolean', default: false },
    /** Seed of the random choices. The same seed repeats the same operations in the same order. */
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
})
const MINUTES = Number(values.minutes)
const SEED = Number(values.seed)
const CYCLE = Number(values.cycle) * 1000
/** Bytes by which the heap may grow: V8 keeps optimized code and maps. */
const MAX_HEAP_GROWTH = 4_000_000
/** Bytes by which all memory of the process may grow: allocators return memory to the system as they choose. */
const MAX_PROCESS_GROWTH = 64_000_000

/** Minimum success rate in the second half, relative to the first half. Otherwise the load has stopped working. */
const MIN_SUCCESS = 0.9
/** Lower minimum for short runs, whose success rate varies by chance. */
const SHORT_RUN = { cycles: 12, minSuccess: 0.5 }

interface Sample {
  readonly sent: number
  readonly answered: number
  readonly memory: Memory
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

function line(seconds: number, results: SoakResults, now: { state: State; memory: Memory }): string {
  const { heap, own } = now.memory
  const { files, parsers, alarms, listeners } = now.state
  return (
    `${(seconds / 60).toFixed(1).padStart(5)} min: ${results.sent} requests, ${results.answered} answered, ` +
    `${results.failures} failed; heap ${mb(heap)}, own ${mb(own)}, ${now.state.handles}; ` +
    `files ${files}, parsers ${parsers}, alarms ${alarms}, listeners ${listeners}`
  )
}

/** Returns the minimum of several samples: memory that is absent in one of them is not leaked. */
function minimum(samples: readonly Sample[]): Memory {
  const least = (of: keyof Memory) => Math.min(...samples.map((sample) => sample.memory[of]))
  return { heap: least('heap'), own: least('own'), buffers: least('buffers') }
}

function fewerAnswered(samples: readonly Sample[]): boolean {
  const half = samples[Math.floor(samples.length / 2)]
  const last = samples.at(-1)
  if (half === undefined || last === undefined || last === half) return false
  const minSuccess = samples.length < SHORT_RUN.cycles ? SHORT_RUN.minSuccess : MIN_SUCCESS
  const before = half.answered / half.sent
  return (last.answered - half.answered) / (last.sent - half.sent) < minSuccess * before
}

function report(results: SoakResults, samples: readonly Sample[]): boolean {
  // The first quarter is warm-up: V8 optimizes code, and allocators grow.
  const warm = samples.slice(Math.floor(samples.length / 4))
  const count = Math.max(1, Math.min(5, Math.floor(warm.length / 3)))
  const [before, after] = [minimum(warm.slice(0, count)), minimum(warm.slice(-count))]
  const perMillion = (of: keyof Memory) => slope(warm.map(({ sent, memory }) => [sent / 1e6, memory[of]] as const))
  const failed = [...results.failed].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`)
  console.log(
    `requests ${results.sent}, answered ${results.answered}, failed ${results.failures}: ${failed.join(', ')}`,
  )
  console.log(`dispatchers that served a request on every connection: ${results.probes}`)
  for (const of of ['heap', 'own', 'buffers'] as const) {
    console.log(`${of}: ${mb(before[of])} -> ${mb(after[of])}, ${mb(perMillion(of))} per million requests`)
  }
  for (const [problem, count] of results.unexpected) console.log(`UNEXPECTED, ${count} times: ${problem}`)
  const grown =
    after.heap - before.heap > MAX_HEAP_GROWTH ||
    after.buffers - before.buffers > MAX_HEAP_GROWTH ||
    after.own - before.own > MAX_PROCESS_GROWTH
  if (grown) console.log('FAILED memory grew')
  const fewer = fewerAnswered(samples)
  if (fewer) console.log('FAILED the success rate fell over time')
  return results.unexpected.size === 0 && !grown && !fewer && results.sent === results.answered + results.failures
}

async function soak(addresses: Addresses, results: SoakResults): Promise<Sample[]> {
  const longLived = new LongLivedObjects(addresses.plain[0] as string)
  const random = seeded(SEED)
  const onlyFetch = values['only-fetch']
  const all = kinds(addresses, random)
  const part = { kinds: onlyFetch ? fetchKinds(all) : all, results, longLived, random, onlyFetch }
  // Warm-up: V8 optimizes code, and objects that exist once are created.
  await cycle({ ...part, ms: Math.max(3000, CYCLE / 2) })
  const start = await settledState(longLived, null)
  const samples: Sample[] = []
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  let lastPrinted = -Infinity
  let finished = true
  while (finished && seconds() < MINUTES * 60) {
    finished = await cycle({ ...part, ms: CYCLE })
    if (values.spoil) longLived.emitter.on('abort', () => {})
    const now = { state: await settledState(longLived, start), memory: memory() }
    samples.push({ sent: results.sent, answered: results.answered, memory: now.memory })
    results.checkUncaught()
    const [current, first] = [JSON.stringify(now.state), JSON.stringify(start)]
    if (current !== first) results.addProblem(`state differs from the start: ${current}, at the start ${first}`)
    if (seconds() - lastPrinted < 60 && seconds() < MINUTES * 60) continue
    lastPrinted = seconds()
    console.log(line(lastPrinted, results, now))
  }
  await longLived.pool.close()
  return samples
}

async function main(): Promise<number> {
  const results = new SoakResults()
  process.on('unhandledRejection', (error) => results.addProblem(`unhandled: ${(error as Error).stack}`))
  process.on('uncaughtException', (error) => results.uncaught(error))
  process.on('warning', (warning) => results.addProblem(`warning: ${warning.message}`))
  const origin = fork(fileURLToPath(new URL('soak/origin.js', import.meta.url)), [String(SEED)], { execArgv: [] })
  origin.once('exit', (code) => results.addProblem(`the origin process exited with code ${code}`))
  const addresses = await new Promise<Addresses>((resolve) =>
    origin.once('message', (message) => resolve(message as Addresses)),
  )
  console.log(`node ${process.version}, ${MINUTES} minutes in cycles of ${CYCLE / 1000} s, seed ${SEED}`)
  const samples = await soak(addresses, results).finally(() => origin.removeAllListeners('exit').disconnect())
  const good = report(results, samples)
  console.log(good ? 'PASSED: state and memory are as at the start' : 'FAILED: see the lines above')
  const minutes = Math.max(MINUTES / 5, CYCLE / 60_000)
  const others = values['only-fetch']
    ? true
    : await otherNodes({ nodes: values.nodes, minutes, cycle: values.cycle, seed: SEED })
  return good && others ? 0 : 1
}

// Requests that never completed must not keep the process alive.
process.exit(
  await main().catch((error) => {
    console.log(error)
    return 1
  }),
)
