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

/** Receives the events of a {@link ManagedDispatcher}. */
export interface ManagedDispatcherListener {
  /** Called when the dispatcher accepts requests again but has emitted no `drain`. */
  onDispatcherFree(): void
  /** Called when the dispatcher has no request. Not called for Clients and pools without interceptors. */
  onDispatcherIdle(): void
  onHandlerError(error: unknown): void
}

/**
 * Dispatcher of an Agent or of a BalancedPool, of this or another library. Tracks its requests if it can not do so
 * itself.
 */
export class ManagedDispatcher implements OutstandingRequestsListener {
  readonly dispatcher: Dispatcher
  readonly #listener: ManagedDispatcherListener
  /** Null for Clients and pools without interceptors, which track their requests themselves. */
  readonly #outstanding: OutstandingRequests | null
  #needDrain = false
  #unsubscribe = () => {}

  /** @param counters counts connections and requests of dispatchers that do not count them themselves */
  constructor(dispatcher: Dispatcher, listener: ManagedDispatcherListener, counters: RequestCounters | null) {
    this.dispatcher = dispatcher
    this.#listener = listener
    const core = coreOf(dispatcher)
    const plain = core?.isIdle !== undefined && dispatcher.dispatch === LifecycleDispatcher.prototype.dispatch
    const counted = core?.countInto === undefined ? counters : null
    this.#outstanding = plain ? null : new OutstandingRequests(dispatcher, this, counted)
  }

  subscribe(owner: DispatcherOwner, url: URL): void {
    this.#unsubscribe = subscribe(this.dispatcher, owner, url)
  }

  /** Stops receiving events of the dispatcher. */
  unsubscribe(): void {
    this.#unsubscribe()
    this.#outstanding?.stopCounting()
  }

  get idle(): boolean {
    return (this.#outstanding?.size ?? 0) === 0 && coreOf(this.dispatcher)?.isIdle?.() !== false
  }

  /** Sends a request. Returns false if the dispatcher is busy: exactly one `drain` follows. */
  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler, defaults: ForeignDefaults): boolean {
    const { origin } = defaults
    if (this.#outstanding === null)
      return this.dispatcher.dispatch({ ...(options as DispatchOptions), origin }, handler)
    const accepts = this.#outstanding.send(createForeignRequest(options, handler, defaults)) !== false
    if (!accepts) {
      this.#needDrain = true
      this.#reportFreeLater()
    }
    return accepts
  }

  /** Called on `drain`. Returns whether the event was due. */
  acceptDrain(): boolean {
    const due = this.#needDrain
    this.#needDrain = false
    return this.#outstanding === null || due
  }

  countConnection(difference: 1 | -1): void {
    this.#outstanding?.countConnection(difference)
  }

  /** Closes the dispatcher after its requests. Never rejects. */
  close(): Promise<void> {
    return this.#outstanding?.close() ?? ignoreRejection(() => this.dispatcher.close())
  }

  /** Cancels {@link close}. Returns false if the dispatcher is closed already. */
  cancelClose(): boolean {
    return this.#outstanding?.cancelClose() === true
  }

  /** Destroys the dispatcher. All its requests have failed afterwards. Never rejects. */
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

  /** The dispatcher may emit `drain` first. Some never do, so it is not waited for. */
  #reportFreeLater(): void {
    setImmediate(() => {
      if (this.#needDrain && this.#outstanding?.size === 0 && this.acceptDrain()) this.#listener.onDispatcherFree()
    })
  }
}
