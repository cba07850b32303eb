import { setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import type { ForeignDefaults } from '../exchange/foreign-request.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { createForeignRequest } from '../exchange/legacy-foreign-request.js'
import type { DispatchInput, DispatchOptions } from '../exchange/request.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, type DispatcherOwner, endQuietly, own } from './dispatcher-core.js'
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
  #owesDrain = false
  #disown = () => {}

  /** @param tally counts what dispatchers of other libraries do not count themselves */
  constructor(dispatcher: Dispatcher, listener: ManagedDispatcherListener, tally: RequestCounters | null) {
    this.dispatcher = dispatcher
    this.#listener = listener
    const core = coreOf(dispatcher)
    const plain = core?.isIdle !== undefined && dispatcher.dispatch === LifecycleDispatcher.prototype.dispatch
    const counted = core?.countIn === undefined ? tally : null
    this.#outstanding = plain ? null : new OutstandingRequests(dispatcher, this, counted)
  }

  own(owner: DispatcherOwner, url: URL): void {
    this.#disown = own(this.dispatcher, owner, url)
  }

  /** Notifies its owner no more. */
  disown(): void {
    this.#disown()
    this.#outstanding?.disowned()
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
      this.#owesDrain = true
      this.#checkFree()
    }
    return room
  }

  /** It emitted `drain`. Returns whether that was due. */
  drained(): boolean {
    const due = this.#owesDrain
    this.#owesDrain = false
    return this.#outstanding === null || due
  }

  countConnection(difference: 1 | -1): void {
    this.#outstanding?.countConnection(difference)
  }

  /** Closes it once it has no request. Never rejects. */
  close(): Promise<void> {
    return this.#outstanding?.close() ?? endQuietly(() => this.dispatcher.close())
  }

  /** Takes {@link close} back. Returns false when the dispatcher is closed already. */
  reopen(): boolean {
    return this.#outstanding?.reopen() === true
  }

  /** Destroys it; all requests that it was given have failed then. Never rejects. */
  destroy(error: Error): Promise<void> {
    return this.#outstanding?.destroy(error) ?? endQuietly(() => this.dispatcher.destroy(error))
  }

  onNoneOutstanding(): void {
    if (this.#owesDrain) this.#checkFree()
    this.#listener.onDispatcherIdle()
  }

  onHandlerError(error: unknown): void {
    this.#listener.onHandlerError(error)
  }

  /** First it may say so itself, by `drain`. It is not waited for: not all do. */
  #checkFree(): void {
    setImmediate(() => {
      if (this.#owesDrain && this.#outstanding?.size === 0 && this.drained()) this.#listener.onDispatcherFree()
    })
  }
}
