import type { RequestCounters } from '../base/request-counters.js'
import { debug } from '../diagnostics/debug.js'
import { ClientClosedError, QueueFullError, UNSENT_CONTEXT } from '../errors.js'
import { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { type DispatchInput, requestOf } from '../exchange/request.js'
import type { Client } from './client.js'
import { ClientQueue, type ClientQueueListener } from './client-queue.js'
import type { DispatcherCore, DispatcherOwner } from './dispatcher-core.js'
import type { Inspectable } from './inspect.js'
import type { Lifecycle } from './lifecycle.js'
import type { OriginConfig } from './origin-config.js'

/** The private side of a Client: its queue, its events, its place in a pool. */
export class ClientCore implements DispatcherCore, ClientQueueListener {
  readonly client: Client
  readonly queue: ClientQueue
  readonly #lifecycle: Lifecycle
  readonly #site: OriginConfig
  #needDrain = false
  #closesWithServer = false
  #onTornDown: (() => void) | null = null
  #onRest: (() => void) | null = null

  constructor(client: Client, lifecycle: Lifecycle, config: OriginConfig) {
    this.client = client
    this.#lifecycle = lifecycle
    this.#site = config
    this.queue = new ClientQueue(config, this)
  }

  get origin(): string {
    return this.#site.url.origin
  }

  config(): OriginConfig {
    return this.#site
  }

  isSettled(): boolean {
    return !this.queue.awaited
  }

  isIdle(): boolean {
    return this.queue.size === 0
  }

  parts(): Iterable<Inspectable> {
    return [this.queue]
  }

  /** Counts in `tally`, from now on. */
  countIn(tally: RequestCounters): void {
    this.queue.countIn(tally)
  }

  belongTo(owner: DispatcherOwner): (() => void) | null {
    return this.#lifecycle.belongTo(owner)
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
      const { closedError } = this.#lifecycle
      if (closedError !== null) reject(closedError)
      else this.queue.open((error) => (error === null ? resolve() : reject(error)))
    })
  }

  closeIdle(): void {
    this.queue.closeIdle()
  }

  /** From now on `close` lasts until the server has ended the connection too, so that it never counts one too many. */
  closeWithServer(): void {
    this.#closesWithServer = true
  }

  /** Accepts a request that was checked elsewhere. */
  admit(exchange: Exchange): boolean {
    this.queue.push(exchange)
    return this.#room()
  }

  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { defaults, maxQueued } = this.#site
    const exchange = new Exchange(requestOf(options, defaults), handler)
    const { size, pipelining } = this.queue
    if (size - Math.max(1, pipelining) < maxQueued) return this.admit(exchange)
    exchange.fail(new QueueFullError(`${maxQueued} requests wait already`), UNSENT_CONTEXT)
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
    if (this.#closesWithServer && error instanceof ClientClosedError) this.queue.closeIdle()
    this.queue.destroy(error)
    this.onProgress()
    this.onSocketClosed()
  }

  // What the queue reports

  onProgress(): void {
    if (this.#needDrain && !this.queue.busy) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#site.url, [])
    }
    this.#checkRest()
    this.#lifecycle.settle()
  }

  onConnected(): void {
    this.#lifecycle.onConnect(this.#site.url, [])
    this.#checkRest()
  }

  onDisconnected(error: Error): void {
    const { url } = this.#site
    debug?.(`disconnected from ${url.host}`, error)
    this.#lifecycle.onDisconnect(url, [], error)
  }

  onConnectionError(error: Error): void {
    this.#lifecycle.onConnectionError(this.#site.url, [], error)
  }

  onSocketClosed(): void {
    if (this.#onTornDown === null || this.queue.sockets > 0) return
    this.#onTornDown()
    this.#onTornDown = null
  }

  onHandlerError(error: unknown): void {
    this.#lifecycle.onHandlerError(error)
  }

  #checkRest(): void {
    if (this.#onRest !== null && this.queue.resting) this.#onRest()
  }
}
