import type { ConnectOptions } from '../api/connect.js'
import type { ConnectData } from '../api/documented.js'
import { setImmediate } from '../base/clock.js'
import { atCaller } from '../errors/caller.js'
import { invalidArgument, invalidOption, MaxOriginsReachedError } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput, DispatchOptions } from '../exchange/request.js'
import {
  type AgentFactory,
  type AgentOptions,
  defaultFactory,
  poolFactory,
  resolveAgentOptions,
} from './agent-options.js'
import type { ConnectionBudget } from './connection-budget.js'
import type { Dispatcher } from './dispatcher.js'
import {
  closeIdle,
  coreOf,
  type DispatcherCore,
  type DispatcherOwner,
  isClosed,
  type SharedConfig,
} from './dispatcher-core.js'
import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { ManagedDispatcher } from './managed-dispatcher.js'
import type { PoolFactoryOptions, PoolOptions } from './pool-options.js'
import type { ClientStats, PoolStats } from './stats.js'

interface AgentEntry {
  managed: ManagedDispatcher
  /** Its origins: several if the factory returned the same dispatcher for them. */
  origins: Set<string>
  /** Number of established connections. */
  connected: number
  /** Whether it accepts no more requests until it drains. */
  busy: boolean
}

/** Overloads of `connect`: the origin is an option of each request. */
export interface Agent {
  /** Opens a tunnel by CONNECT. Resolves with its socket. */
  connect<Opaque = null>(options: ConnectOptions<Opaque>): Promise<ConnectData<Opaque>>
  /** Opens a tunnel by CONNECT and calls back with its socket. */
  connect<Opaque = null>(
    options: ConnectOptions<Opaque>,
    callback: (error: Error | null, data: ConnectData<Opaque>) => void,
  ): void
  /** Repeats the first overload: `ReturnType` reads the last one. */
  connect<Opaque = null>(options: ConnectOptions<Opaque>): Promise<ConnectData<Opaque>>
}

/**
 * Dispatcher for any number of origins: creates a dispatcher for each origin when it is first requested, and closes it
 * when it has neither connections nor requests. Source: undici's `Agent.md`.
 * @example
 * const agent = new Agent({ connections: 10 })
 * const { statusCode, body } = await agent.request({ origin: 'http://localhost:3000', path: '/', method: 'GET' })
 * console.log(statusCode, await body.text())
 * await agent.close()
 */
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

  /** @throws {InvalidArgumentError} an option is invalid */
  constructor(options: AgentOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#createCore(), options)
    const resolved = atCaller(Agent, () => resolveAgentOptions(options))
    this.#options = resolved.options
    this.#config = resolved.config
    this.#maxOrigins = resolved.maxOrigins
    this.#budget = resolved.budget
    this.#factory = resolved.factory
  }

  /** Snapshots of connections and requests by origin, of all dispatchers that have `stats`. */
  get stats(): Record<string, ClientStats | PoolStats> {
    const stats: Record<string, ClientStats | PoolStats> = {}
    for (const [origin, { managed }] of this.#entries) {
      const snapshot = (managed.dispatcher as { stats?: ClientStats | PoolStats }).stats
      if (snapshot !== undefined) stats[origin] = snapshot
    }
    return stats
  }

  /** Closes all idle connections. Requests are not affected. */
  closeIdle(): void {
    for (const dispatcher of [...this.#byDispatcher.keys()]) closeIdle(dispatcher)
  }

  #send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { origin } = options
    if (typeof origin !== 'string' && !(origin instanceof URL)) {
      throw invalidArgument('origin must be a URL or a non-empty string: an Agent has no default origin')
    }
    const url = originUrlOf(origin)
    const known = this.#openEntry(url.origin)
    const entry = known ?? this.#addOrigin(url, origin)
    try {
      const accepts = entry.managed.send(options, handler, { origin: url.origin, limits: this.#config.defaults.limits })
      if (!accepts) entry.busy = true
      return accepts
    } finally {
      // An origin whose only request was rejected must not count against `maxOrigins`.
      if (known === undefined) this.#closeIfUnused(entry)
    }
  }

  /** Returns the entry of an origin. Removes it if user code has closed its dispatcher. */
  #openEntry(origin: string): AgentEntry | undefined {
    const entry = this.#entries.get(origin)
    if (entry === undefined || !isClosed(entry.managed.dispatcher)) return entry
    this.#remove(entry)
    return undefined
  }

  /** @param origin as given with the request: the factory receives it in this form */
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
      const dispatcher = create(originLike(origin, url), { ...this.#options } as PoolFactoryOptions)
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
    // The factory may return a dispatcher that is being closed. A dispatcher has one owner at a time.
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

  /** Closes a dispatcher without connections and requests, so that a crawler does not keep one for each origin. */
  #closeIfIdle(entry: AgentEntry): void {
    // Requests that wait for the connection fail, or are sent again, in this event-loop turn.
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
    const closed = managed.close()
    this.#closing.set(managed, closed)
    closed.then(() => {
      // Dispatchers of other libraries may report closed connections a moment later.
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

/** Types that undici documents under these names. */
export declare namespace Agent {
  export type { AgentOptions as Options, DispatchOptions }
}

/** Returns the origin of `url` in the form of `origin`: a string or a URL, without path and query. */
function originLike(origin: string | URL, url: URL): string | URL {
  if (typeof origin !== 'string') return url
  return new URL(origin).href === url.href ? origin : url.origin
}

/** Parses the origin of a request. Path and query are ignored. */
function originUrlOf(origin: string | URL): URL {
  try {
    return new URL(new URL(origin).origin)
  } catch {
    throw invalidOption('origin', 'an http: or https: URL', origin)
  }
}
