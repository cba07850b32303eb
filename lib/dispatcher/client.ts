import type { Tally } from '../base/tally.js'
import { debug, heedNodeDebug } from '../diagnostics/debug.js'
import type * as errors from '../errors.js'
import { ClientClosedError, ClientDestroyedError, QueueFullError, UNSENT } from '../errors.js'
import { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { type DispatchInput, Request } from '../exchange/request.js'
import type * as options from './client-options.js'
import { type ClientOptions, type DocumentedClientOptions, whole } from './client-options.js'
import { ClientQueue, type ClientQueueEvent } from './client-queue.js'
import type { Dispatcher } from './dispatcher.js'
import type { Inspectable } from './inspect.js'
import { LifecycleDispatcher } from './lifecycle.js'
import { type Site, siteOf } from './site.js'
import { ClientStats } from './stats.js'

/** Who made a client for itself alone, and hears of its events. */
export interface ClientOwner {
  onDrain(origin: URL, targets: readonly Dispatcher[]): void
  onConnect(origin: URL, targets: readonly Dispatcher[]): void
  onDisconnect(origin: URL, targets: readonly Dispatcher[], error: Error): void
  onConnectionError(origin: URL, targets: readonly Dispatcher[], error: Error): void
}

/**
 * A client of one origin over one connection, which it opens when the first request comes and again when it was
 * lost. Source: undici's `Client.md`.
 *
 * Beyond the events of a Dispatcher: `error (error)` when a handler throws where nobody is left to tell.
 */
export class Client extends LifecycleDispatcher {
  readonly #site: Site
  readonly #queue: ClientQueue
  #needDrain = false
  #owner: ClientOwner | null = null
  #onTornDown: (() => void) | null = null
  #onRest: (() => void) | null = null

  /**
   * @param url the origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is not what is documented
   */
  constructor(url: URL | string, options: ClientOptions = {}) {
    super()
    heedNodeDebug()
    // As before the constructor of EventEmitter, which makes a table: most clients are a pool's, and nobody listens.
    ;(this as { _events?: unknown })._events = undefined
    this.#site = siteOf(url, options)
    this.#queue = new ClientQueue(this.#site, this.#told.bind(this))
  }

  /** @internal */
  override get boundOrigin(): string {
    return this.#site.url.origin
  }

  /** Requests under way on the connection at once. */
  get pipelining(): number {
    return this.#queue.pipelining
  }

  set pipelining(value: number) {
    this.#queue.pipelining = whole('pipelining', value, 1)
  }

  /** A snapshot of what is connected, waiting and under way. */
  get stats(): ClientStats {
    return new ClientStats(this.#queue)
  }

  /**
   * Connects, TLS included, and sends nothing; done when there is a connection.
   * @throws {ClientClosedError | ClientDestroyedError} by rejection, or what failed
   */
  warm(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) reject(this.destroyed ? new ClientDestroyedError() : new ClientClosedError())
      else this.#queue.open((error) => (error === null ? resolve() : reject(error)))
    })
  }

  /** Closes the connection if it is idle, and nothing else: the next request opens another. */
  closeIdle(): void {
    this.#queue.closeIdle()
  }

  /** @internal Counts in `tally`, from now on. */
  countIn(tally: Tally): void {
    this.#queue.countIn(tally)
  }

  /** @internal Tells `owner` what happens: events are for users. False when it tells another one already. */
  belongTo(owner: ClientOwner): boolean {
    if (this.#owner !== null) return false
    this.#owner = owner
    return true
  }

  /** @internal Tells each time that nothing waits, runs or is being opened. */
  whenResting(onRest: () => void): void {
    this.#onRest = onRest
  }

  /** @internal There is a connection, or one is being opened. */
  get opened(): boolean {
    return this.#queue.opened
  }

  /** @internal Connected, with nothing to do. */
  get idle(): boolean {
    return this.#queue.connected && this.#queue.resting
  }

  /** @internal Takes in a request that was checked elsewhere. */
  admit(exchange: Exchange): boolean {
    this.#queue.push(exchange)
    return this.#room()
  }

  override toString(): string {
    return this.inspect()
  }

  protected override send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { defaults, maxQueued } = this.#site
    const exchange = new Exchange(new Request(options, defaults), handler)
    const { size, pipelining } = this.#queue
    if (size - Math.max(1, pipelining) < maxQueued) return this.admit(exchange)
    exchange.fail(new QueueFullError(`${maxQueued} requests wait already`), UNSENT)
    return this.#room()
  }

  /** False when busy: then one `drain` follows. */
  #room(): boolean {
    if (!this.#queue.busy) return true
    this.#needDrain = true
    return false
  }

  protected override get parts(): Iterable<Inspectable> {
    return [this.#queue]
  }

  protected override get settled(): boolean {
    return this.#queue.size === 0
  }

  protected override tearDown(error: Error, done: () => void): void {
    this.#onTornDown = done
    this.#queue.destroy(error)
    this.#progress()
    this.#checkTornDown()
  }

  #checkTornDown(): void {
    if (this.#onTornDown === null || this.#queue.sockets > 0) return
    this.#onTornDown()
    this.#onTornDown = null
  }

  #progress(): void {
    if (this.#needDrain && !this.#queue.busy) {
      this.#needDrain = false
      this.#owner?.onDrain(this.#site.url, [this])
      if (this.listenerCount('drain') > 0) this.emit('drain', this.#site.url, [this])
    }
    if (this.#onRest !== null && this.#queue.resting) this.#onRest()
    this.settle()
  }

  #told(event: ClientQueueEvent, error?: Error): void {
    const { url } = this.#site
    switch (event) {
      case 'progress':
        return this.#progress()
      case 'connect':
        this.#owner?.onConnect(url, [this])
        this.emit(event, url, [this])
        if (this.#onRest !== null && this.#queue.resting) this.#onRest()
        break
      case 'disconnect':
        debug?.(`disconnected from ${url.host}`, error)
        this.#owner?.onDisconnect(url, [this], error as Error)
        this.emit(event, url, [this], error as Error)
        break
      case 'connectionError':
        this.#owner?.onConnectionError(url, [this], error as Error)
        this.emit(event, url, [this], error as Error)
        break
      case 'socketClosed':
        return this.#checkTornDown()
      case 'handlerError':
        this.reportHandlerError(error)
    }
  }
}

/** The types that undici documents, under the same names. */
export declare namespace Client {
  /** Options of a Client as programs typed against undici give them. Source: undici's `Client.md`. */
  export interface Options extends DocumentedClientOptions {}
  export type SocketInfo = errors.SocketInfo
  export type H2Options = options.H2Options
  export type WebSocketOptions = options.WebSocketOptions
  export type EventSourceOptions = options.EventSourceOptions
}
