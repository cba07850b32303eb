import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import { Queue } from '../base/queue.js'
import type { RequestCounters } from '../base/request-counters.js'
import type { Exchange } from '../exchange/exchange.js'
import type { ForeignRequest } from '../exchange/foreign-request.js'

/** What may wait in a pool. */
export type QueuedRequest = Exchange | ForeignRequest

/** Event-loop turns after a wait in which a member may still be freed: the process may have been held up. */
const YIELDED_TURNS = 10

/** The requests that wait in a pool, in the order of their arrival. */
export class PoolQueue implements AlarmListener {
  readonly #requests = new Queue<QueuedRequest>()
  readonly #tally: RequestCounters
  readonly #onWaitEnd: () => void
  #alarm: Alarm | null = null
  /** A request with limits of its own has waited here. */
  #hasDeadlines = false
  #opening = false

  /** @param onWaitOver called when a wait begun by {@link startWait} is over */
  constructor(tally: RequestCounters, onWaitOver: () => void) {
    this.#tally = tally
    this.#onWaitEnd = onWaitOver
  }

  get size(): number {
    return this.#requests.size
  }

  push(request: QueuedRequest): void {
    this.#requests.push(request)
    this.#tally.add('queued', 1)
    if (request.deadlines !== null) {
      this.#hasDeadlines = true
      request.deadlines.setConnecting(this.#opening)
    }
    request.onQueued()
  }

  /** Whether requests wait for connections to be opened, and for nothing else. */
  set opening(opening: boolean) {
    if (opening === this.#opening) return
    this.#opening = opening
    if (this.#hasDeadlines) for (const { deadlines } of this.#requests) deadlines?.setConnecting(opening)
  }

  shift(): QueuedRequest | null {
    const request = this.#requests.shift()
    if (request !== null) this.#tally.add('queued', -1)
    return request
  }

  /** Puts back what {@link shift} returned. */
  unshift(request: QueuedRequest): void {
    this.#requests.unshift(request)
    this.#tally.add('queued', 1)
  }

  /** Returns false when the request does not wait here. */
  remove(request: QueuedRequest): boolean {
    if (!this.#requests.remove(request)) return false
    this.#tally.add('queued', -1)
    return true
  }

  /** Members with room are spared for `ms`: others are due first. */
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
