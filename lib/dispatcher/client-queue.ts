import { queueMicrotask, setImmediate } from '../base/clock.js'
import { Queue } from '../base/queue.js'
import { combineCounters, type RequestCounters } from '../base/request-counters.js'
import { Connection } from '../connection/connection.js'
import { engineFor, loadScriptEngine } from '../connection/engines.js'
import { IdleDelay } from '../connection/idle-check.js'
import type { ConnectionOwner } from '../connection/owner.js'
import { copyForRequest, InformationalError, UNSENT_CONTEXT } from '../errors.js'
import type { Exchange, ExchangeOwner } from '../exchange/exchange.js'
import type { ConnectTimings } from '../exchange/request-timings.js'
import { namesDiffer } from '../transport/connect.js'
import { ConnectionAge } from './connection-age.js'
import { afterEvents } from './events.js'
import { type OpenCallback, OpenCallbacks } from './open-callbacks.js'
import type { OriginConfig } from './origin-config.js'

/** Receives the events of a {@link ClientQueue}. */
export interface ClientQueueListener {
  /** Called after a request completed or failed: the queue may have capacity again, or be empty. */
  onProgress(): void
  onConnected(): void
  onDisconnected(error: Error, connection: number): void
  onConnectionError(error: Error): void
  /** Called when the socket of a disconnected connection is closed. */
  onSocketClosed(): void
  onHandlerError(error: unknown): void
}

/** Queues the requests of a client and sends them over its one connection. */
export class ClientQueue implements ConnectionOwner<Connection>, ExchangeOwner {
  readonly #config: OriginConfig
  readonly #listener: ClientQueueListener
  #counters: RequestCounters | null = null
  readonly #queue = new Queue<Exchange>()
  readonly #idleDelay = new IdleDelay()
  #connection: Connection | null = null
  /** Connections that only deliver the rest of the response to a refused CONNECT. */
  readonly #detached = new Set<Connection>()
  /** `host` header of the request that the current connection was opened for. */
  #host = ''
  #connected = false
  #running = 0
  #pipelining: number
  #pumping = false
  #loadingEngine = false
  #sockets = 0
  /** Whether a request with its own time limits has been queued. */
  #hasDeadlines = false
  #destroyed = false
  /** Null without `maxConnectionAge`. */
  readonly #age: ConnectionAge | null
  #openCallbacks: OpenCallbacks | null = null

  constructor(config: OriginConfig, listener: ClientQueueListener) {
    this.#config = config
    this.#listener = listener
    this.#pipelining = config.pipelining
    const { maxConnectionAge } = config
    const onExpired = () => this.#connection?.close(new InformationalError('the connection reached maxConnectionAge'))
    this.#age = Number.isFinite(maxConnectionAge) ? new ConnectionAge(maxConnectionAge, onExpired) : null
  }

