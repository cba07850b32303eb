import { type Histogram, record } from './histogram.js'
import type { Session } from './session.js'

/** Latency samples a second that are worth their cost. */
const SAMPLES = 20_000

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
    this.every = Math.max(1, Math.round(rate / SAMPLES))
    await Promise.race([after(seconds), failed])
    // However slow it is, it is measured by one answer at least.
    while (this.answered === from.answered) await Promise.race([after(0.01), failed])
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
    const { histogram } = this.#options
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
    const done = (error: Error | null): void => {
      if (error !== null) return this.#end(error)
      this.answered++
      if (timed) record(histogram, performance.now() - started)
      if (!this.#stopped) next()
      else if (--this.#running === 0) this.#end(null)
    }
    this.#running++
    next()
  }
}

function after(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
