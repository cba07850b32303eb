import { Session as Inspector } from 'node:inspector'
import { benchClientOf } from '../clients/all.js'
import type { Session, Setup } from '../harness/client-session.js'
import type { Packages } from '../harness/packages.js'
import { median } from '../harness/statistics.js'

/** Arguments of a probe: a client, and the size of which the measured quantity is a function. */
export interface ProbeArguments {
  client: string
  setup: Setup
  size: number
  packages: Packages
}

type Probe = (given: ProbeArguments) => Promise<number>

export type ProbeName = keyof typeof probes

/** Dispatches per timing: one alone is shorter than the resolution of the clock. */
const BATCH = 10
const BATCHES = 500
/** Warm-up batches until V8 has optimized the code. With a tenth of them, unoptimized code was measured. */
const WARM = 2000

async function open(given: ProbeArguments, connections: number): Promise<Session> {
  return benchClientOf(given.client).open({ ...given.setup, connections }, given.packages)
}

/** Sends `count` requests at once. Returns the time that elapsed in ms, and a promise that resolves when all have completed. */
function burst(session: Session, count: number): { elapsed: number; completed: Promise<void> } {
  let end: () => void = () => {}
  let fail: (error: Error) => void = () => {}
  const completed = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  let left = count
  const done = (error: Error | null): void => {
    if (error !== null) fail(error)
    else if (--left === 0) end()
  }
  const started = performance.now()
  for (let i = 0; i < count; i++) session.send(done)
  return { elapsed: performance.now() - started, completed }
}

/** Returns the median ns of one `send`. All connections are idle before each burst. */
async function sendTime(session: Session, batch: number): Promise<number> {
  const samples: number[] = []
  for (let i = 0; i < WARM + BATCHES; i++) {
    const { elapsed, completed } = burst(session, batch)
    if (i >= WARM) samples.push((elapsed * 1e6) / batch)
    await completed
  }
  return median(samples)
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Returns the CPU time in µs of one request, from `send` to its completion, in bursts. */
async function requestCpuTime(session: Session, batch: number): Promise<number> {
  const bursts = Math.max(1, Math.round((BATCH * BATCHES) / batch))
  for (let i = 0; i < bursts; i++) await burst(session, batch).completed
  const before = cpuTime()
  for (let i = 0; i < bursts; i++) await burst(session, batch).completed
  return (cpuTime() - before) / (bursts * batch)
}

type Measurement = (session: Session, batch: number) => Promise<number>

/** Measures with `size` open, idle connections. */
function overConnections(measure: Measurement): Probe {
  return async (given) => {
    const session = await open(given, given.size)
    await burst(session, given.size).completed
    return measure(session, Math.min(BATCH, given.size))
  }
}

/** Measures with `size` upstreams, each with one connection. */
function overUpstreams(measure: Measurement): Probe {
  return async (given) => {
    const session = await open(given, 1)
    for (let i = 0; i < 3; i++) await burst(session, given.size).completed
    return measure(session, Math.min(BATCH, given.size))
  }
}

/** Opens a session with one connection, and runs requests until the code is optimized. */
async function openWarm(given: ProbeArguments): Promise<Session> {
  const session = await open(given, 1)
  for (let i = 0; i < 20; i++) await burst(session, 200).completed
  return session
}

/** Measures `send` while `size` requests are queued, within one event-loop turn. */
async function queued(given: ProbeArguments): Promise<number> {
  const session = await openWarm(given)
  burst(session, given.size).completed.catch(() => {})
  const samples = Array.from({ length: 50 }, () => {
    const { elapsed, completed } = burst(session, BATCH)
    completed.catch(() => {})
    return (elapsed * 1e6) / BATCH
  })
  return median(samples)
}

/** Measures the CPU time per request while a queue of `size` requests is processed. */
async function drained(given: ProbeArguments): Promise<number> {
  const session = await openWarm(given)
  const sampleCount = BATCH * BATCHES
  if (given.size <= sampleCount) return requestCpuTime(session, given.size)
  let answered = 0
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => {
      if (error !== null) reject(error)
      else if (++answered === sampleCount) resolve((cpuTime() - before) / sampleCount)
    }
    for (let i = 0; i < given.size; i++) session.send(done)
    const before = cpuTime()
  })
}

/** Collects all garbage and returns free pages to the system, as V8 does when memory is short. */
function collectGarbage(inspector: Inspector): Promise<void> {
  return new Promise((resolve) => inspector.post('HeapProfiler.collectGarbage', () => resolve()))
}

/** Returns the minimum resident memory of five samples. */
async function minResidentMemory(inspector: Inspector): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 40))
    await collectGarbage(inspector)
    least = Math.min(least, process.memoryUsage.rss())
  }
  return least
}

/** Measures the memory of each connection after the first 1000, which include costs that the process has once. */
async function idle(given: ProbeArguments): Promise<number> {
  const first = Math.min(1000, given.size)
  const session = await open(given, given.size + first)
  const inspector = new Inspector()
  inspector.connect()
  for (let i = 0; i < BATCHES; i++) await burst(session, BATCH).completed
  await burst(session, first).completed
  const before = await minResidentMemory(inspector)
  await burst(session, given.size + first).completed
  const after = await minResidentMemory(inspector)
  inspector.disconnect()
  return (after - before) / given.size
}

export const probes = {
  connections: overConnections(sendTime),
  'connections-cpu': overConnections(requestCpuTime),
  queued,
  drained,
  idle,
  upstreams: overUpstreams(sendTime),
  'upstreams-cpu': overUpstreams(requestCpuTime),
} satisfies Record<string, Probe>
