import { type Histogram, record } from './histogram.js'
import type { Session } from './session.js'

const SAMPLES = 20_000
/** ms before a lane whose request failed sends the next one. */
const REST = 10

/** One measured stretch of time. */
export interface Round {
  requests: number
  seconds: number
  /** CPU time of the process, µs. */
  cpu: number
}

export interface LoopOptions {
  /** Requests under way. */
  width: number
  /** Seconds before the measured ones. */
  warm: number
  seconds: number
  histogram: Histogram
  /** Latencies recorded per second at most. Default: 20 000, since looking at the clock takes time too. */
  samples?: number
  /** Told of each request that failed. When there is none, the first failure ends the run. */
  onFailure?: (error: Error) => void
  /** Told of each latency that is recorded, ms. */
  onAnswer?: (latency: number) => void
}

/** Keeps a number of requests under way: each answer starts the next request. */
export function closedLoop(session: Session, options: LoopOptions): Promise<Round> {
  return new Loop(session, options).run()
}

class Loop {
  readonly #session: Session
  readonly #options: LoopOptions
  answered = 0
  /** One request in so many is timed; 0 for none. */
  every = 0
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
    for (let i = 0; i < width; i++) this.#lane()
    const began = this.#mark()
    await Promise.race([after(warm), failed])
    const from = this.#mark()
    const rate = (from.answered - began.answered) / Math.max(0.001, (from.at - began.at) / 1000)
    this.every = Math.max(1, Math.round(rate / (this.#options.samples ?? SAMPLES)))
    await Promise.race([after(seconds), failed])
    // However slow it is, it is measured by one answer at least; one that only fails is not.
    while (this.answered === from.answered && this.#options.onFailure === undefined)
      await Promise.race([after(0.01), failed])
    const to = this.#mark()
    this.every = 0
    this.#stopped = true
    if (this.#running > 0) await ended
    return { requests: to.answered - from.answered, seconds: (to.at - from.at) / 1000, cpu: to.cpu - from.cpu }
  }

  #mark(): { answered: number; at: number; cpu: number } {
    const { user, system } = process.cpuUsage()
    return { answered: this.answered, at: performance.now(), cpu: user + system }
  }

  /** One request after another. */
  #lane(): void {
    const { histogram, onFailure, onAnswer } = this.#options
    let timed = false
    let started = 0
    const next = (): void => {
      timed = this.every > 0 && ++this.#untimed >= this.every
      if (timed) {
        this.#untimed = 0
        started = performance.now()
      }
      this.#session.send(done)
    }
    const go = (): void => {
      if (!this.#stopped) next()
      else if (--this.#running === 0) this.#end(null)
    }
    const done = (error: Error | null): void => {
      if (error !== null) {
        if (onFailure === undefined) return this.#end(error)
        onFailure(error)
        return void setTimeout(go, REST)
      }
      this.answered++
      if (timed) {
        const latency = performance.now() - started
        record(histogram, latency)
        onAnswer?.(latency)
      }
      go()
    }
    this.#running++
    next()
  }
}

function after(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
