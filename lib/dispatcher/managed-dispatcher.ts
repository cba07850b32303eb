import { setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import type { ForeignDefaults } from '../exchange/foreign-request.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { createForeignRequest } from '../exchange/legacy-foreign-request.js'
import type { DispatchInput, DispatchOptions } from '../exchange/request.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, type DispatcherOwner, ignoreRejection, subscribe } from './dispatcher-core.js'
import { LifecycleDispatcher } from './lifecycle.js'
import { OutstandingRequests, type OutstandingRequestsListener } from './outstanding-requests.js'

export interface ManagedDispatcherListener {
  /** It takes requests again, and emitted no `drain`. */
  onDispatcherFree(): void
  /** It has no request. Not called for plain pools and clients. */
  onDispatcherIdle(): void
  onHandlerError(error: unknown): void
}

/** A dispatcher of an Agent or of a BalancedPool, whoever made it. */
export class ManagedDispatcher implements OutstandingRequestsListener {
  readonly dispatcher: Dispatcher
  readonly #listener: ManagedDispatcherListener
  /** Null for a plain pool or client, which has no requests but those it knows of. */
  readonly #outstanding: OutstandingRequests | null
  #needDrain = false
  #unsubscribe = () => {}

  /** @param tally counts what dispatchers of other libraries do not count themselves */
  constructor(dispatcher: Dispatcher, listener: ManagedDispatcherListener, tally: RequestCounters | null) {
    this.dispatcher = dispatcher
    this.#listener = listener
    const core = coreOf(dispatcher)
    const plain = core?.isIdle !== undefined && dispatcher.dispatch === LifecycleDispatcher.prototype.dispatch
    const counted = core?.countInto === undefined ? tally : null
    this.#outstanding = plain ? null : new OutstandingRequests(dispatcher, this, counted)
  }

  subscribe(owner: DispatcherOwner, url: URL): void {
    this.#unsubscribe = subscribe(this.dispatcher, owner, url)
  }

  /** Notifies its owner no more. */
  unsubscribe(): void {
    this.#unsubscribe()
    this.#outstanding?.stopCounting()
  }

  get idle(): boolean {
    return (this.#outstanding?.size ?? 0) === 0 && coreOf(this.dispatcher)?.isIdle?.() !== false
  }

  /** Returns false when it is busy: then one drain follows. */
  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler, defaults: ForeignDefaults): boolean {
    const { origin } = defaults
    if (this.#outstanding === null)
      return this.dispatcher.dispatch({ ...(options as DispatchOptions), origin }, handler)
    const room = this.#outstanding.send(createForeignRequest(options, handler, defaults)) !== false
    if (!room) {
      this.#needDrain = true
      this.#reportFreeLater()
    }
    return room
  }

  /** It emitted `drain`. Returns whether that was due. */
  acceptDrain(): boolean {
    const due = this.#needDrain
    this.#needDrain = false
    return this.#outstanding === null || due
  }

  countConnection(difference: 1 | -1): void {
    this.#outstanding?.countConnection(difference)
  }

  /** Closes it once it has no request. Never rejects. */
  close(): Promise<void> {
    return this.#outstanding?.close() ?? ignoreRejection(() => this.dispatcher.close())
  }

  /** Takes {@link close} back. Returns false when the dispatcher is closed already. */
  cancelClose(): boolean {
    return this.#outstanding?.cancelClose() === true
  }

  /** Destroys it; all requests that it was given have failed then. Never rejects. */
  destroy(error: Error): Promise<void> {
    return this.#outstanding?.destroy(error) ?? ignoreRejection(() => this.dispatcher.destroy(error))
  }

  onAllCompleted(): void {
    if (this.#needDrain) this.#reportFreeLater()
    this.#listener.onDispatcherIdle()
  }

  onHandlerError(error: unknown): void {
    this.#listener.onHandlerError(error)
  }

  /** First it may say so itself, by `drain`. It is not waited for: not all do. */
  #reportFreeLater(): void {
    setImmediate(() => {
      if (this.#needDrain && this.#outstanding?.size === 0 && this.acceptDrain()) this.#listener.onDispatcherFree()
    })
  }
}
