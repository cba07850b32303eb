import { type Histogram, record } from './histogram.js'
import type { Session } from './session.js'

/** A wait shorter than this is spent turning the event loop, since timers are no finer than a ms. */
const TURNING = 2
/** Most requests begun in one turn of the event loop. */
const BURST = 1000

export interface ArrivalOptions {
  /** Requests per second. */
  rate: number
  /** Seconds at the start whose answers are not recorded. */
  warm: number
  seconds: number
  histogram: Histogram
  /** Told of each request that failed, with its latency. When there is none, the first failure ends the run. */
  onFailure?: (error: Error, latency: number) => void
  /** Told of each answer: latency in ms from when its request was meant to start. */
  onAnswer?: (latency: number) => void
}

export interface Arrived {
  /** Requests meant to start in the measured time: all of them were sent. */
  requests: number
  failures: number
  seconds: number
  /** CPU time of the process, µs, turning the loop included. */
  cpu: number
  /** Most requests under way at once. */
  backlog: number
  /** Longest that the start of a request was late by, ms: more than the machine's jitter means that it is too slow. */
  latest: number
}

/**
 * Starts requests at fixed times, whether or not earlier ones are answered. Latency counts from when a request was
 * *meant* to start: time that it waited because the client or the server was busy is part of it (no coordinated
 * omission).
 */
export function arrivals(session: Session, options: ArrivalOptions): Promise<Arrived> {
  return new Arrivals(session, options).run()
}

class Arrivals {
  readonly #session: Session
  readonly #options: ArrivalOptions
  readonly #interval: number
  readonly #total: number
  readonly #unrecorded: number
  #started = 0
  #sent = 0
  #answered = 0
  #failures = 0
  #backlog = 0
  #latest = 0
  #cpu = 0
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(session: Session, options: ArrivalOptions) {
    this.#session = session
    this.#options = options
    this.#interval = 1000 / options.rate
    this.#unrecorded = Math.round(options.rate * options.warm)
    this.#total = this.#unrecorded + Math.max(1, Math.round(options.rate * options.seconds))
  }

  async run(): Promise<Arrived> {
    this.#started = performance.now()
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#turn()
    })
    return {
      requests: this.#total - this.#unrecorded,
      failures: this.#failures,
      seconds: (performance.now() - this.#started) / 1000 - this.#options.warm,
      cpu: cpuTime() - this.#cpu,
      backlog: this.#backlog,
      latest: this.#latest,
    }
  }

  #turn = (): void => {
    const now = performance.now() - this.#started
    const due = Math.min(this.#total, Math.floor(now / this.#interval) + 1)
    if (this.#sent < due && this.#sent >= this.#unrecorded) {
      this.#latest = Math.max(this.#latest, now - this.#sent * this.#interval)
    }
    for (let burst = 0; this.#sent < due && burst < BURST; burst++) this.#send(this.#sent++)
    this.#backlog = Math.max(this.#backlog, this.#sent - this.#answered)
    if (this.#sent === this.#total) return
    const wait = this.#sent * this.#interval - now
    if (wait < TURNING) setImmediate(this.#turn)
    else setTimeout(this.#turn, wait - 1)
  }

  #send(index: number): void {
    if (index === this.#unrecorded) this.#cpu = cpuTime()
    const meant = this.#started + index * this.#interval
    this.#session.send((error) => {
      this.#answered++
      const latency = performance.now() - meant
      if (error !== null) this.#fail(error, { index, latency })
      else if (index >= this.#unrecorded) {
        record(this.#options.histogram, latency)
        this.#options.onAnswer?.(latency)
      }
      if (this.#answered === this.#total) this.#resolve()
    })
  }

  #fail(error: Error, { index, latency }: { index: number; latency: number }): void {
    if (index >= this.#unrecorded) this.#failures++
    if (this.#options.onFailure === undefined) this.#reject(error)
    else this.#options.onFailure(error, latency)
  }
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
