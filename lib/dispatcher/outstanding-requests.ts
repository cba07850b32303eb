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

/** Receives the events of {@link OutstandingRequests}. */
export interface OutstandingRequestsListener {
  /** Called when the last request has completed or failed. */
  onAllCompleted(): void
  /** Called when the dispatcher has started to send a request. */
  onRequestStarted?(): void
  onHandlerError(error: unknown): void
}

/**
 * Tracks the requests of a dispatcher of any library, including those that wait in its interceptors. Closes the
 * dispatcher only when no request is left, and fails those that a destroyed dispatcher leaves unsettled.
 */
export class OutstandingRequests implements ForeignRequestOwner {
  readonly #dispatcher: Dispatcher
  readonly #listener: OutstandingRequestsListener
  /** Null for a dispatcher that counts connections and requests itself. */
  readonly #counters: ForeignCounters | null
  readonly #requests = new Queue<ForeignRequest>()
  /** Identity of the {@link close} in progress; null without one. */
  #closing: object | null = null
  /** Ends the wait of {@link close}. */
  #onAllCompleted: (() => void) | null = null
  #closed = false

  constructor(dispatcher: Dispatcher, listener: OutstandingRequestsListener, parent: RequestCounters | null) {
    this.#dispatcher = dispatcher
    this.#listener = listener
    this.#counters = parent === null ? null : ForeignCounters.of(dispatcher)
    this.#counters?.addHolder(this, parent as RequestCounters)
  }

  get size(): number {
    return this.#requests.size
  }

  /**
   * Sends a request. Returns what the dispatcher returned, or true if it threw: then the request has failed and its
   * handler was notified.
   */
  send(request: ForeignRequest): unknown {
    // The factory that created the dispatcher for this request may have aborted it.
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

  /** Counts a connection of a dispatcher that does not count itself. */
  countConnection(difference: 1 | -1): void {
    if (this.#counters === null) return
    this.#counters.countConnection(this, difference)
    for (const { sent, deadlines } of this.#requests)
      if (!sent) deadlines?.setConnecting(this.#counters.connected === 0)
  }

  /** Stops counting: the owner receives no more events of the dispatcher. */
  stopCounting(): void {
    this.#counters?.removeHolder(this)
  }

  /** Closes the dispatcher when no request is left. Never rejects. */
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

  /** Cancels {@link close}. Returns false if the dispatcher is closed already. */
  cancelClose(): boolean {
    const open = this.#closing !== null
    this.#closing = null
    this.#onAllCompleted?.()
    this.#onAllCompleted = null
    return open
  }

  /** Destroys the dispatcher, and fails the requests that it leaves unsettled. Never rejects. */
  async destroy(error: Error): Promise<void> {
    if (this.#closed) return
    const { destroy, close } = this.#dispatcher
    const fail = () => {
      for (const request of [...this.#requests]) request.failDestroyed(error, { phase: request.phase })
    }
    // Not after `destroy`, which may wait arbitrarily long.
    setImmediate(fail)
    await ignoreRejection(() =>
      destroy === undefined ? close?.call(this.#dispatcher) : this.#dispatcher.destroy(error),
    )
    fail()
    this.stopCounting()
  }

  // Events of requests

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
    // An exception of an interceptor or of another library is no failure of the server.
    markCallerFault(error)
    if (request.done) reportUncaught(error)
    else request.failUnsent(markCallerOwned(error) as Error)
  }
}
