import { Alarm, type AlarmListener, queueMicrotask, setImmediate } from '../base/clock.js'
import { Queue } from '../base/queue.js'
import { combineCounters, type RequestCounters } from '../base/request-counters.js'
import { Connection } from '../connection/connection.js'
import { engineFor, loadScriptEngine } from '../connection/engines.js'
import { IdleDelay } from '../connection/idle-check.js'
import type { ConnectionOwner } from '../connection/owner.js'
import { copyForRequest, InformationalError, UNSENT_CONTEXT } from '../errors.js'
import type { Exchange, ExchangeOwner } from '../exchange/exchange.js'
import type { ConnectTimings } from '../exchange/request-timings.js'
import { differInName } from '../transport/connect.js'
import { afterEvents } from './events.js'
import type { OriginConfig } from './origin-config.js'

/** What a client's queue reports. */
export interface ClientQueueListener {
  /** A request was answered or failed: there may be capacity, or nothing left. */
  onProgress(): void
  onConnected(): void
  onDisconnected(error: Error): void
  onConnectionError(error: Error): void
  /** The socket of a connection that had ended is closed. */
  onSocketClosed(): void
  onHandlerError(error: unknown): void
}
type Opened = (error: Error | null) => void

/** By how much of it a connection may end before its age, so that not all end at once. */
const JITTER = 0.1

/** The requests that wait for one origin, and the one connection that serves them. */
export class ClientQueue implements ConnectionOwner, ExchangeOwner, AlarmListener {
  readonly #site: OriginConfig
  readonly #listener: ClientQueueListener
  #tally: RequestCounters | null = null
  readonly #waiting = new Queue<Exchange>()
  readonly #rest = new IdleDelay()
  #connection: Connection | null = null
  /** Those that serve the rest of a refused CONNECT. */
  readonly #detached = new Set<Connection>()
  /** The `host` field of the request that it was opened for. */
  #host = ''
  #connected = false
  #running = 0
  #pipelining: number
  #pumping = false
  #loading = false
  #sockets = 0
  /** One with limits of its own has waited here. */
  #hurried = false
  #halted = false
  /** For the end of the connection's life; null when that has none. */
  #age: Alarm | null = null
  /** Who wants to know when there is a connection, requests or not. */
  #expecting: Opened[] | null = null

  constructor(site: OriginConfig, listener: ClientQueueListener) {
    this.#site = site
    this.#listener = listener
    this.#pipelining = site.pipelining
  }

