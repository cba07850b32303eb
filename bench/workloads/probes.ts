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

export type ProbeName = keyof typeof probes

/** Dispatches timed at once: one alone is shorter than the clock is fine. */
const BATCH = 10
const BATCHES = 500

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
async function costOfSending(session: Session, batch: number): Promise<number> {
  const samples: number[] = []
  for (let i = 0; i < BATCHES; i++) {
    const { took, ended } = burst(session, batch)
    samples.push((took * 1e6) / batch)
    await ended
  }
  // The first half is the warm-up.
  return median(samples.slice(BATCHES >> 1))
}

/** All connections are open and idle. */
async function connections(given: Probed): Promise<number> {
  const session = await open(given, given.size)
  await burst(session, given.size).ended
  return costOfSending(session, Math.min(BATCH, given.size))
}

/** So many wait already, all in one turn of the event loop. */
async function queued(given: Probed): Promise<number> {
  const warmed = await open(given, 1)
  for (let i = 0; i < 20; i++) await burst(warmed, 200).ended
  await warmed.close()
  const session = await open(given, 1)
  await burst(session, 1).ended
  burst(session, given.size).ended.catch(() => {})
  const samples = Array.from({ length: 50 }, () => {
    const { took, ended } = burst(session, BATCH)
    ended.catch(() => {})
    return (took * 1e6) / BATCH
  })
  return median(samples)
}

/** Least resident memory over a while: what garbage there was is collected. */
async function resident(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 60))
    globalThis.gc?.()
    least = Math.min(least, process.memoryUsage.rss())
  }
  return least
}

async function idle(given: Probed): Promise<number> {
  const few = 10
  const session = await open(given, given.size + few)
  for (let i = 0; i < 100; i++) await burst(session, few).ended
  const before = await resident()
  await burst(session, given.size + few).ended
  return ((await resident()) - before) / given.size
}

/** The upstreams are in the setup, each with one connection. */
async function upstreams(given: Probed): Promise<number> {
  const session = await open(given, 1)
  for (let i = 0; i < 3; i++) await burst(session, given.size).ended
  return costOfSending(session, Math.min(BATCH, given.size))
}

export const probes = { connections, queued, idle, upstreams } satisfies Record<
  string,
  (given: Probed) => Promise<number>
>
