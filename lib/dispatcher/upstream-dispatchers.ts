import { setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { faultOf } from '../errors/faults.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, type DispatcherOwner } from './dispatcher-core.js'
import type { Lifecycle } from './lifecycle.js'
import { ManagedDispatcher } from './managed-dispatcher.js'
import type { Upstream } from './upstream.js'

/** What the dispatchers of upstreams report, for each upstream that they are for. */
export interface UpstreamDispatchersListener {
  onUpstreamConnect(upstream: Upstream): void
  /** A connection failed, or could not be opened. */
  onUpstreamFailure(upstream: Upstream): void
  onUpstreamFree(upstream: Upstream, targets: readonly Dispatcher[]): void
  onUpstreamClosed(upstream: Upstream): void
}

interface DispatcherEntry {
  managed: ManagedDispatcher
  /** More than one where the factory returned the same dispatcher again. */
  upstreams: Set<Upstream>
}

/**
 * The dispatchers of the upstreams of a BalancedPool. One that the factory returns for several upstreams, or again
 * while it ends its requests, is kept once: its events count once, and it is closed with the last upstream.
 */
export class UpstreamDispatchers {
  readonly #tally: RequestCounters
  readonly #lifecycle: Lifecycle
  readonly #listener: UpstreamDispatchersListener
  readonly #entries = new Map<Dispatcher, DispatcherEntry>()
  readonly #closing = new Map<DispatcherEntry, Promise<void>>()

  constructor(tally: RequestCounters, lifecycle: Lifecycle, listener: UpstreamDispatchersListener) {
    this.#tally = tally
    this.#lifecycle = lifecycle
    this.#listener = listener
  }

  /** All parts, those that end their requests included. */
  get all(): ManagedDispatcher[] {
    return [...this.#entries.values(), ...this.#closing.keys()].map(({ managed }) => managed)
  }

  has(dispatcher: Dispatcher): boolean {
    return this.all.some((managed) => managed.dispatcher === dispatcher)
  }

  /** Adds the upstream that `make` makes of the part for `dispatcher`. */
  add(dispatcher: Dispatcher, url: URL, make: (managed: ManagedDispatcher) => Upstream): Upstream {
    const entry = this.#entries.get(dispatcher) ?? this.#reopen(dispatcher) ?? this.#create(dispatcher, url)
    this.#entries.set(dispatcher, entry)
    const upstream = make(entry.managed)
    entry.upstreams.add(upstream)
    return upstream
  }

  /** Removes an upstream. Its dispatcher is closed, unless it is that of another too. */
  remove(upstream: Upstream): void {
    const entry = this.#entries.get(upstream.pool)
    if (entry?.upstreams.delete(upstream) !== true || entry.upstreams.size > 0) return
    this.#entries.delete(upstream.pool)
    const left = entry.managed.close()
    this.#closing.set(entry, left)
    left.then(() => {
      // Others may report their last connections a moment later.
      setImmediate(() => {
        if (this.#closing.get(entry) === left) this.#forget(entry)
      })
    })
  }

  /** Resolves when all that left are closed. */
  async whenClosed(): Promise<void> {
    await Promise.all(this.#closing.values())
  }

  destroy(error: Error): Promise<unknown> {
    return Promise.all(this.all.map((managed) => managed.destroy(error)))
  }

  /** The factory may return a dispatcher again before it is closed; one of another library may even stay open. */
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
      this.#tally,
    )
    coreOf(dispatcher)?.countInto?.(this.#tally)
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

  /** Calls `callback` for each of `upstreams`, which may leave meanwhile. */
  #forEach(upstreams: Set<Upstream>, callback: (upstream: Upstream) => void): void {
    for (const upstream of [...upstreams]) callback(upstream)
  }
}
