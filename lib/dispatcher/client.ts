import { enableNodeDebug } from '../diagnostics/debug.js'
import { atCaller } from '../errors/caller.js'
import type { SocketInfo } from '../errors.js'
import { ClientCore } from './client-core.js'
import {
  type ClientOptions,
  type EventSourceOptions,
  type H2Options,
  pipeliningOf,
  type WebSocketOptions,
} from './client-options.js'
import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { originConfigOf } from './origin-config.js'
import { ClientStats } from './stats.js'

/**
 * Client for one origin with one connection, which is opened with the first request and again after it was closed.
 * Emits `error (error)`, beyond the events of a Dispatcher, when a handler throws in its last callback. Source:
 * undici's `Client.md`.
 * @example
 * const client = new Client('http://localhost:3000')
 * const { statusCode, body } = await client.request({ path: '/', method: 'GET' })
 * console.log(statusCode, await body.json())
 * await client.close()
 */
export class Client extends LifecycleDispatcher {
  readonly #core: ClientCore

  /**
   * @param url origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is invalid
   */
  constructor(url: URL | string, options: ClientOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    enableNodeDebug()
    // Drops the table that the constructor of EventEmitter has created: most clients belong to a pool, without
    // listeners.
    ;(this as { _events?: unknown })._events = undefined
    const config = atCaller(Client, () => originConfigOf(url, options))
    this.#core = new ClientCore(this, lifecycle, config)
    // A client that shares the configuration of its pool has no options of its own.
    lifecycle.bind(this, this.#core, config.url === url ? {} : options)
  }

  /** Maximum number of requests in flight on the connection. */
  get pipelining(): number {
    return this.#core.queue.pipelining
  }

  set pipelining(value: number) {
    this.#core.queue.pipelining = pipeliningOf(value)
  }

  /** Snapshot of the connection and of the queued and running requests. */
  get stats(): ClientStats {
    return new ClientStats(this.#core.queue)
  }

  /**
   * Opens a connection, TLS included, without sending a request. Resolves when it is established.
   * @throws {ClientClosedError} by rejection, after `close`
   * @throws {ClientDestroyedError} by rejection, after `destroy`; other rejections have the connection error
   */
  warm(): Promise<void> {
    return this.#core.warm()
  }

  /** Closes the connection if it is idle. The next request opens another. */
  closeIdle(): void {
    this.#core.closeIdle()
  }
}

/** Types that undici documents under these names. */
export declare namespace Client {
  export type { ClientOptions as Options, EventSourceOptions, H2Options, SocketInfo, WebSocketOptions }
}