  /** Counts connections and requests in `counters` too, from now on. */
  countInto(counters: RequestCounters): void {
    if (this.#counters?.addsTo(counters)) return
    const { pending, running } = this
    const counts = { connected: this.#connected ? 1 : 0, free: this.#free, pending, running }
    this.#counters = combineCounters(this.#counters, counters, counts)
  }

  inspect(): string {
    return this.#connection?.inspect() ?? (this.#sockets > 0 ? 'closing' : 'not connected')
  }

  get connected(): boolean {
    return this.#connected
  }

  get pending(): number {
    return this.#queue.size
  }

  get running(): number {
    return this.#running
  }

  get size(): number {
    return this.#queue.size + this.#running
  }

  /** Whether a request has neither completed nor been aborted. Aborted requests may still be in flight. */
  get hasActiveRequest(): boolean {
    for (const { hasActiveRequest } of this.#detached) if (hasActiveRequest) return true
    return this.#queue.size > 0 || this.#connection?.hasActiveRequest === true
  }

  /** Number of sockets that are not closed yet. */
  get sockets(): number {
    return this.#sockets
  }

  get pipelining(): number {
    return this.#pipelining
  }

  set pipelining(value: number) {
    this.#pipelining = value
    this.pump()
  }

  /** Whether a connection is established or being opened. */
  get hasConnection(): boolean {
    return this.#connection !== null || this.#loadingEngine
  }

  /** Whether no request is queued or in flight, and no connection is being opened. */
  get idle(): boolean {
    return this.size === 0 && (this.#connected || !this.hasConnection)
  }

  /** Whether another request would have to wait for one that is queued or in flight. */
  get busy(): boolean {
    return this.#queue.size > 0 || this.#running >= Math.max(1, this.#pipelining)
  }

  push(exchange: Exchange): void {
    exchange.owner = this
    if (this.#queue.size === 0 && this.#canSendDirectly(exchange)) return this.#sendDirectly(exchange)
    this.#queue.push(exchange)
    this.#counters?.add('pending', 1)
    exchange.onQueued()
    this.pump()
    if (exchange.deadlines === null) return
    this.#hasDeadlines = true
    exchange.deadlines.setConnecting(exchange.queue !== null && this.#connection?.open === false)
  }

  /**
   * Starts or stops `timeouts.connect` of the queued requests. Must be called before the connector, which may call back
   * synchronously.
   */
  #setConnecting(connecting: boolean): void {
    if (this.#hasDeadlines) for (const exchange of this.#queue) exchange.deadlines?.setConnecting(connecting)
  }

  /** Whether a request that found an empty queue may skip it. Handlers with `onRequestQueued` must see the queue. */
  #canSendDirectly(exchange: Exchange): boolean {
    if (this.#pumping || this.#destroyed || exchange.notifiesQueued || this.#connection === null) return false
    return !this.#needsNewConnection(exchange) && this.#connection.accepts(exchange, this.#pipelining)
  }

  #sendDirectly(exchange: Exchange): void {
    this.#pumping = true
    try {
      this.#connection?.send(exchange, this.#pipelining === 0)
    } finally {
      this.#pumping = false
    }
    if (this.#queue.size > 0) this.pump()
  }

  /** Sends the queued requests that the connection accepts, and opens a connection if there is none. */
  pump(): void {
    if (this.#pumping || this.#destroyed) return
    this.#pumping = true
    try {
      this.#sendQueued()
    } finally {
      this.#pumping = false
    }
  }

  #sendQueued(): void {
    for (let next = this.#queue.head; next !== null; next = this.#queue.head) {
      if (this.#needsNewConnection(next) && !this.#closeForServerName()) break
      if (this.#connection === null) this.#connect(next.request.hostHeader, next.timings === null ? null : {})
      const connection = this.#connection
      // A connector may call back synchronously: handlers and listeners may then have changed queue and connection.
      if (connection === null && this.#queue.size > 0 && !this.#loadingEngine) setImmediate(() => this.pump())
      if (connection === null) break
      if (next !== this.#queue.head) continue
      if (!connection.accepts(next, this.#pipelining)) {
        connection.checkIdle()
        break
      }
      this.#queue.shift()
      this.#counters?.add('pending', -1)
      connection.send(next, this.#pipelining === 0)
    }
  }

  /**
   * Whether the certificate of the current connection was verified for another name than `next` has (RFC 9110 §4.3.4).
   */
  #needsNewConnection(next: Exchange): boolean {
    return this.#connection !== null && this.#hasOtherServerName(next)
  }

  /** Whether the TLS server name of a request differs from that of the connection opened last. */
  #hasOtherServerName({ request }: Exchange): boolean {
    const { target, connector } = this.#config.connection
    return request.hostHeader !== this.#host && namesDiffer(connector, target, [request.hostHeader, this.#host])
  }

  /** Closes the connection so that one for another server name can be opened. Returns false while it is not idle. */
  #closeForServerName(): boolean {
    const connection = this.#connection as Connection
    if (!connection.open || connection.running > 0) return false
    connection.destroy(new InformationalError('the TLS server name changed'))
    return true
  }

  /** Opens a connection, even if no request is queued. Calls `callback` when it is established, or failed to open. */
  open(callback: OpenCallback): void {
    if (this.#connected) return callback(null)
    this.#openCallbacks ??= new OpenCallbacks()
    this.#openCallbacks.add(callback)
    this.#openForCallbacks()
  }

  #openForCallbacks(): void {
    if (this.#openCallbacks !== null && this.#connection === null && !this.#destroyed)
      this.#connect(this.#config.defaults.host, null)
  }

  #notifyOpened(error: Error | null): void {
    const callbacks = this.#openCallbacks
    this.#openCallbacks = null
    callbacks?.notify(error)
  }

  /** Closes the connection if no request uses it. */
  closeIdle(): void {
    if (this.idle) this.#connection?.halfClose(new InformationalError('the idle connection was closed'))
  }

  /** @param host `host` header of the request that the connection is opened for */
  #connect(host: string, timings: ConnectTimings | null): void {
    if (this.#loadingEngine) return
    try {
      const engine = engineFor(this.#config.parser)
      if (engine === null) return this.#loadEngine()
      const idleDelay = this.#idleDelay
      this.#connection = new Connection(this, this.#config.connection, { engine, timings, idleDelay })
    } catch (error) {
      // Without a parser no request can be sent.
      this.#notifyOpened(error as Error)
      this.#failQueued(error as Error, false)
      return queueMicrotask(() => this.#listener.onProgress())
    }
    this.#host = host
    this.#setConnecting(true)
    this.#connection.connect(host)
  }

  #loadEngine(): void {
    this.#loadingEngine = true
    const done = () => {
      this.#loadingEngine = false
      this.pump()
      this.#openForCallbacks()
      this.#listener.onProgress()
    }
    loadScriptEngine().then(done, (error: Error) => {
      this.#notifyOpened(error)
      this.#failQueued(error, false)
      done()
    })
  }

  /** Fails all requests and closes all connections. */
  destroy(error: Error): void {
    this.#destroyed = true
    this.#notifyOpened(error)
    this.#failQueued(error, false)
    this.#connection?.destroy(error)
    this.#connection = null
    for (const connection of this.#detached) connection.destroy(error)
    // When a handler aborted a request in flight, its connection has returned the pipelined requests behind it.
    this.#failQueued(error, false)
  }

  #failQueued(error: Error, connecting: boolean): void {
    let copy = error
    // Iterates a copy: requests that handlers send from here may succeed.
    for (const next of [...this.#queue]) {
      // A failed attempt for one TLS server name does not fail requests for another.
      if ((connecting && this.#hasOtherServerName(next)) || !this.#queue.remove(next)) continue
      this.#counters?.add('pending', -1)
      const context = { ...UNSENT_CONTEXT, phase: connecting ? 'connect' : 'queued' } as const
      if (this.#destroyed) next.failDestroyed(error, context)
      else next.fail(copy, context)
      copy = copyForRequest(error)
    }
  }

  get #free(): number {
    return this.#connected && this.#running === 0 ? 1 : 0
  }

  /** Updates the counters to the current state of the connection. */
  #updateCounters(): void {
    const connection = this.#connection
    const connected = connection?.open === true
    const running = connected ? (connection as Connection).running : 0
    const free = connected && running === 0 ? 1 : 0
    const wasFree = this.#free
    if (connected !== this.#connected) this.#counters?.add('connected', connected ? 1 : -1)
    if (free !== wasFree) this.#counters?.add('free', free - wasFree)
    if (running !== this.#running) this.#counters?.add('running', running - this.#running)
    this.#connected = connected
    this.#running = running
  }

  // Events of the connection

  onConnected(connection: Connection): void {
    if (connection !== this.#connection) return
    this.#sockets++
    this.#setConnecting(false)
    this.#updateCounters()
    this.#age?.start()
    this.#listener.onConnected()
    this.#notifyOpened(null)
    // With pipelining the connection accepts more requests behind the first.
    this.onReady()
  }

  onConnectFailed(connection: Connection, error: Error): void {
    if (connection !== this.#connection) return
    this.#connection = null
    const callbacks = this.#openCallbacks
    this.#openCallbacks = null
    this.#listener.onConnectionError(error)
    if (callbacks !== null) afterEvents(() => callbacks.notify(error))
    this.#failQueued(error, true)
    this.#listener.onProgress()
    if (this.#queue.size > 0) this.pump()
  }

  onRunningChanged(): void {
    this.#updateCounters()
  }

  onReady(): void {
    this.pump()
    this.#listener.onProgress()
  }

  onDetached(connection: Connection): void {
    this.onDisconnected(connection, new InformationalError('CONNECT was refused'), [])
    this.#detached.add(connection)
  }

  onDisconnected(connection: Connection, error: Error, unstarted: Exchange[]): void {
    if (this.#detached.delete(connection)) return queueMicrotask(() => this.#listener.onProgress())
    const wasConnected = this.#connected
    if (connection === this.#connection) {
      this.#connection = null
      this.#age?.stop()
    }
    for (const exchange of unstarted.reverse()) {
      exchange.owner = this
      this.#queue.unshift(exchange)
    }
    this.#counters?.add('pending', unstarted.length)
    this.#updateCounters()
    if (wasConnected) this.#listener.onDisconnected(error, connection.id)
    // Failed requests are notified first: a request that their callers send then is queued behind the others.
    queueMicrotask(() => {
      this.pump()
      this.#listener.onProgress()
    })
  }

  onClosed(): void {
    this.#sockets--
    this.#listener.onSocketClosed()
  }

  // Calls of handlers whose request is queued

  onExchangeAborted(exchange: Exchange): void {
    if (!this.#queue.remove(exchange)) return
    this.#counters?.add('pending', -1)
    this.#listener.onProgress()
  }

  onExchangePaused(): void {}
  onExchangeResumed(): void {}

  onHandlerError(error: unknown): void {
    this.#listener.onHandlerError(error)
  }
}
