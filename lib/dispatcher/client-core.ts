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

/** Core of a Client: connects its queue, its lifecycle and the pool that it may belong to. */
export class ClientCore implements DispatcherCore, ClientQueueListener {
  readonly client: Client
  readonly queue: ClientQueue
  readonly #lifecycle: Lifecycle
  readonly #config: OriginConfig
  options?: object | undefined
  #needDrain = false
  #closesGracefully = false
  #onDestroyed: (() => void) | null = null
  #onIdle: (() => void) | null = null

  constructor(client: Client, lifecycle: Lifecycle, config: OriginConfig) {
    this.client = client
    this.#lifecycle = lifecycle
    this.#config = config
    this.queue = new ClientQueue(config, this)
  }

  get origin(): string {
    return this.#config.url.origin
  }

  config(): OriginConfig {
    return this.#config
  }

  isCloseComplete(): boolean {
    return !this.queue.hasActiveRequest
  }

  isIdle(): boolean {
    return this.queue.size === 0
  }

  children(): Iterable<Inspectable> {
    return [this.queue]
  }

  countInto(counters: RequestCounters): void {
    this.queue.countInto(counters)
  }

  setOwner(owner: DispatcherOwner): (() => void) | null {
    return this.#lifecycle.setOwner(owner)
  }

  /** Calls `onIdle` whenever no request is queued or in flight and no connection is being opened. */
  notifyWhenIdle(onIdle: () => void): void {
    this.#onIdle = onIdle
  }

  /** Whether a connection is established or being opened. */
  get hasConnection(): boolean {
    return this.queue.hasConnection
  }

  /** Whether a connection is established and has no request. */
  get hasIdleConnection(): boolean {
    return this.queue.connected && this.queue.idle
  }

  /** Opens a connection without a request. */
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

  /**
   * Makes `close` wait until the server has closed the connection too: the total number of connections is then never
   * exceeded on the server's side.
   */
  closeGracefully(): void {
    this.#closesGracefully = true
  }

  /** Queues a validated request. Returns false if the client is busy afterwards. */
  enqueue(exchange: Exchange): boolean {
    this.queue.push(exchange)
    return this.#checkCapacity()
  }

  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { defaults, maxQueued } = this.#config
    const exchange = new Exchange(requestOf(options, defaults), handler)
    const { size, pipelining } = this.queue
    if (size - Math.max(1, pipelining) < maxQueued) return this.enqueue(exchange)
    exchange.fail(new QueueFullError(`Request queue is full (maxQueued: ${maxQueued})`), UNSENT_CONTEXT)
    return this.#checkCapacity()
  }

  /** Returns false if the client is busy: exactly one `drain` follows. */
  #checkCapacity(): boolean {
    if (!this.queue.busy) return true
    this.#needDrain = true
    return false
  }

  onClose(): void {}

  onDestroy(error: Error, done: () => void): void {
    this.#onDestroyed = done
    if (this.#closesGracefully && error instanceof ClientClosedError) this.queue.closeIdle()
    this.queue.destroy(error)
    this.onProgress()
    this.onSocketClosed()
  }

  // Events of the queue

  onProgress(): void {
    if (this.#needDrain && !this.queue.busy) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#config.url, [])
    }
    this.#checkIdle()
    this.#lifecycle.finishClose()
  }

  onConnected(): void {
    this.#lifecycle.onConnect(this.#config.url, [])
    this.#checkIdle()
  }

  onDisconnected(error: Error, connection: number): void {
    const { url } = this.#config
    debug?.(`#${connection} disconnected from ${url.host}`, error)
    this.#lifecycle.onDisconnect(url, [], error)
  }

  onConnectionError(error: Error): void {
    this.#lifecycle.onConnectionError(this.#config.url, [], error)
  }

  onSocketClosed(): void {
    if (this.#onDestroyed === null || this.queue.sockets > 0) return
    this.#onDestroyed()
    this.#onDestroyed = null
  }

  onHandlerError(error: unknown): void {
    this.#lifecycle.onHandlerError(error)
  }

  #checkIdle(): void {
    if (this.#onIdle !== null && this.queue.idle) this.#onIdle()
  }
}
