import { Tally } from '../base/tally.js'
import type * as errors from '../errors.js'
import { QueueFullError, UNSENT } from '../errors.js'
import { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { type DispatchInput, Request, type RequestDefaults } from '../exchange/request.js'
import type * as options from './client-options.js'
import { type ClientOptions, type DocumentedClientOptions, whole } from './client-options.js'
import { ClientQueue, type ClientQueueListener } from './client-queue.js'
import { LifecycleDispatcher } from './lifecycle.js'
import { siteOf } from './site.js'
import { ClientStats } from './stats.js'

/**
 * A client of one origin over one connection, which it opens when the first request comes and again when it was
 * lost. Source: undici's `Client.md`.
 *
 * Beyond the events of a Dispatcher: `error (error)` when a handler throws where nobody is left to tell.
 */
export class Client extends LifecycleDispatcher {
  readonly #url: URL
  readonly #queue: ClientQueue
  readonly #defaults: RequestDefaults
  readonly #tally = new Tally()
  readonly #maxQueued: number
  #needDrain = false
  #onRoom: (() => void) | null = null
  #onTornDown: (() => void) | null = null

  /**
   * @param url the origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is not what is documented
   */
  constructor(url: URL | string, options: ClientOptions = {}) {
    super()
    const site = siteOf(url, options)
    this.#url = site.url
    this.#defaults = site.defaults
    this.#maxQueued = site.maxQueued
    this.#queue = new ClientQueue({
      listener: this.#listener(),
      options: site.connection,
      parser: site.parser,
      tally: this.#tally,
      pipelining: site.pipelining,
    })
  }

  /** @internal */
  override get boundOrigin(): string {
    return this.#url.origin
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

  /** @internal Counts in `parent` too, from now on. */
  countIn(parent: Tally): void {
    this.#tally.attach(parent)
  }

  /** @internal Tells the pool it is in of room: events are for users. */
  tellRoom(listener: () => void): void {
    this.#onRoom = listener
  }

  /** @internal Takes in a request that was checked elsewhere. */
  admit(exchange: Exchange): boolean {
    this.#queue.push(exchange)
    return this.#room()
  }

  /** What is connected, waiting and under way, in words. */
  override toString(): string {
    const { connected, pending, running } = this.#queue
    return `Client ${this.#url.origin}: ${connected ? 'connected' : 'not connected'}, ${pending} pending, ${running} running`
  }

  protected override send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const exchange = new Exchange(new Request(options, this.#defaults), handler)
    const { size, pipelining } = this.#queue
    if (size - Math.max(1, pipelining) < this.#maxQueued) return this.admit(exchange)
    exchange.fail(new QueueFullError(`${this.#maxQueued} requests wait already`), UNSENT)
    return this.#room()
  }

  /** False when busy: then one `drain` follows. */
  #room(): boolean {
    if (!this.#queue.busy) return true
    this.#needDrain = true
    return false
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
      this.#onRoom?.()
      if (this.listenerCount('drain') > 0) this.emit('drain', this.#url, [this])
    }
    this.settle()
  }

  #listener(): ClientQueueListener {
    return {
      onConnect: () => this.emit('connect', this.#url, [this]),
      onDisconnect: (error) => this.emit('disconnect', this.#url, [this], error),
      onConnectionError: (error) => this.emit('connectionError', this.#url, [this], error),
      onProgress: () => this.#progress(),
      onSocketClosed: () => this.#checkTornDown(),
      onHandlerError: (error) => this.reportHandlerError(error),
    }
  }
}

/** The types that undici documents, under the same names. */
export declare namespace Client {
  export interface Options extends DocumentedClientOptions {}
  export type SocketInfo = errors.SocketInfo
  export type H2Options = options.H2Options
  export type WebSocketOptions = options.WebSocketOptions
  export type EventSourceOptions = options.EventSourceOptions
}
