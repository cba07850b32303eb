import type { ConnectData, ConnectOptions } from '../api/documented.js'
import { setImmediate } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { positiveInteger, requireFunction, requireObject } from '../errors/option-checks.js'
import { InvalidArgumentError, invalidOption, MaxOriginsReachedError } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import type { Connector } from '../transport/connect.js'
import { Client } from './client.js'
import { resolveClientOptions, resolveSharedConfig } from './client-options.js'
import { ConnectionBudget } from './connection-budget.js'
import type { Dispatcher, UndiciCompatible } from './dispatcher.js'
import {
  closeIdle,
  coreOf,
  type DispatcherCore,
  type DispatcherOwner,
  isClosed,
  type SharedConfig,
} from './dispatcher-core.js'
import { type ConnectCallback, Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { ManagedDispatcher } from './managed-dispatcher.js'
import { Pool } from './pool.js'
import { type DocumentedPoolOptions, type Factory, type PoolOptions, resolvePoolOptions } from './pool-options.js'
import { shareable } from './shared-connectors.js'
import type { ClientStats, PoolStats } from './stats.js'

/** Called with the origin in the form it came with the request, as in undici. */
type AgentFactory = Factory<string | URL, DocumentedPoolOptions>

/** Options of an Agent: those of its pools, and these. Source: undici's `Agent.md`. */
export interface AgentOptions extends Omit<PoolOptions, 'factory'> {
  /** Makes the dispatcher of an origin. Default: a Client when `connections` is 1, otherwise a Pool. */
  factory?: AgentFactory | null
  /** Most origins at once. Default: no limit. */
  maxOrigins?: number
  /**
   * Most connections of all Pools together, those that open or end included: for one more an idle one of another origin
   * is closed, and when all work each origin that waits has its share. Connections of what a factory makes that is no
   * Pool, or a Pool under interceptors, are not counted. Default: no limit.
   */
  maxTotalConnections?: number | null
  /** Most connections of an origin: `connections` is never more. Default: no limit. */
  maxConnectionsPerOrigin?: number | null
}

interface AgentEntry {
  managed: ManagedDispatcher
  /** The origins that it is for: more than one where the factory returns the same dispatcher again. */
  origins: Set<string>
  /** Connections it has now. */
  connected: number
  /** It said that it can take no more, and has not said otherwise since. */
  busy: boolean
}

/** Where to is told with each request. */
export interface Agent {
  connect(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  connect<Opaque = null>(options: ConnectOptions<Opaque>, callback: ConnectCallback<Opaque>): void
  connect<Opaque = null>(options: ConnectOptions<Opaque>): Promise<ConnectData<Opaque>>
}

/** Dispatchers by origin, made when they are needed and closed when they are not. Source: undici's `Agent.md`. */
export class Agent extends LifecycleDispatcher {
  readonly #lifecycle: Lifecycle
  readonly #entries = new Map<string, AgentEntry>()
  readonly #byDispatcher = new Map<Dispatcher, AgentEntry>()
  readonly #closing = new Map<ManagedDispatcher, Promise<void>>()
  /** Origins whose factory call is in progress. */
  readonly #opening = new Set<string>()
  readonly #factory: AgentFactory | null
  readonly #options: PoolOptions
  readonly #config: SharedConfig
  readonly #maxOrigins: number
  #budget: ConnectionBudget | null
  #closeComplete = false

  /** @throws {InvalidArgumentError} an option is not what is documented */
  constructor(options: AgentOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#createCore())
    requireObject('options', options)
    const { factory = null, maxOrigins = Number.POSITIVE_INFINITY, ...others } = unpolluted(options)
    const { maxTotalConnections, maxConnectionsPerOrigin, ...rest } = others
    if (factory !== null) requireFunction('factory', factory)
    if (typeof maxOrigins !== 'number' || !(maxOrigins > 0)) {
      throw invalidOption('maxOrigins', 'a positive number', maxOrigins)
    }
    // TLS sessions outlive the dispatcher of an origin.
    const own = factory === null ? { ...rest, connect: connectorOf(rest) } : withSharedConnector(rest)
    const each = Math.min(rest.connections || Number.POSITIVE_INFINITY, limitOption({ maxConnectionsPerOrigin }))
    this.#options = each === Number.POSITIVE_INFINITY ? own : { ...own, connections: each }
    this.#config = resolveSharedConfig(rest, () => null)
    this.#maxOrigins = maxOrigins
    this.#budget = budgetOf(maxTotalConnections)
    this.#factory = factory
  }

  /** Statistics by origin, of those dispatchers that have any. */
  get stats(): Record<string, ClientStats | PoolStats> {
    const stats: Record<string, ClientStats | PoolStats> = {}
    for (const [origin, { managed }] of this.#entries) {
      const own = (managed.dispatcher as { stats?: ClientStats | PoolStats }).stats
      if (own !== undefined) stats[origin] = own
    }
    return stats
  }

  /** Closes the connections that are idle now, and nothing else. */
  closeIdle(): void {
    for (const dispatcher of [...this.#byDispatcher.keys()]) closeIdle(dispatcher)
  }

  #send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { origin } = options
    if (typeof origin !== 'string' && !(origin instanceof URL)) {
      throw new InvalidArgumentError('origin must be a URL or a non-empty string: an Agent has no default origin')
    }
    const url = originUrlOf(origin)
    const known = this.#openEntry(url.origin)
    const entry = known ?? this.#addOrigin(url, origin)
    try {
      const room = entry.managed.send(options, handler, { origin: url.origin, limits: this.#config.defaults.limits })
      if (!room) entry.busy = true
      return room
    } finally {
      // Requests that are refused must not use up `maxOrigins`.
      if (known === undefined) this.#closeIfUnused(entry)
    }
  }

  /** One that was closed by others is replaced. */
  #openEntry(key: string): AgentEntry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || !isClosed(entry.managed.dispatcher)) return entry
    this.#remove(entry)
    return undefined
  }

  /** `origin`: as it came with the request. */
  #addOrigin(url: URL, origin: string | URL): AgentEntry {
    // A factory may send requests to other origins.
    const opening = [...this.#opening].filter((key) => key !== url.origin && !this.#entries.has(key)).length
    if (this.#entries.size + opening >= this.#maxOrigins) {
      throw new MaxOriginsReachedError(
        `Agent is at its limit of ${this.#maxOrigins} origins (maxOrigins): ${url.origin} was not added`,
      )
    }
    const dispatcher = this.#createDispatcher(url, origin)
    this.#detachOrigin(url.origin, dispatcher)
    const entry = this.#byDispatcher.get(dispatcher) ?? this.#createEntry(dispatcher, url)
    entry.origins.add(url.origin)
    this.#entries.set(url.origin, entry)
    return entry
  }

  #createDispatcher(url: URL, origin: string | URL): Dispatcher {
    const create = this.#factory ?? (this.#budget === null ? defaultFactory : poolFactory)
    this.#opening.add(url.origin)
    try {
      const dispatcher = create(originLike(origin, url), { ...this.#options } as DocumentedPoolOptions)
      if (typeof dispatcher?.dispatch === 'function') return dispatcher
      throw invalidOption('the return value of factory', 'a Dispatcher', dispatcher)
    } finally {
      this.#opening.delete(url.origin)
    }
  }

  /**
   * Removes an origin from its entry, unless the entry has dispatcher `next`. The entry exists when the factory sent a
   * request to the origin that it was called for.
   */
  #detachOrigin(origin: string, next: Dispatcher): void {
    const entry = this.#entries.get(origin)
    if (entry === undefined || entry.managed.dispatcher === next) return
    entry.origins.delete(origin)
    if (entry.origins.size === 0) this.#remove(entry)
  }

  #createEntry(dispatcher: Dispatcher, url: URL): AgentEntry {
    if (this.#budget !== null) coreOf(dispatcher)?.setBudget?.(this.#budget)
    const lifecycle = this.#lifecycle
    const managed = new ManagedDispatcher(
      dispatcher,
      {
        onDispatcherFree: () => this.#onDrain(entry, url, [dispatcher]),
        onDispatcherIdle: () => this.#closeIfIdle(entry),
        onHandlerError: (error) => lifecycle.onHandlerError(error),
      },
      null,
    )
    const entry: AgentEntry = { managed, origins: new Set(), connected: 0, busy: false }
    this.#byDispatcher.set(dispatcher, entry)
    // The factory may return one again that was closed: it notifies one owner at a time.
    for (const one of this.#closing.keys()) if (one.dispatcher === dispatcher) one.unsubscribe()
    managed.subscribe(this.#createOwner(entry), url)
    return entry
  }

  #createOwner(entry: AgentEntry): DispatcherOwner {
    const lifecycle = this.#lifecycle
    return {
      onConnect: (origin, targets) => {
        entry.connected++
        lifecycle.onConnect(origin, targets)
      },
      onDisconnect: (origin, targets, error) => {
        entry.connected--
        lifecycle.onDisconnect(origin, targets, error)
        this.#closeIfIdle(entry)
      },
      onConnectionError: (origin, targets, error) => {
        lifecycle.onConnectionError(origin, targets, error)
        this.#closeIfIdle(entry)
      },
      onDrain: (origin, targets) => {
        if (entry.managed.acceptDrain()) this.#onDrain(entry, origin, targets)
      },
      onClosed: () => this.#remove(entry),
      onHandlerError: (error) => lifecycle.onHandlerError(error),
    }
  }

  #onDrain(entry: AgentEntry, origin: URL, targets: readonly Dispatcher[]): void {
    entry.busy = false
    this.#lifecycle.onDrain(origin, targets)
  }

  /** A crawl over many origins must not keep a pool for each: one without connections and requests is closed. */
  #closeIfIdle(entry: AgentEntry): void {
    // What waits for this connection is failed, or sent again, in this turn.
    setImmediate(() => this.#closeIfUnused(entry))
  }

  #closeIfUnused(entry: AgentEntry): void {
    if (entry.connected <= 0 && !entry.busy && entry.managed.idle) this.#remove(entry)
  }

  #remove(entry: AgentEntry): void {
    const { managed } = entry
    if (this.#byDispatcher.get(managed.dispatcher) !== entry) return
    this.#byDispatcher.delete(managed.dispatcher)
    for (const key of entry.origins) this.#entries.delete(key)
    const left = managed.close()
    this.#closing.set(managed, left)
    left.then(() => {
      // Others may report their last connections a moment later.
      setImmediate(() => {
        this.#closing.delete(managed)
        managed.unsubscribe()
      })
    })
  }

  #createCore(): DispatcherCore {
    return {
      origin: null,
      config: () => this.#config,
      isCloseComplete: () => this.#closeComplete,
      send: (options, handler) => this.#send(options, handler),
      onClose: () => this.#onClose(),
      onDestroy: (error, done) => this.#onDestroy(error, done),
      children: () => this.#dispatchers().map(({ dispatcher }) => dispatcher),
      closeIdle: () => this.closeIdle(),
      setBudget: (budget) => {
        this.#budget = budget
      },
      setOwner: (owner) => this.#lifecycle.setOwner(owner),
      isIdle: () => this.#dispatchers().every(({ idle }) => idle),
    }
  }

  #dispatchers(): ManagedDispatcher[] {
    return [...[...this.#byDispatcher.values()].map(({ managed }) => managed), ...this.#closing.keys()]
  }

  #onClose(): void {
    for (const entry of [...this.#byDispatcher.values()]) this.#remove(entry)
    Promise.all(this.#closing.values()).then(() => {
      // When a factory closed the agent, the dispatcher that it returned was added afterwards.
      if (this.#byDispatcher.size > 0) return this.#onClose()
      this.#closeComplete = true
      this.#lifecycle.finishClose()
    })
  }

  #onDestroy(error: Error, done: () => void): void {
    Promise.all(this.#dispatchers().map((managed) => managed.destroy(error))).then(done, done)
  }
}

/** The types that undici documents, under the same names. */
export declare namespace Agent {
  /** Options of an Agent as programs typed against undici give them. Source: undici's `Agent.md`. */
  export interface Options extends DocumentedPoolOptions {
    /** Makes the dispatcher of an origin. Default: a Client when `connections` is 1, otherwise a Pool. */
    factory?(origin: string | URL, options: object): Dispatcher
    /** Most origins at once. Default: no limit. */
    maxOrigins?: number
  }
  /** Options of one request, its origin among them. Source: undici's `Agent.md`. */
  export interface DispatchOptions extends Dispatcher.DispatchOptions {}
}

/** Only pools take the places of their connections from a budget. */
function poolFactory(origin: string | URL, options: PoolOptions): Dispatcher {
  return new Pool(origin, options)
}

function defaultFactory(origin: string | URL, options: PoolOptions): Dispatcher {
  const { connections, minConnections, maxIdleConnections } = options
  if (connections !== 1 || minConnections || maxIdleConnections != null) return new Pool(origin, options)
  const { connections: _one, clientTtl: _ttl, reuse: _order, ...rest } = options
  return new Client(origin, rest)
}

/** The connections that several dispatchers may have together; null for no limit. */
export function budgetOf(maxTotalConnections: unknown): ConnectionBudget | null {
  const total = limitOption({ maxTotalConnections })
  return total === Number.POSITIVE_INFINITY ? null : new ConnectionBudget(total)
}

/** @throws {InvalidArgumentError} an option is not what is documented */
function connectorOf(options: PoolOptions): Connector {
  return resolveClientOptions(resolvePoolOptions(options).client).connector
}

/** For a factory of the caller, which gets the options as they were given. */
function withSharedConnector(options: PoolOptions): PoolOptions {
  const { connect } = options
  const own = typeof connect === 'object' && connect !== null ? { ...options, connect: shareable(connect) } : options
  connectorOf(own)
  return own
}

function limitOption(option: Record<string, unknown>): number {
  const [name, value] = Object.entries(option)[0] as [string, unknown]
  return positiveInteger(name, value, Number.POSITIVE_INFINITY)
}

/** A string for a string and a URL for a URL, without what is behind the host. */
function originLike(origin: string | URL, url: URL): string | URL {
  if (typeof origin !== 'string') return url
  return new URL(origin).href === url.href ? origin : url.origin
}

/** Of an origin as it is given with a request: what is behind the host does not matter. */
function originUrlOf(origin: string | URL): URL {
  try {
    return new URL(new URL(origin).origin)
  } catch {
    throw invalidOption('origin', 'an http: or https: URL', origin)
  }
}
