import { type DispatchHandler, Pool, type PoolOptions } from '../../lib/index.js'
import type { Session } from '../harness/client-session.js'
import { closedLoop } from '../harness/closed-loop.js'
import { openLoop } from '../harness/open-loop.js'
import { WaitHistogram } from './wait-histogram.js'

/** Number of requests that the origin serves at once, and connections of the pool. */
export const CONCURRENCY = 20
/** Service time of each request in ms. */
export const SERVICE = 50
/** Arrival rate, in multiples of the capacity. */
export const FACTOR = 3
/** Limits of the pool. Both take effect: more than `maxQueued` requests arrive within the queue timeout. */
export const LIMITS = { maxQueued: 150, timeouts: { queue: 250 } }
/** Rounding in ms: of the deadline, of the clock's timer, and of all timeouts that are due in the same ms. */
export const CLOCK = 3
/** Interval in ms at which the queue length is sampled. */
const TICK = 5

export interface Outcome {
  sent: number
  answered: number
  /** Number of failures by error code. */
  failed: Record<string, number>
  /** Capacity of the origin in requests per second, measured before each slice. */
  capacity: number
  /** Responses, as a fraction of the capacity. */
  goodput: number
  /** Time in the queue in ms, timed out requests included. */
  wait: { p50: number; p99: number; max: number }
  /** p99 in ms of a Node timer plus one poll of the sockets, started with each request. */
  timers: number
  /** Maximum number of queued requests. */
  queued: number
  /** Samples of the used heap in bytes after garbage collection. */
  heap: number[]
}

const get = { path: '/', method: 'GET' } as const

interface QueueListener {
  /** Called before each dispatch. May return a timer to clear if the queue rejects the request. */
  onDispatch(): NodeJS.Timeout | undefined
  /** Called with the time in the queue, in ms. */
  onDequeue(ms: number): void
  onFailure(code: string): void
}

/** Returns a session that measures how long requests are queued. */
function session(pool: Pool, listener: QueueListener): Session {
  return {
    send(done) {
      const timer = listener.onDispatch()
      const started = performance.now()
      let queued = true
      const dequeued = () => {
        if (queued) listener.onDequeue(performance.now() - started)
        queued = false
      }
      let status = 0
      const handler: DispatchHandler = {
        onRequestStart: dequeued,
        onResponseStart: (_controller, statusCode) => {
          status = statusCode
        },
        onResponseEnd: () => done(status === 200 ? null : new Error(`status ${status}`)),
        onResponseError: (_controller, error) => {
          const { code = error.message } = error as NodeJS.ErrnoException
          // A rejected request was never queued.
          if (code === 'SLUICE_ERR_QUEUE_FULL') clearTimeout(timer)
          else dequeued()
          listener.onFailure(code)
          done(error)
        },
      }
      pool.dispatch(get, handler)
    },
    close: () => pool.close(),
  }
}

const unrecorded = { recordValue() {} } as never

/** Measures requests per second with all connections busy and no overload. */
async function capacity(url: string, seconds: number): Promise<number> {
  const pool = new Pool(url, { connections: CONCURRENCY })
  const round = await closedLoop(
    session(pool, { onDispatch: () => undefined, onDequeue() {}, onFailure() {} }),
    // One request is queued for each in flight, so that no connection is ever idle.
    { width: 2 * CONCURRENCY, warm: 0.3, seconds, histogram: unrecorded },
  )
  await pool.close()
  return round.requests / round.seconds
}

/** Overloads one pool. */
export class Overload {
  readonly #url: string
  readonly #pool: Pool
  /** ms */
  readonly #limit: number
  readonly #waits = new WaitHistogram()
  readonly #timers = new WaitHistogram()
  readonly #heap: number[] = []
  readonly #failed: Record<string, number> = {}
  #sent = 0
  #answered = 0
  #seconds = 0
  #capacity = 0
  #queued = 0

