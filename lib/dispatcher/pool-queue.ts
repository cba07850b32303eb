import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import { Queue } from '../base/queue.js'
import type { RequestCounters } from '../base/request-counters.js'
import type { Exchange } from '../exchange/exchange.js'
import type { ForeignRequest } from '../exchange/foreign-request.js'

/** Request in the queue of a pool: validated, or for a dispatcher of another library. */
export type QueuedRequest = Exchange | ForeignRequest

/**
 * Number of event-loop turns after a wait in which busy members may still become free: the process may have been
 * blocked.
 */
const YIELDED_TURNS = 10

/** Queue of a pool, first in first out. */
export class PoolQueue implements AlarmListener {
  readonly #requests = new Queue<QueuedRequest>()
  readonly #counters: RequestCounters
  readonly #onWaitEnd: () => void
  #alarm: Alarm | null = null
  /** Whether a request with its own time limits has been queued. */
  #hasDeadlines = false
  #opening = false

  /** @param onWaitEnd called when a wait that {@link startWait} has started is over */
  constructor(counters: RequestCounters, onWaitEnd: () => void) {
    this.#counters = counters
    this.#onWaitEnd = onWaitEnd
  }

  get size(): number {
    return this.#requests.size
  }

  push(request: QueuedRequest): void {
    this.#requests.push(request)
    this.#counters.add('queued', 1)
    if (request.deadlines !== null) {
      this.#hasDeadlines = true
      request.deadlines.setConnecting(this.#opening)
    }
    request.onQueued()
  }

  /** Whether queued requests wait for a connection to be established, and for nothing else. */
  set opening(opening: boolean) {
    if (opening === this.#opening) return
    this.#opening = opening
    if (this.#hasDeadlines) for (const { deadlines } of this.#requests) deadlines?.setConnecting(opening)
  }

  shift(): QueuedRequest | null {
    const request = this.#requests.shift()
    if (request !== null) this.#counters.add('queued', -1)
    return request
  }

  /** Puts a request back that {@link shift} returned. */
  unshift(request: QueuedRequest): void {
    this.#requests.unshift(request)
    this.#counters.add('queued', 1)
  }

  /** Removes a request. Returns false if it is not queued here. */
  remove(request: QueuedRequest): boolean {
    if (!this.#requests.remove(request)) return false
    this.#counters.add('queued', -1)
    return true
  }

  /** Starts a wait of `ms`, in which queued requests wait for busy members although others are free. */
  startWait(ms: number): void {
    this.#alarm ??= new Alarm(this)
    this.#alarm.set(Math.max(1, ms))
  }

  stop(): void {
    this.#alarm?.dispose()
  }

  onAlarm(): void {
    this.#yieldTurns(YIELDED_TURNS)
  }

  #yieldTurns(turns: number): void {
    if (turns === 0) this.#onWaitEnd()
    else setImmediate(() => this.#yieldTurns(turns - 1))
  }
}
