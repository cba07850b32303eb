import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cycle, Lasting } from './soak/cycle.js'
import { fetching, kinds } from './soak/dispatchers.js'
import { otherNodes } from './soak/nodes.js'
import type { Places } from './soak/origin.js'
import { seeded } from './soak/random.js'
import { type Memory, memory, type State, settled } from './soak/state.js'
import { slope, Tally } from './soak/tally.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    /** Seconds between two looks at what is left. */
    cycle: { type: 'string', default: '10' },
    /** Other Nodes whose `fetch` is driven, each for a fifth of the time: major versions, or `none`. */
    nodes: { type: 'string', default: '20,22,24,26' },
    /** Drive nothing but `fetch`. */
    'only-fetch': { type: 'boolean', default: false },
    /** Leave a listener behind in each cycle, to see that it is found out. */
    spoil: { type: 'boolean', default: false },
    /** Of all that is drawn: the same seed asks for the same things in the same order. */
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
})
const MINUTES = Number(values.minutes)
const SEED = Number(values.seed)
const CYCLE = Number(values.cycle) * 1000
/** Bytes that the heap may differ by: what V8 keeps of warm code and maps. */
const HEAP = 4_000_000
/** The same for all memory of the process, of which allocators give back what they like. */
const OWN = 64_000_000

/** How much smaller the share of answered requests may be at the end than at the start: else it was the load that ended. */
const SHARE = 0.9
/** The same of a run of few cycles, in which the share of each is chance in part. */
const FEW = { cycles: 12, share: 0.5 }

interface Mark {
  readonly sent: number
  readonly answered: number
  readonly memory: Memory
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

function line(seconds: number, tally: Tally, now: { state: State; memory: Memory }): string {
  const { heap, own } = now.memory
  const { files, parsers, alarms, listeners } = now.state
  return (
    `${(seconds / 60).toFixed(1).padStart(5)} min: ${tally.sent} requests, ${tally.answered} answered, ` +
    `${tally.failures} failed; heap ${mb(heap)}, own ${mb(own)}, ${now.state.handles}; ` +
    `files ${files}, parsers ${parsers}, alarms ${alarms}, listeners ${listeners}`
  )
}

/** The lowest of a few: what is not there in one of them is not kept. */
function lowest(marks: readonly Mark[]): Memory {
  const least = (of: keyof Memory) => Math.min(...marks.map((mark) => mark.memory[of]))
  return { heap: least('heap'), own: least('own'), buffers: least('buffers') }
}

function fewerAnswered(marks: readonly Mark[]): boolean {
  const half = marks[Math.floor(marks.length / 2)]
  const last = marks.at(-1)
  if (half === undefined || last === undefined || last === half) return false
  const share = marks.length < FEW.cycles ? FEW.share : SHARE
  const before = half.answered / half.sent
  return (last.answered - half.answered) / (last.sent - half.sent) < share * before
}

function report(tally: Tally, marks: readonly Mark[]): boolean {
  // It takes some requests until the engine has compiled what it will, and the allocators hold what they need.
  const warm = marks.slice(Math.floor(marks.length / 4))
  const few = Math.max(1, Math.min(5, Math.floor(warm.length / 3)))
  const [before, after] = [lowest(warm.slice(0, few)), lowest(warm.slice(-few))]
  const perMillion = (of: keyof Memory) => slope(warm.map(({ sent, memory }) => [sent / 1e6, memory[of]] as const))
  const failed = [...tally.failed].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`)
  console.log(`requests ${tally.sent}, answered ${tally.answered}, failed ${tally.failures}: ${failed.join(', ')}`)
  console.log(`dispatchers that served on every connection: ${tally.probes}`)
  for (const of of ['heap', 'own', 'buffers'] as const) {
    console.log(`${of}: ${mb(before[of])} -> ${mb(after[of])}, ${mb(perMillion(of))} per million requests`)
  }
  for (const [what, count] of tally.unexpected) console.log(`not expected, ${count} times: ${what}`)
  const grown = after.heap - before.heap > HEAP || after.buffers - before.buffers > HEAP || after.own - before.own > OWN
  if (grown) console.log('memory grew')
  const fewer = fewerAnswered(marks)
  if (fewer) console.log('fewer requests were answered as time went on')
  return tally.unexpected.size === 0 && !grown && !fewer && tally.sent === tally.answered + tally.failures
}

async function soak(places: Places, tally: Tally): Promise<Mark[]> {
  const lasting = new Lasting(places.plain[0] as string)
  const random = seeded(SEED)
  const onlyFetch = values['only-fetch']
  const all = kinds(places, random)
  const part = { kinds: onlyFetch ? fetching(all) : all, tally, lasting, random, onlyFetch }
  // Code and shapes become warm, and what is made once is made.
  await cycle({ ...part, ms: Math.max(3000, CYCLE / 2) })
  const start = await settled(lasting, null)
  const marks: Mark[] = []
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  let told = -Infinity
  let ends = true
  while (ends && seconds() < MINUTES * 60) {
    ends = await cycle({ ...part, ms: CYCLE })
    if (values.spoil) lasting.emitter.on('abort', () => {})
    const now = { state: await settled(lasting, start), memory: memory() }
    marks.push({ sent: tally.sent, answered: tally.answered, memory: now.memory })
    tally.checkUncaught()
    const [is, was] = [JSON.stringify(now.state), JSON.stringify(start)]
    if (is !== was) tally.complain(`left behind: ${is}, at the start ${was}`)
    if (seconds() - told < 60 && seconds() < MINUTES * 60) continue
    told = seconds()
    console.log(line(told, tally, now))
  }
  await lasting.pool.close()
  return marks
}

async function main(): Promise<number> {
  const tally = new Tally()
  process.on('unhandledRejection', (error) => tally.complain(`unhandled: ${(error as Error).stack}`))
  process.on('uncaughtException', (error) => tally.uncaught(error))
  process.on('warning', (warning) => tally.complain(`warning: ${warning.message}`))
  const origin = fork(fileURLToPath(new URL('soak/origin.js', import.meta.url)), [String(SEED)], { execArgv: [] })
  origin.once('exit', (code) => tally.complain(`the origin ended with ${code}`))
  const places = await new Promise<Places>((resolve) => origin.once('message', (message) => resolve(message as Places)))
  console.log(`node ${process.version}, ${MINUTES} minutes in cycles of ${CYCLE / 1000} s, seed ${SEED}`)
  const marks = await soak(places, tally).finally(() => origin.removeAllListeners('exit').disconnect())
  const good = report(tally, marks)
  console.log(good ? 'all as at the start' : 'not all is as it should be')
  const minutes = Math.max(MINUTES / 5, CYCLE / 60_000)
  const others = values['only-fetch']
    ? true
    : await otherNodes({ nodes: values.nodes, minutes, cycle: values.cycle, seed: SEED })
  return good && others ? 0 : 1
}

// What did not end must not keep the process.
process.exit(
  await main().catch((error) => {
    console.log(error)
    return 1
  }),
)
