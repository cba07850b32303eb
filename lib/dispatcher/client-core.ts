import type { Tally } from '../base/tally.js'
import { debug } from '../diagnostics/debug.js'
import { ClientClosedError, ClientDestroyedError, QueueFullError, UNSENT } from '../errors.js'
import { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { type DispatchInput, Request } from '../exchange/request.js'
import type { Client } from './client.js'
import { ClientQueue, type ClientQueueListener } from './client-queue.js'
import type { DispatcherCore } from './core.js'
import type { Dispatcher } from './dispatcher.js'
import type { Inspectable } from './inspect.js'
import type { Lifecycle } from './lifecycle.js'
import type { Site } from './site.js'

/** The pool that a client belongs to: it is called directly, the events of the client are for users. */
export interface ClientOwner {
  onDrain(origin: URL, targets: readonly Dispatcher[]): void
  onConnect(origin: URL, targets: readonly Dispatcher[]): void
  onDisconnect(origin: URL, targets: readonly Dispatcher[], error: Error): void
  onConnectionError(origin: URL, targets: readonly Dispatcher[], error: Error): void
}

/** The private side of a Client: its queue, its events, its place in a pool. */
export class ClientCore implements DispatcherCore, ClientQueueListener {
  readonly client: Client
  readonly queue: ClientQueue
  readonly #lifecycle: Lifecycle
  readonly #site: Site
  #needDrain = false
  #owner: ClientOwner | null = null
  #onTornDown: (() => void) | null = null
  #onRest: (() => void) | null = null

  constructor(client: Client, lifecycle: Lifecycle, site: Site) {
    this.client = client
    this.#lifecycle = lifecycle
    this.#site = site
    this.queue = new ClientQueue(site, this)
  }

  get origin(): string {
    return this.#site.url.origin
  }

  isSettled(): boolean {
    return this.queue.size === 0
  }

  parts(): Iterable<Inspectable> {
    return [this.queue]
  }

  /** Counts in `tally`, from now on. */
  countIn(tally: Tally): void {
    this.queue.countIn(tally)
  }

  /** Notifies `owner` of events. Returns false when the client has an owner already. */
  belongTo(owner: ClientOwner): boolean {
    if (this.#owner !== null) return false
    this.#owner = owner
    return true
  }

  /** Calls `onRest` each time that nothing is queued, in flight or being opened. */
  whenResting(onRest: () => void): void {
    this.#onRest = onRest
  }

  /** There is a connection, or one is being opened. */
  get opened(): boolean {
    return this.queue.opened
  }

  /** Connected, with nothing to do. */
  get idle(): boolean {
    return this.queue.connected && this.queue.resting
  }

  /** Connects, though nothing is queued. */
  warm(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { closed, destroyed } = this.#lifecycle
      if (closed) reject(destroyed ? new ClientDestroyedError() : new ClientClosedError())
      else this.queue.open((error) => (error === null ? resolve() : reject(error)))
    })
  }

  closeIdle(): void {
    this.queue.closeIdle()
  }

  /** Accepts a request that was checked elsewhere. */
  admit(exchange: Exchange): boolean {
    this.queue.push(exchange)
    return this.#room()
  }

  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { defaults, maxQueued } = this.#site
    const exchange = new Exchange(new Request(options, defaults), handler)
    const { size, pipelining } = this.queue
    if (size - Math.max(1, pipelining) < maxQueued) return this.admit(exchange)
    exchange.fail(new QueueFullError(`${maxQueued} requests wait already`), UNSENT)
    return this.#room()
  }

  /** False when busy: then one `drain` follows. */
  #room(): boolean {
    if (!this.queue.busy) return true
    this.#needDrain = true
    return false
  }

  shutDown(): void {}

  tearDown(error: Error, done: () => void): void {
    this.#onTornDown = done
    this.queue.destroy(error)
    this.onProgress()
    this.onSocketClosed()
  }

  // What the queue reports

  onProgress(): void {
    const { url } = this.#site
    if (this.#needDrain && !this.queue.busy) {
      this.#needDrain = false
      this.#owner?.onDrain(url, [this.client])
      if (this.client.listenerCount('drain') > 0) this.client.emit('drain', url, [this.client])
    }
    this.#checkRest()
    this.#lifecycle.settle()
  }

  onConnected(): void {
    const { url } = this.#site
    this.#owner?.onConnect(url, [this.client])
    this.client.emit('connect', url, [this.client])
    this.#checkRest()
  }

  onDisconnected(error: Error): void {
    const { url } = this.#site
    debug?.(`disconnected from ${url.host}`, error)
    this.#owner?.onDisconnect(url, [this.client], error)
    this.client.emit('disconnect', url, [this.client], error)
  }

  onConnectionError(error: Error): void {
    const { url } = this.#site
    this.#owner?.onConnectionError(url, [this.client], error)
    this.client.emit('connectionError', url, [this.client], error)
  }

  onSocketClosed(): void {
    if (this.#onTornDown === null || this.queue.sockets > 0) return
    this.#onTornDown()
    this.#onTornDown = null
  }

  onHandlerError(error: unknown): void {
    this.#lifecycle.reportHandlerError(error)
  }

  #checkRest(): void {
    if (this.#onRest !== null && this.queue.resting) this.#onRest()
  }
}
