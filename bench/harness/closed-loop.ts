import type { Session } from './client-session.js'
import { type Histogram, record } from './histogram.js'

/** Default of {@link LoopOptions.samples}. */
const SAMPLES = 20_000
/** Delay in ms before the next request after a failure. */
const DELAY_AFTER_FAILURE = 10

/** Result of one measured period. */
export interface Round {
  requests: number
  seconds: number
  /** CPU time of the process in µs. */
  cpu: number
}

export interface LoopOptions {
  /** Number of requests in flight. */
  width: number
  /** Warm-up in seconds. */
  warm: number
  seconds: number
  histogram: Histogram
  /** Maximum number of latencies recorded per second, as reading the clock takes time too. Default: 20 000. */
  samples?: number
  /** Called for each failed request. Without it, the first failure ends the run. */
  onFailure?: (error: Error) => void
  /** Called with each recorded latency, in ms. */
  onResponse?: (latency: number) => void
}

/** Keeps `width` requests in flight: each response starts the next request. */
export function closedLoop(session: Session, options: LoopOptions): Promise<Round> {
  return new Loop(session, options).run()
}

class Loop {
  readonly #session: Session
  readonly #options: LoopOptions
  completed = 0
  /** One request in this many is timed; 0 for none. */
  sampleInterval = 0
  #untimed = 0
  #running = 0
  #stopped = false
  #end: (error: Error | null) => void = () => {}

  constructor(session: Session, options: LoopOptions) {
    this.#session = session
    this.#options = options
  }

  async run(): Promise<Round> {
    const { width, warm, seconds } = this.#options
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = (error) => (error === null ? resolve() : reject(error))
    })
    const failed = ended.then(() => 'ended')
    for (let i = 0; i < width; i++) this.#worker()
    const start = this.#snapshot()
    await Promise.race([delay(warm), failed])
    const from = this.#snapshot()
    const rate = (from.completed - start.completed) / Math.max(0.001, (from.at - start.at) / 1000)
    this.sampleInterval = Math.max(1, Math.round(rate / (this.#options.samples ?? SAMPLES)))
    await Promise.race([delay(seconds), failed])
    // A slow client is measured by at least one response, unless failures are counted.
    while (this.completed === from.completed && this.#options.onFailure === undefined)
      await Promise.race([delay(0.01), failed])
    const to = this.#snapshot()
    this.sampleInterval = 0
    this.#stopped = true
    if (this.#running > 0) await ended
    return { requests: to.completed - from.completed, seconds: (to.at - from.at) / 1000, cpu: to.cpu - from.cpu }
  }

  #snapshot(): { completed: number; at: number; cpu: number } {
    const { user, system } = process.cpuUsage()
    return { completed: this.completed, at: performance.now(), cpu: user + system }
  }

  /** Sends one request after another. */
  #worker(): void {
    const { histogram, onFailure, onResponse } = this.#options
    let timed = false
    let started = 0
    const next = (): void => {
      timed = this.sampleInterval > 0 && ++this.#untimed >= this.sampleInterval
      if (timed) {
        this.#untimed = 0
        started = performance.now()
      }
      this.#session.send(done)
    }
    const proceed = (): void => {
      if (!this.#stopped) next()
      else if (--this.#running === 0) this.#end(null)
    }
    const done = (error: Error | null): void => {
      if (error !== null) {
        if (onFailure === undefined) return this.#end(error)
        onFailure(error)
        return void setTimeout(proceed, DELAY_AFTER_FAILURE)
      }
      this.completed++
      if (timed) {
        const latency = performance.now() - started
        record(histogram, latency)
        onResponse?.(latency)
      }
      proceed()
    }
    this.#running++
    next()
  }
}

function delay(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