  /** Counts in `tally`, from now on, and in those before. */
  countIn(tally: RequestCounters): void {
    if (this.#tally?.addsTo(tally)) return
    const { pending, running } = this
    const counts = { connected: this.#connected ? 1 : 0, free: this.#free, pending, running }
    this.#tally = combineCounters(this.#tally, tally, counts)
  }

  inspect(): string {
    return this.#connection?.inspect() ?? (this.#sockets > 0 ? 'closing' : 'not connected')
  }

  get connected(): boolean {
    return this.#connected
  }

  get pending(): number {
    return this.#waiting.size
  }

  get running(): number {
    return this.#running
  }

  get size(): number {
    return this.#waiting.size + this.#running
  }

  /** Whether a caller waits for a request: aborted ones may still be in flight. */
  get awaited(): boolean {
    for (const { hasActiveRequest: awaited } of this.#detached) if (awaited) return true
    return this.#waiting.size > 0 || this.#connection?.hasActiveRequest === true
  }

  /** Sockets that are not closed yet. */
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

  /** There is a connection, or one is being opened. */
  get opened(): boolean {
    return this.#connection !== null || this.#loading
  }

  /** Nothing waits, nothing runs, and no connection is being opened. */
  get resting(): boolean {
    return this.size === 0 && (this.#connected || !this.opened)
  }

  /** As many requests are here as may be under way at once. */
  get busy(): boolean {
    return this.#waiting.size > 0 || this.#running >= Math.max(1, this.#pipelining)
  }

  push(exchange: Exchange): void {
    exchange.owner = this
    if (this.#waiting.size === 0 && this.#mayPass(exchange)) return this.#pass(exchange)
    this.#waiting.push(exchange)
    this.#tally?.add('pending', 1)
    exchange.onQueued()
    this.pump()
    if (exchange.deadlines === null) return
    this.#hurried = true
    exchange.deadlines.setConnecting(exchange.queue !== null && this.#connection?.open === false)
  }

  /** Some limit how long a connection may take to open. Called first: a connector may call back at once. */
  #tellConnecting(begun: boolean): void {
    if (this.#hurried) for (const exchange of this.#waiting) exchange.deadlines?.setConnecting(begun)
  }

  /** Nobody is before it, nobody wants to hear that it waits, and the connection takes it. */
  #mayPass(exchange: Exchange): boolean {
    if (this.#pumping || this.#halted || exchange.notifiesQueued || this.#connection === null) return false
    return !this.#isNamedOtherwise(exchange) && this.#connection.accepts(exchange, this.#pipelining)
  }

  #pass(exchange: Exchange): void {
    this.#pumping = true
    try {
      this.#connection?.send(exchange, this.#pipelining === 0)
    } finally {
      this.#pumping = false
    }
    if (this.#waiting.size > 0) this.pump()
  }

  /** Writes what may be written, and connects when there is nothing to write to. */
  pump(): void {
    if (this.#pumping || this.#halted) return
    this.#pumping = true
    try {
      this.#sendWaiting()
    } finally {
      this.#pumping = false
    }
  }

  #sendWaiting(): void {
    for (let next = this.#waiting.head; next !== null; next = this.#waiting.head) {
      if (this.#isNamedOtherwise(next) && !this.#retire()) break
      if (this.#connection === null) this.#connect(next.request.hostHeader, next.timings === null ? null : {})
      const connection = this.#connection
      // A connector that answers at once lets handlers and listeners change all of it.
      if (connection === null && this.#waiting.size > 0 && !this.#loading) setImmediate(() => this.pump())
      if (connection === null) break
      if (next !== this.#waiting.head) continue
      if (!connection.accepts(next, this.#pipelining)) {
        connection.checkIdle()
        break
      }
      this.#waiting.shift()
      this.#tally?.add('pending', -1)
      connection.send(next, this.#pipelining === 0)
    }
  }

  /** What a server proved of itself by its certificate it proved for one name (RFC 9110 §4.3.4). */
  #isNamedOtherwise(next: Exchange): boolean {
    return this.#connection !== null && this.#differsInName(next)
  }

  /** Whether its TLS server name is another than that of the connection opened last. */
  #differsInName({ request }: Exchange): boolean {
    const { target, connector } = this.#site.connection
    return request.hostHeader !== this.#host && differInName(connector, target, [request.hostHeader, this.#host])
  }

  /** Lets the connection go, once it is idle. */
  #retire(): boolean {
    const connection = this.#connection as Connection
    if (!connection.open || connection.running > 0) return false
    connection.destroy(new InformationalError('the TLS server name changed'))
    return true
  }

  /** Connects, though nothing waits; tells once it has, or could not. */
  open(opened: Opened): void {
    if (this.#connected) return opened(null)
    this.#expecting = [...(this.#expecting ?? []), opened]
    this.#openExpected()
  }

  #openExpected(): void {
    if (this.#expecting !== null && this.#connection === null && !this.#halted)
      this.#connect(this.#site.defaults.host, null)
  }

  #tellOpened(error: Error | null): void {
    const expecting = this.#expecting ?? []
    this.#expecting = null
    tellOpened(expecting, error)
  }

  /** Closes the connection if nothing needs it now. */
  closeIdle(): void {
    if (this.resting) this.#connection?.halfClose(new InformationalError('the idle connection was closed'))
  }

  /** `host`: the `host` field of the request that it is opened for. */
  #connect(host: string, marks: ConnectTimings | null): void {
    if (this.#loading) return
    try {
      const engine = engineFor(this.#site.parser)
      if (engine === null) return this.#load()
      this.#connection = new Connection(this, this.#site.connection, { engine, timings: marks, idleDelay: this.#rest })
    } catch (error) {
      // No parser: then there is none for any of them.
      this.#tellOpened(error as Error)
      this.#failWaiting(error as Error, false)
      return queueMicrotask(() => this.#listener.onProgress())
    }
    this.#host = host
    this.#tellConnecting(true)
    this.#connection.connect(host)
  }

  #load(): void {
    this.#loading = true
    const done = () => {
      this.#loading = false
      this.pump()
      this.#openExpected()
      this.#listener.onProgress()
    }
    loadScriptEngine().then(done, (error: Error) => {
      this.#tellOpened(error)
      this.#failWaiting(error, false)
      done()
    })
  }

  /** Fails all that waits and all that runs; nothing is connected any more after. */
  destroy(error: Error): void {
    this.#halted = true
    this.#tellOpened(error)
    this.#failWaiting(error, false)
    this.#connection?.destroy(error)
    this.#connection = null
    for (const connection of this.#detached) connection.destroy(error)
    // A handler that gave up a request under way let its connection put those back that were behind it.
    this.#failWaiting(error, false)
  }

  #failWaiting(error: Error, connecting: boolean): void {
    let own = error
    // Not those that handlers send now: they may have better luck.
    for (const next of [...this.#waiting]) {
      // What failed for one server name says nothing of another.
      if ((connecting && this.#differsInName(next)) || !this.#waiting.remove(next)) continue
      this.#tally?.add('pending', -1)
      const context = { ...UNSENT_CONTEXT, phase: connecting ? 'connect' : 'queued' } as const
      if (this.#halted) next.failDestroyed(error, context)
      else next.fail(own, context)
      own = copyForRequest(error)
    }
  }

  get #free(): number {
    return this.#connected && this.#running === 0 ? 1 : 0
  }

  /** Brings the counts up to what the connection holds now. */
  #count(): void {
    const connection = this.#connection
    const connected = connection?.open === true
    const running = connected ? (connection as Connection).running : 0
    const free = connected && running === 0 ? 1 : 0
    const wasFree = this.#free
    if (connected !== this.#connected) this.#tally?.add('connected', connected ? 1 : -1)
    if (free !== wasFree) this.#tally?.add('free', free - wasFree)
    if (running !== this.#running) this.#tally?.add('running', running - this.#running)
    this.#connected = connected
    this.#running = running
  }

  // What the connection tells

  onConnected(connection: Connection): void {
    if (connection !== this.#connection) return
    this.#sockets++
    this.#tellConnecting(false)
    this.#count()
    const { maxConnectionAge } = this.#site
    if (maxConnectionAge < Number.POSITIVE_INFINITY) {
      this.#age ??= new Alarm(this)
      this.#age.set(maxConnectionAge * (1 - JITTER * Math.random()))
    }
    this.#listener.onConnected()
    this.#tellOpened(null)
    // With pipelining there is capacity behind the first request.
    this.onReady()
  }

  onConnectFailed(connection: Connection, error: Error): void {
    if (connection !== this.#connection) return
    this.#connection = null
    const expecting = this.#expecting
    this.#expecting = null
    this.#listener.onConnectionError(error)
    if (expecting !== null) afterEvents(() => tellOpened(expecting, error))
    this.#failWaiting(error, true)
    this.#listener.onProgress()
    if (this.#waiting.size > 0) this.pump()
  }

  onAlarm(): void {
    this.#connection?.close(new InformationalError('the connection reached maxConnectionAge'))
  }

  onRunningChanged(): void {
    this.#count()
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
      this.#age?.dispose()
    }
    for (const exchange of unstarted.reverse()) {
      exchange.owner = this
      this.#waiting.unshift(exchange)
    }
    this.#tally?.add('pending', unstarted.length)
    this.#count()
    if (wasConnected) this.#listener.onDisconnected(error)
    // Those that fail hear of it first: a request of theirs made then comes in behind what waits.
    queueMicrotask(() => {
      this.pump()
      this.#listener.onProgress()
    })
  }

  onClosed(): void {
    this.#sockets--
    this.#listener.onSocketClosed()
  }

  // What handlers ask for while they wait

  onExchangeAborted(exchange: Exchange): void {
    if (!this.#waiting.remove(exchange)) return
    this.#tally?.add('pending', -1)
    this.#listener.onProgress()
  }

  onExchangePaused(): void {}
  onExchangeResumed(): void {}

  onHandlerError(error: unknown): void {
    this.#listener.onHandlerError(error)
  }
}

function tellOpened(expecting: readonly Opened[], error: Error | null): void {
  for (const opened of expecting) opened(error === null ? null : copyForRequest(error))
}
