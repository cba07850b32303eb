import { enableNodeDebug } from '../diagnostics/debug.js'
import type * as errors from '../errors.js'
import { ClientCore } from './client-core.js'
import type * as options from './client-options.js'
import { type ClientOptions, type DocumentedClientOptions, pipeliningOf } from './client-options.js'
import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { originConfigOf } from './origin-config.js'
import { ClientStats } from './stats.js'

/**
 * A client of one origin over one connection, which it opens when the first request comes and again when it was
 * lost. Source: undici's `Client.md`.
 *
 * Beyond the events of a Dispatcher: `error (error)` when a handler throws where nobody is left to tell.
 */
export class Client extends LifecycleDispatcher {
  readonly #core: ClientCore

  /**
   * @param url the origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is not what is documented
   */
  constructor(url: URL | string, options: ClientOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    enableNodeDebug()
    // As before the constructor of EventEmitter, which makes a table: most clients are a pool's, and nobody listens.
    ;(this as { _events?: unknown })._events = undefined
    this.#core = new ClientCore(this, lifecycle, originConfigOf(url, options))
    lifecycle.bind(this, this.#core)
  }

  /** Requests under way on the connection at once. */
  get pipelining(): number {
    return this.#core.queue.pipelining
  }

  set pipelining(value: number) {
    this.#core.queue.pipelining = pipeliningOf(value)
  }

  /** A snapshot of what is connected, waiting and under way. */
  get stats(): ClientStats {
    return new ClientStats(this.#core.queue)
  }

  /**
   * Connects, TLS included, and sends nothing; done when there is a connection.
   * @throws {ClientClosedError | ClientDestroyedError} by rejection, or what failed
   */
  warm(): Promise<void> {
    return this.#core.warm()
  }

  /** Closes the connection if it is idle, and nothing else: the next request opens another. */
  closeIdle(): void {
    this.#core.closeIdle()
  }

  override toString(): string {
    return this.inspect()
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
