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

interface Entry {
  part: ManagedDispatcher
  /** The origins that it is for: more than one where the factory returns the same dispatcher again. */
  keys: Set<string>
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
  readonly #entries = new Map<string, Entry>()
  readonly #byDispatcher = new Map<Dispatcher, Entry>()
  readonly #leaving = new Map<ManagedDispatcher, Promise<void>>()
  /** Origins whose dispatchers are being made. */
  readonly #opening = new Set<string>()
  readonly #factory: AgentFactory | null
  readonly #options: PoolOptions
  readonly #site: SharedConfig
  readonly #maxOrigins: number
  #budget: ConnectionBudget | null
  #emptied = false

  /** @throws {InvalidArgumentError} an option is not what is documented */
  constructor(options: AgentOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.begin(this, this.#core())
    requireObject('options', options)
    const { factory = null, maxOrigins = Number.POSITIVE_INFINITY, ...others } = unpolluted(options)
    const { maxTotalConnections, maxConnectionsPerOrigin, ...rest } = others
    if (factory !== null) requireFunction('factory', factory)
    if (typeof maxOrigins !== 'number' || !(maxOrigins > 0)) {
      throw invalidOption('maxOrigins', 'a number above 0', maxOrigins)
    }
    // TLS sessions outlive the dispatcher of an origin.
    const own = factory === null ? { ...rest, connect: connectorOf(rest) } : withSharedConnector(rest)
    const each = Math.min(rest.connections || Number.POSITIVE_INFINITY, most({ maxConnectionsPerOrigin }))
    this.#options = each === Number.POSITIVE_INFINITY ? own : { ...own, connections: each }
    this.#site = resolveSharedConfig(rest, () => null)
    this.#maxOrigins = maxOrigins
    this.#budget = budgetOf(maxTotalConnections)
    this.#factory = factory
  }

  /** Statistics by origin, of those dispatchers that have any. */
  get stats(): Record<string, ClientStats | PoolStats> {
    const stats: Record<string, ClientStats | PoolStats> = {}
    for (const [origin, { part }] of this.#entries) {
      const own = (part.dispatcher as { stats?: ClientStats | PoolStats }).stats
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
      throw new InvalidArgumentError('origin must be a URL or a non-empty string: an Agent has none of its own')
    }
    const url = urlOf(origin)
    const known = this.#known(url.origin)
    const entry = known ?? this.#open(url, origin)
    try {
      const room = entry.part.send(options, handler, { origin: url.origin, limits: this.#site.defaults.limits })
      if (!room) entry.busy = true
      return room
    } finally {
      // Requests that are refused must not use up `maxOrigins`.
      if (known === undefined) this.#closeIfUnused(entry)
    }
  }

  /** One that was closed by others is replaced. */
  #known(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || !isClosed(entry.part.dispatcher)) return entry
    this.#part(entry)
    return undefined
  }

  /** `origin`: as it came with the request. */
  #open(url: URL, origin: string | URL): Entry {
    // A factory may send requests to other origins.
    const opening = [...this.#opening].filter((key) => key !== url.origin && !this.#entries.has(key)).length
    if (this.#entries.size + opening >= this.#maxOrigins) {
      throw new MaxOriginsReachedError(`No more than ${this.#maxOrigins} origins: ${url.origin} would be one more`)
    }
    const dispatcher = this.#make(url, origin)
    this.#release(url.origin, dispatcher)
    const entry = this.#byDispatcher.get(dispatcher) ?? this.#enter(dispatcher, url)
    entry.keys.add(url.origin)
    this.#entries.set(url.origin, entry)
    return entry
  }

  #make(url: URL, origin: string | URL): Dispatcher {
    const make = this.#factory ?? (this.#budget === null ? defaultFactory : poolFactory)
    this.#opening.add(url.origin)
    try {
      const dispatcher = make(inFormOf(origin, url), { ...this.#options } as DocumentedPoolOptions)
      if (typeof dispatcher?.dispatch === 'function') return dispatcher
      throw invalidOption('what factory returns', 'a Dispatcher', dispatcher)
    } finally {
      this.#opening.delete(url.origin)
    }
  }

  /** `next` takes the place of a dispatcher that was made for a request that the factory sent to the same origin. */
  #release(origin: string, next: Dispatcher): void {
    const entry = this.#entries.get(origin)
    if (entry === undefined || entry.part.dispatcher === next) return
    entry.keys.delete(origin)
    if (entry.keys.size === 0) this.#part(entry)
  }

  #enter(dispatcher: Dispatcher, url: URL): Entry {
    if (this.#budget !== null) coreOf(dispatcher)?.limitBy?.(this.#budget)
    const lifecycle = this.#lifecycle
    const part = new ManagedDispatcher(
      dispatcher,
      {
        onDispatcherFree: () => this.#drain(entry, url, [dispatcher]),
        onDispatcherIdle: () => this.#closeIfIdle(entry),
        onHandlerError: (error) => lifecycle.onHandlerError(error),
      },
      null,
    )
    const entry: Entry = { part, keys: new Set(), connected: 0, busy: false }
    this.#byDispatcher.set(dispatcher, entry)
    // The factory may return one again that was closed: it notifies one owner at a time.
    for (const one of this.#leaving.keys()) if (one.dispatcher === dispatcher) one.disown()
    part.own(this.#ownerOf(entry), url)
    return entry
  }

  #ownerOf(entry: Entry): DispatcherOwner {
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
        if (entry.part.drained()) this.#drain(entry, origin, targets)
      },
      onClosed: () => this.#part(entry),
      onHandlerError: (error) => lifecycle.onHandlerError(error),
    }
  }

  #drain(entry: Entry, origin: URL, targets: readonly Dispatcher[]): void {
    entry.busy = false
    this.#lifecycle.onDrain(origin, targets)
  }

