import { setImmediate } from '../base/clock.js'
import { Queue } from '../base/queue.js'
import type { RequestCounters } from '../base/request-counters.js'
import { isThenable, reportUncaught } from '../base/user-code.js'
import { markCallerFault } from '../errors/faults.js'
import { markCallerOwned } from '../errors.js'
import type { ForeignRequest, ForeignRequestOwner } from '../exchange/foreign-request.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, ignoreRejection } from './dispatcher-core.js'
import { ForeignCounters } from './foreign-counters.js'

export interface OutstandingRequestsListener {
  /** The last request has ended. */
  onAllCompleted(): void
  onRequestStarted?(): void
  onHandlerError(error: unknown): void
}

/**
 * The requests that a dispatcher was given and that have not ended, whoever made it and whatever it waits for. It is
 * closed when there are none, and fails none when it is destroyed: that is seen to here.
 */
export class OutstandingRequests implements ForeignRequestOwner {
  readonly #dispatcher: Dispatcher
  readonly #listener: OutstandingRequestsListener
  /** Null for a dispatcher that counts by itself. */
  readonly #counters: ForeignCounters | null
  readonly #requests = new Queue<ForeignRequest>()
  /** The {@link close} that has not closed the dispatcher yet. */
  #closing: object | null = null
  /** Ends its wait. */
  #onAllCompleted: (() => void) | null = null
  #closed = false

  constructor(dispatcher: Dispatcher, listener: OutstandingRequestsListener, tally: RequestCounters | null) {
    this.#dispatcher = dispatcher
    this.#listener = listener
    this.#counters = tally === null ? null : ForeignCounters.of(dispatcher)
    this.#counters?.addHolder(this, tally as RequestCounters)
  }

  get size(): number {
    return this.#requests.size
  }

  /**
   * Hands a request over. Returns what the dispatcher returned, or true when it threw: then the request has failed, and
   * its handler knows.
   */
  send(request: ForeignRequest): unknown {
    // A factory that made the dispatcher for it may have aborted it.
    if (request.done) return true
    request.owner = this
    this.#requests.push(request)
    this.#counters?.add('pending', 1)
    request.deadlines?.setConnecting(this.#counters?.connected === 0)
    try {
      const answer = request.dispatchTo(this.#dispatcher, coreOf(this.#dispatcher) !== null)
      if (isThenable(answer)) answer.then(undefined, (error) => this.#refuse(request, error))
      request.notifyQueued()
      return answer
    } catch (error) {
      this.#refuse(request, error)
      return true
    }
  }

  /** Of a dispatcher that does not count by itself. */
  countConnection(difference: 1 | -1): void {
    if (this.#counters === null) return
    this.#counters.countConnection(this, difference)
    for (const { sent, deadlines } of this.#requests)
      if (!sent) deadlines?.setConnecting(this.#counters.connected === 0)
  }

  /** Its owner receives no more events. */
  stopCounting(): void {
    this.#counters?.removeHolder(this)
  }

  /** Closes the dispatcher once nothing is outstanding. Never rejects. */
  async close(): Promise<void> {
    const closing = {}
    this.#closing = closing
    if (this.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onAllCompleted = resolve
      })
      if (this.#closing !== closing) return
    }
    this.#closing = null
    await ignoreRejection(() => this.#dispatcher.close?.())
    this.#closed = true
    this.stopCounting()
  }

  /** Takes {@link close} back. Returns false when the dispatcher is closed already. */
  cancelClose(): boolean {
    const open = this.#closing !== null
    this.#closing = null
    this.#onAllCompleted?.()
    this.#onAllCompleted = null
    return open
  }

  /** Destroys the dispatcher, and fails what it leaves unsettled. Never rejects. */
  async destroy(error: Error): Promise<void> {
    if (this.#closed) return
    const { destroy, close } = this.#dispatcher
    const fail = () => {
      for (const request of [...this.#requests]) request.failDestroyed(error, { phase: request.phase })
    }
    // Not later: the end of a dispatcher may wait for whatever it likes.
    setImmediate(fail)
    await ignoreRejection(() =>
      destroy === undefined ? close?.call(this.#dispatcher) : this.#dispatcher.destroy(error),
    )
    fail()
    this.stopCounting()
  }

  // What its requests report

  onForeignStart(): void {
    this.#counters?.add('pending', -1)
    this.#counters?.add('running', 1)
    this.#listener.onRequestStarted?.()
  }

  onForeignEnding(request: ForeignRequest): void {
    this.#requests.remove(request)
    this.#counters?.add(request.sent ? 'running' : 'pending', -1)
  }

  onForeignEnded(): void {
    if (this.size > 0) return
    this.#onAllCompleted?.()
    this.#onAllCompleted = null
    this.#listener.onAllCompleted()
  }

  onHandlerError(error: unknown): void {
    this.#listener.onHandlerError(error)
  }

  #refuse(request: ForeignRequest, error: unknown): void {
    // What an interceptor or another library throws says nothing of the server.
    markCallerFault(error)
    if (request.done) reportUncaught(error)
    else request.failUnsent(markCallerOwned(error) as Error)
  }
}
