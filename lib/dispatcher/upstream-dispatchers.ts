import { setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { faultOf } from '../errors/faults.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, type DispatcherOwner } from './dispatcher-core.js'
import type { Lifecycle } from './lifecycle.js'
import { ManagedDispatcher } from './managed-dispatcher.js'
import type { Upstream } from './upstream.js'

/** Receives the events of upstream dispatchers, once for each of their upstreams. */
export interface UpstreamDispatchersListener {
  onUpstreamConnect(upstream: Upstream): void
  /** Called when a connection failed, or could not be established. */
  onUpstreamFailure(upstream: Upstream): void
  onUpstreamFree(upstream: Upstream, targets: readonly Dispatcher[]): void
  onUpstreamClosed(upstream: Upstream): void
}

interface DispatcherEntry {
  managed: ManagedDispatcher
  /** Several if the factory returned the same dispatcher for them. */
  upstreams: Set<Upstream>
}

/**
 * Dispatchers of the upstreams of a BalancedPool. A dispatcher that the factory returns for several upstreams, or again
 * while it is closing, has one entry: its events count once, and it is closed with its last upstream.
 */
export class UpstreamDispatchers {
  readonly #counters: RequestCounters
  readonly #lifecycle: Lifecycle
  readonly #listener: UpstreamDispatchersListener
  readonly #entries = new Map<Dispatcher, DispatcherEntry>()
  readonly #closing = new Map<DispatcherEntry, Promise<void>>()

  constructor(counters: RequestCounters, lifecycle: Lifecycle, listener: UpstreamDispatchersListener) {
    this.#counters = counters
    this.#lifecycle = lifecycle
    this.#listener = listener
  }

  /** All dispatchers, those that are closing included. */
  get all(): ManagedDispatcher[] {
    return [...this.#entries.values(), ...this.#closing.keys()].map(({ managed }) => managed)
  }

  has(dispatcher: Dispatcher): boolean {
    return this.all.some((managed) => managed.dispatcher === dispatcher)
  }

  /** Adds an upstream, which `make` creates for the entry of `dispatcher`. */
  add(dispatcher: Dispatcher, url: URL, make: (managed: ManagedDispatcher) => Upstream): Upstream {
    const entry = this.#entries.get(dispatcher) ?? this.#reopen(dispatcher) ?? this.#create(dispatcher, url)
    this.#entries.set(dispatcher, entry)
    const upstream = make(entry.managed)
    entry.upstreams.add(upstream)
    return upstream
  }

  /** Removes an upstream, and closes its dispatcher if it has no other upstream. */
  remove(upstream: Upstream): void {
    const entry = this.#entries.get(upstream.pool)
    if (entry?.upstreams.delete(upstream) !== true || entry.upstreams.size > 0) return
    this.#entries.delete(upstream.pool)
    const left = entry.managed.close()
    this.#closing.set(entry, left)
    left.then(() => {
      // Dispatchers of other libraries may report closed connections a moment later.
      setImmediate(() => {
        if (this.#closing.get(entry) === left) this.#forget(entry)
      })
    })
  }

  /** Resolves when all closing dispatchers are closed. */
  async whenClosed(): Promise<void> {
    await Promise.all(this.#closing.values())
  }

  destroy(error: Error): Promise<unknown> {
    return Promise.all(this.all.map((managed) => managed.destroy(error)))
  }

  /** Returns the entry of a closing dispatcher, if the factory returned it again before it was closed. */
  #reopen(dispatcher: Dispatcher): DispatcherEntry | null {
    for (const entry of this.#closing.keys()) {
      const { managed } = entry
      if (managed.dispatcher !== dispatcher) continue
      if (managed.cancelClose()) {
        this.#closing.delete(entry)
        return entry
      }
      managed.unsubscribe()
    }
    return null
  }

  #forget(entry: DispatcherEntry): void {
    this.#closing.delete(entry)
    entry.managed.unsubscribe()
  }

  #create(dispatcher: Dispatcher, url: URL): DispatcherEntry {
    const upstreams = new Set<Upstream>()
    const onPartFree = () => this.#forEach(upstreams, (one) => this.#listener.onUpstreamFree(one, [dispatcher]))
    const onHandlerError = (error: unknown) => this.#lifecycle.onHandlerError(error)
    const managed = new ManagedDispatcher(
      dispatcher,
      { onDispatcherFree: onPartFree, onDispatcherIdle() {}, onHandlerError },
      this.#counters,
    )
    coreOf(dispatcher)?.countInto?.(this.#counters)
    managed.subscribe(this.#createOwner(managed, upstreams), url)
    return { managed, upstreams }
  }

  #createOwner(managed: ManagedDispatcher, upstreams: Set<Upstream>): DispatcherOwner {
    const lifecycle = this.#lifecycle
    const listener = this.#listener
    return {
      onConnect: (origin, targets) => {
        managed.countConnection(1)
        this.#forEach(upstreams, (one) => listener.onUpstreamConnect(one))
        lifecycle.onConnect(origin, targets)
      },
      onDisconnect: (origin, targets, error) => {
        managed.countConnection(-1)
        if (faultOf(error) === 'network') this.#forEach(upstreams, (one) => listener.onUpstreamFailure(one))
        lifecycle.onDisconnect(origin, targets, error)
      },
      onConnectionError: (origin, targets, error) => {
        this.#forEach(upstreams, (one) => listener.onUpstreamFailure(one))
        lifecycle.onConnectionError(origin, targets, error)
      },
      onDrain: (_origin, targets) => {
        managed.acceptDrain()
        this.#forEach(upstreams, (one) => listener.onUpstreamFree(one, targets))
      },
      onClosed: () => this.#forEach(upstreams, (one) => listener.onUpstreamClosed(one)),
      onHandlerError: (error) => lifecycle.onHandlerError(error),
    }
  }

  /** Calls `callback` for each upstream. Upstreams may be removed meanwhile. */
  #forEach(upstreams: Set<Upstream>, callback: (upstream: Upstream) => void): void {
    for (const upstream of [...upstreams]) callback(upstream)
  }
}
