import { Session as Inspector } from 'node:inspector'
import { contenderOf } from '../contenders/all.js'
import type { Packages } from '../harness/packages.js'
import type { Session, Setup } from '../harness/session.js'
import { median } from '../harness/statistics.js'

/** What a probe is given: a contender, and the size that its quantity is a function of. */
export interface Probed {
  contender: string
  setup: Setup
  size: number
  packages: Packages
}

type Probe = (given: Probed) => Promise<number>

export type ProbeName = keyof typeof probes

/** Dispatches timed at once: one alone is shorter than the clock is fine. */
const BATCH = 10
const BATCHES = 500
/** Batches until V8 has compiled what it will: with a tenth of them, code on its way there is what was timed. */
const WARM = 2000

async function open(given: Probed, connections: number): Promise<Session> {
  return contenderOf(given.contender).open({ ...given.setup, connections }, given.packages)
}

/** Sends so many at once; the time that took, ms, and the end of all. */
function burst(session: Session, count: number): { took: number; ended: Promise<void> } {
  let end: () => void = () => {}
  let fail: (error: Error) => void = () => {}
  const ended = new Promise<void>((resolve, reject) => {
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
  return { took: performance.now() - started, ended }
}

/** Median ns of one `send`, in bursts that all connections are idle before. */
async function nsOfSending(session: Session, batch: number): Promise<number> {
  const samples: number[] = []
  for (let i = 0; i < WARM + BATCHES; i++) {
    const { took, ended } = burst(session, batch)
    if (i >= WARM) samples.push((took * 1e6) / batch)
    await ended
  }
  return median(samples)
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** µs of CPU time of one request, from `send` to its end, in bursts too. */
async function cpuOfRequests(session: Session, batch: number): Promise<number> {
  const bursts = Math.max(1, Math.round((BATCH * BATCHES) / batch))
  for (let i = 0; i < bursts; i++) await burst(session, batch).ended
  const before = cpuTime()
  for (let i = 0; i < bursts; i++) await burst(session, batch).ended
  return (cpuTime() - before) / (bursts * batch)
}

type Cost = (session: Session, batch: number) => Promise<number>

/** All connections are open and idle. */
function overConnections(cost: Cost): Probe {
  return async (given) => {
    const session = await open(given, given.size)
    await burst(session, given.size).ended
    return cost(session, Math.min(BATCH, given.size))
  }
}

/** The upstreams are in the setup, each with one connection. */
function overUpstreams(cost: Cost): Probe {
  return async (given) => {
    const session = await open(given, 1)
    for (let i = 0; i < 3; i++) await burst(session, given.size).ended
    return cost(session, Math.min(BATCH, given.size))
  }
}

/** One connection, and code that has run before. */
async function warmed(given: Probed): Promise<Session> {
  const session = await open(given, 1)
  for (let i = 0; i < 20; i++) await burst(session, 200).ended
  return session
}

/** So many wait already, all in one turn of the event loop. */
async function queued(given: Probed): Promise<number> {
  const session = await warmed(given)
  burst(session, given.size).ended.catch(() => {})
  const samples = Array.from({ length: 50 }, () => {
    const { took, ended } = burst(session, BATCH)
    ended.catch(() => {})
    return (took * 1e6) / BATCH
  })
  return median(samples)
}

/** So many wait, and some of them are answered. */
async function drained(given: Probed): Promise<number> {
  const session = await warmed(given)
  const wanted = BATCH * BATCHES
  if (given.size <= wanted) return cpuOfRequests(session, given.size)
  let answered = 0
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => {
      if (error !== null) reject(error)
      else if (++answered === wanted) resolve((cpuTime() - before) / wanted)
    }
    for (let i = 0; i < given.size; i++) session.send(done)
    const before = cpuTime()
  })
}

/** Lets go of all that is not held: as V8 does by itself when memory is short, with holes closed and pages given back. */
function collect(inspector: Inspector): Promise<void> {
  return new Promise((resolve) => inspector.post('HeapProfiler.collectGarbage', () => resolve()))
}

/** Least resident memory over a while. */
async function resident(inspector: Inspector): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 40))
    await collect(inspector)
    least = Math.min(least, process.memoryUsage.rss())
  }
  return least
}

/** What each connection adds beyond the first: these pay for what the process has but once. */
async function idle(given: Probed): Promise<number> {
  const first = Math.min(1000, given.size)
  const session = await open(given, given.size + first)
  const inspector = new Inspector()
  inspector.connect()
  for (let i = 0; i < BATCHES; i++) await burst(session, BATCH).ended
  await burst(session, first).ended
  const before = await resident(inspector)
  await burst(session, given.size + first).ended
  const after = await resident(inspector)
  inspector.disconnect()
  return (after - before) / given.size
}

export const probes = {
  connections: overConnections(nsOfSending),
  'connections-cpu': overConnections(cpuOfRequests),
  queued,
  drained,
  idle,
  upstreams: overUpstreams(nsOfSending),
  'upstreams-cpu': overUpstreams(cpuOfRequests),
} satisfies Record<string, Probe>