  constructor(url: string, options: PoolOptions) {
    this.#url = url
    this.#pool = new Pool(url, { connections: CONCURRENCY, ...options })
    this.#limit = options.timeouts?.queue ?? 0
  }

  /** Measures the current capacity, then sends {@link FACTOR} times as much. Takes `samples` heap samples. */
  async slice({ seconds, samples }: { seconds: number; samples: number }): Promise<void> {
    const currentCapacity = await capacity(this.#url, Math.min(3, seconds / 2))
    const queueSampler = setInterval(() => {
      this.#queued = Math.max(this.#queued, this.#pool.stats.queued)
    }, TICK)
    const sampleHeap = () => {
      globalThis.gc?.()
      this.#heap.push(process.memoryUsage().heapUsed)
    }
    const heapSampler = setInterval(sampleHeap, (seconds * 1000) / (samples + 1))
    const listener = {
      onDispatch: () => {
        const started = performance.now()
        // The library reads sockets once more before a deadline expires, so the reference timer does too.
        const record = () => this.#timers.record(performance.now() - started)
        return setTimeout(() => setImmediate(record), this.#limit + CLOCK)
      },
      onDequeue: (ms: number) => this.#waits.record(ms),
      onFailure: (code: string) => {
        this.#failed[code] = (this.#failed[code] ?? 0) + 1
      },
    }
    const rest = { warm: 0, seconds, histogram: unrecorded, onFailure: () => {} }
    const result = await openLoop(session(this.#pool, listener), { rate: FACTOR * currentCapacity, ...rest })
    clearInterval(queueSampler)
    clearInterval(heapSampler)
    this.#sent += result.requests
    this.#answered += result.requests - result.failures
    this.#seconds += result.seconds
    this.#capacity += currentCapacity * result.seconds
  }

  async close(): Promise<Outcome> {
    await this.#pool.close()
    const [p50, p99, max] = [0.5, 0.99, 1].map((part) => this.#waits.percentile(part)) as [number, number, number]
    return {
      sent: this.#sent,
      answered: this.#answered,
      failed: this.#failed,
      capacity: this.#capacity / this.#seconds,
      goodput: this.#answered / this.#capacity,
      wait: { p50, p99, max },
      timers: this.#timers.percentile(0.99),
      queued: this.#queued,
      heap: this.#heap,
    }
  }
}

/** Returns the heap growth in bytes: minimum of the last third of samples minus minimum of the first third. */
export function growth(heap: readonly number[]): number {
  const third = Math.max(1, Math.floor(heap.length / 3))
  return Math.min(...heap.slice(-third)) - Math.min(...heap.slice(0, third))
}

/** Bytes by which the heap may grow: V8 keeps optimized code and maps. */
const MAX_GROWTH = 1_000_000

/** Returns what exceeds its limit; `minGoodput` is a fraction of the capacity. */
export function violations(outcome: Outcome, minGoodput: number): string[] {
  const { sent, answered, failed, goodput, wait, timers, queued, heap } = outcome
  const { SLUICE_ERR_QUEUE_FULL: full = 0, SLUICE_ERR_QUEUE_TIMEOUT: late = 0, ...others } = failed
  const checks: [boolean, string][] = [
    [
      goodput >= minGoodput,
      `goodput is ${(100 * goodput).toFixed(1)} % of the capacity, must be at least ${100 * minGoodput} %`,
    ],
    [wait.p99 <= timers, `p99 of the time in the queue is ${wait.p99} ms, must be at most ${timers} ms`],
    [queued <= LIMITS.maxQueued, `${queued} requests were queued, must be at most ${LIMITS.maxQueued}`],
    [growth(heap) <= MAX_GROWTH, `the heap grew by ${growth(heap)} bytes, must be at most ${MAX_GROWTH}`],
    [full > 0 && late > 0, 'one of the limits never took effect'],
    [sent === answered + full + late, `of ${sent} requests some failed with other errors: ${JSON.stringify(others)}`],
  ]
  return checks.flatMap(([passed, problem]) => (passed ? [] : [problem]))
}
