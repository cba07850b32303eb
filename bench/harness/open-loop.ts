import type { Session } from './client-session.js'
import { type Histogram, record } from './histogram.js'

/** Waits shorter than this (ms) spin the event loop: timers have a resolution of 1 ms. */
const SPIN_BELOW = 2
/** Maximum number of requests started in one event-loop turn. */
const BURST = 1000

export interface OpenLoopOptions {
  /** Requests per second. */
  rate: number
  /** Warm-up in seconds. Its responses are not recorded. */
  warm: number
  seconds: number
  histogram: Histogram
  /** Called for each failed request, with its latency. Without it, the first failure ends the run. */
  onFailure?: (error: Error, latency: number) => void
  /** Called for each response, with the latency in ms from the intended start of its request. */
  onResponse?: (latency: number) => void
}

export interface OpenLoopResult {
  /** Requests scheduled in the measured time. All of them were sent. */
  requests: number
  failures: number
  seconds: number
  /** CPU time of the process in µs, spinning included. */
  cpu: number
  /** Maximum number of requests in flight. */
  backlog: number
  /** Longest delay in ms between the intended and the actual start of a request. A long one means that the machine is too slow. */
  maxStartDelay: number
}

/**
 * Starts requests at fixed times, whether or not earlier ones have completed. Latency counts from the *intended* start,
 * so it includes time that a request waited because client or server was busy (no coordinated omission).
 */
export function openLoop(session: Session, options: OpenLoopOptions): Promise<OpenLoopResult> {
  return new OpenLoop(session, options).run()
}

class OpenLoop {
  readonly #session: Session
  readonly #options: OpenLoopOptions
  readonly #interval: number
  readonly #total: number
  readonly #warmUpCount: number
  #started = 0
  #sent = 0
  #completed = 0
  #failures = 0
  #backlog = 0
  #maxStartDelay = 0
  #cpu = 0
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(session: Session, options: OpenLoopOptions) {
    this.#session = session
    this.#options = options
    this.#interval = 1000 / options.rate
    this.#warmUpCount = Math.round(options.rate * options.warm)
    this.#total = this.#warmUpCount + Math.max(1, Math.round(options.rate * options.seconds))
  }

  async run(): Promise<OpenLoopResult> {
    this.#started = performance.now()
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#startDue()
    })
    return {
      requests: this.#total - this.#warmUpCount,
      failures: this.#failures,
      seconds: (performance.now() - this.#started) / 1000 - this.#options.warm,
      cpu: cpuTime() - this.#cpu,
      backlog: this.#backlog,
      maxStartDelay: this.#maxStartDelay,
    }
  }

  #startDue = (): void => {
    const now = performance.now() - this.#started
    const due = Math.min(this.#total, Math.floor(now / this.#interval) + 1)
    if (this.#sent < due && this.#sent >= this.#warmUpCount) {
      this.#maxStartDelay = Math.max(this.#maxStartDelay, now - this.#sent * this.#interval)
    }
    for (let burst = 0; this.#sent < due && burst < BURST; burst++) this.#send(this.#sent++)
    this.#backlog = Math.max(this.#backlog, this.#sent - this.#completed)
    if (this.#sent === this.#total) return
    const wait = this.#sent * this.#interval - now
    if (wait < SPIN_BELOW) setImmediate(this.#startDue)
    else setTimeout(this.#startDue, wait - 1)
  }

  #send(index: number): void {
    if (index === this.#warmUpCount) this.#cpu = cpuTime()
    const intendedStart = this.#started + index * this.#interval
    this.#session.send((error) => {
      this.#completed++
      const latency = performance.now() - intendedStart
      if (error !== null) this.#fail(error, { index, latency })
      else if (index >= this.#warmUpCount) {
        record(this.#options.histogram, latency)
        this.#options.onResponse?.(latency)
      }
      if (this.#completed === this.#total) this.#resolve()
    })
  }

  #fail(error: Error, { index, latency }: { index: number; latency: number }): void {
    if (index >= this.#warmUpCount) this.#failures++
    if (this.#options.onFailure === undefined) this.#reject(error)
    else this.#options.onFailure(error, latency)
  }
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
