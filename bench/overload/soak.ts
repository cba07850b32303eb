import { type DispatchHandler, Pool, type PoolOptions } from '../../lib/index.js'
import { arrivals } from '../harness/arrivals.js'
import { closedLoop } from '../harness/closed-loop.js'
import type { Session } from '../harness/session.js'
import { Waits } from './waits.js'

/** How many the origin serves at once: the pool has as many connections. */
export const CONCURRENCY = 20
/** ms for each. */
export const SERVICE = 50
/** Arrivals beside what the origin can do. */
export const FACTOR = 3
/** Both act: in that time more arrive than may wait. */
export const LIMITS = { maxQueued: 150, timeouts: { queue: 250 } }
/** ms: a deadline is rounded up, so is the timer of the clock, and all that is due in one ms is done in turn. */
export const CLOCK = 3
/** ms between two looks at the queue. */
const TICK = 5

export interface Outcome {
  sent: number
  answered: number
  /** By code. */
  failed: Record<string, number>
  /** Requests per second that the origin could do, as measured before each slice. */
  capacity: number
  /** Answers, in parts of what it could do meanwhile. */
  goodput: number
  /** ms that requests waited for a connection, those that gave up included. */
  wait: { p50: number; p99: number; max: number }
  /** ms until a timer of Node, and one poll of its sockets, that was set with each request let in: p99. */
  timers: number
  /** Most requests that waited at once. */
  queued: number
  /** Bytes of the heap after a collection, at intervals. */
  heap: number[]
}

const get = { path: '/', method: 'GET' } as const

/** A session of requests that tell how long they waited. */
function session(
  pool: Pool,
  told: { came(): NodeJS.Timeout | undefined; wait(ms: number): void; failed(code: string): void },
): Session {
  return {
    send(done) {
      const timer = told.came()
      const started = performance.now()
      let waiting = true
      const left = () => {
        if (waiting) told.wait(performance.now() - started)
        waiting = false
      }
      let status = 0
      const handler: DispatchHandler = {
        onRequestStart: left,
        onResponseStart: (_controller, statusCode) => {
          status = statusCode
        },
        onResponseEnd: () => done(status === 200 ? null : new Error(`status ${status}`)),
        onResponseError: (_controller, error) => {
          const { code = error.message } = error as NodeJS.ErrnoException
          // One that was never let in did not wait.
          if (code === 'SLUICE_ERR_QUEUE_FULL') clearTimeout(timer)
          else left()
          told.failed(code)
          done(error)
        },
      }
      pool.dispatch(get, handler)
    },
    close: () => pool.close(),
  }
}

const unrecorded = { recordValue() {} } as never

/** Requests per second when just all connections are busy. */
async function capacity(url: string, seconds: number): Promise<number> {
  const pool = new Pool(url, { connections: CONCURRENCY })
  const round = await closedLoop(
    session(pool, { came: () => undefined, wait() {}, failed() {} }),
    // One waits for each that is under way: no connection is ever idle.
    { width: 2 * CONCURRENCY, warm: 0.3, seconds, histogram: unrecorded },
  )
  await pool.close()
  return round.requests / round.seconds
}

/** One pool under more than its origin can do. */
export class Overload {
  readonly #url: string
  readonly #pool: Pool
  /** ms */
  readonly #limit: number
  readonly #waits = new Waits()
  readonly #timers = new Waits()
  readonly #heap: number[] = []
  readonly #failed: Record<string, number> = {}
  #sent = 0
  #answered = 0
  #seconds = 0
  #possible = 0
  #queued = 0

  constructor(url: string, options: PoolOptions) {
    this.#url = url
    this.#pool = new Pool(url, { connections: CONCURRENCY, ...options })
    this.#limit = options.timeouts?.queue ?? 0
  }

  /** Measures what the origin can do now, and asks for more than that; `samples`: looks at the heap. */
  async slice({ seconds, samples }: { seconds: number; samples: number }): Promise<void> {
    const known = await capacity(this.#url, Math.min(3, seconds / 2))
    const look = setInterval(() => {
      this.#queued = Math.max(this.#queued, this.#pool.stats.queued)
    }, TICK)
    const collect = () => {
      globalThis.gc?.()
      this.#heap.push(process.memoryUsage().heapUsed)
    }
    const collector = setInterval(collect, (seconds * 1000) / (samples + 1))
    const told = {
      came: () => {
        const started = performance.now()
        // What arrived meanwhile is read first: a deadline that has come waits for one more poll of the sockets.
        const record = () => this.#timers.record(performance.now() - started)
        return setTimeout(() => setImmediate(record), this.#limit + CLOCK)
      },
      wait: (ms: number) => this.#waits.record(ms),
      failed: (code: string) => {
        this.#failed[code] = (this.#failed[code] ?? 0) + 1
      },
    }
    const rest = { warm: 0, seconds, histogram: unrecorded, onFailure: () => {} }
    const arrived = await arrivals(session(this.#pool, told), { rate: FACTOR * known, ...rest })
    clearInterval(look)
    clearInterval(collector)
    this.#sent += arrived.requests
    this.#answered += arrived.requests - arrived.failures
    this.#seconds += arrived.seconds
    this.#possible += known * arrived.seconds
  }

  async close(): Promise<Outcome> {
    await this.#pool.close()
    const [p50, p99, max] = [0.5, 0.99, 1].map((part) => this.#waits.percentile(part)) as [number, number, number]
    return {
      sent: this.#sent,
      answered: this.#answered,
      failed: this.#failed,
      capacity: this.#possible / this.#seconds,
      goodput: this.#answered / this.#possible,
      wait: { p50, p99, max },
      timers: this.#timers.percentile(0.99),
      queued: this.#queued,
      heap: this.#heap,
    }
  }
}

/** Bytes by which the least of the last third is more than that of the first. */
export function growth(heap: readonly number[]): number {
  const third = Math.max(1, Math.floor(heap.length / 3))
  return Math.min(...heap.slice(-third)) - Math.min(...heap.slice(0, third))
}

/** Bytes that the heap may differ by: what V8 keeps of warm code and maps. */
const HEAP = 1_000_000

/** What is not as it should be; `least`: the goodput that must be. */
export function complaints(outcome: Outcome, least: number): string[] {
  const { sent, answered, failed, goodput, wait, timers, queued, heap } = outcome
  const { SLUICE_ERR_QUEUE_FULL: full = 0, SLUICE_ERR_QUEUE_TIMEOUT: late = 0, ...others } = failed
  const all: [boolean, string][] = [
    [goodput >= least, `goodput is ${goodput.toFixed(3)} of the capacity`],
    [wait.p99 <= timers, `p99 of the wait is ${wait.p99} ms, more than ${timers}`],
    [queued <= LIMITS.maxQueued, `${queued} waited at once`],
    [growth(heap) <= HEAP, `the heap grew by ${growth(heap)} bytes`],
    [full > 0 && late > 0, 'one of the limits was never met'],
    [sent === answered + full + late, `of ${sent} requests other things became: ${JSON.stringify(others)}`],
  ]
  return all.flatMap(([good, what]) => (good ? [] : [what]))
}