  /** A crawl over many origins must not keep a pool for each: one without connections and requests is closed. */
  #closeIfIdle(entry: Entry): void {
    // What waits for this connection is failed, or sent again, in this turn.
    setImmediate(() => this.#closeIfUnused(entry))
  }

  #closeIfUnused(entry: Entry): void {
    if (entry.connected <= 0 && !entry.busy && entry.part.idle) this.#part(entry)
  }

  #part(entry: Entry): void {
    const { part } = entry
    if (this.#byDispatcher.get(part.dispatcher) !== entry) return
    this.#byDispatcher.delete(part.dispatcher)
    for (const key of entry.keys) this.#entries.delete(key)
    const left = part.close()
    this.#leaving.set(part, left)
    left.then(() => {
      // Others may report their last connections a moment later.
      setImmediate(() => {
        this.#leaving.delete(part)
        part.disown()
      })
    })
  }

  #core(): DispatcherCore {
    return {
      origin: null,
      config: () => this.#site,
      isSettled: () => this.#emptied,
      send: (options, handler) => this.#send(options, handler),
      shutDown: () => this.#shutDown(),
      tearDown: (error, done) => this.#tearDown(error, done),
      parts: () => this.#parts().map(({ dispatcher }) => dispatcher),
      closeIdle: () => this.closeIdle(),
      limitBy: (budget) => {
        this.#budget = budget
      },
      belongTo: (owner) => this.#lifecycle.belongTo(owner),
      isIdle: () => this.#parts().every(({ idle }) => idle),
    }
  }

  #parts(): ManagedDispatcher[] {
    return [...[...this.#byDispatcher.values()].map(({ part }) => part), ...this.#leaving.keys()]
  }

  #shutDown(): void {
    for (const entry of [...this.#byDispatcher.values()]) this.#part(entry)
    Promise.all(this.#leaving.values()).then(() => {
      // A factory may have closed the agent: the dispatcher that it made has a request by now.
      if (this.#byDispatcher.size > 0) return this.#shutDown()
      this.#emptied = true
      this.#lifecycle.settle()
    })
  }

  #tearDown(error: Error, done: () => void): void {
    Promise.all(this.#parts().map((part) => part.destroy(error))).then(done, done)
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
  const total = most({ maxTotalConnections })
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

function most(option: Record<string, unknown>): number {
  const [name, value] = Object.entries(option)[0] as [string, unknown]
  return positiveInteger(name, value, Number.POSITIVE_INFINITY)
}

/** A string for a string and a URL for a URL, without what is behind the host. */
function inFormOf(origin: string | URL, url: URL): string | URL {
  if (typeof origin !== 'string') return url
  return new URL(origin).href === url.href ? origin : url.origin
}

/** Of an origin as it is given with a request: what is behind the host does not matter. */
function urlOf(origin: string | URL): URL {
  try {
    return new URL(new URL(origin).origin)
  } catch {
    throw invalidOption('origin', 'an http: or https: URL', origin)
  }
}
