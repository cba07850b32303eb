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

interface Entry {
  part: ManagedDispatcher
  /** More than one where the factory returned the same dispatcher again. */
  upstreams: Set<Upstream>
}

/**
 * The dispatchers of the upstreams of a BalancedPool. One that the factory returns for several upstreams, or again while
 * it ends its requests, is kept once: its events count once, and it is closed with the last upstream.
 */
export class UpstreamDispatchers {
  readonly #tally: RequestCounters
  readonly #lifecycle: Lifecycle
  readonly #listener: UpstreamDispatchersListener
  readonly #entries = new Map<Dispatcher, Entry>()
  readonly #leaving = new Map<Entry, Promise<void>>()

  constructor(tally: RequestCounters, lifecycle: Lifecycle, listener: UpstreamDispatchersListener) {
    this.#tally = tally
    this.#lifecycle = lifecycle
    this.#listener = listener
  }

  /** All parts, those that end their requests included. */
  get all(): ManagedDispatcher[] {
    return [...this.#entries.values(), ...this.#leaving.keys()].map(({ part }) => part)
  }

  has(dispatcher: Dispatcher): boolean {
    return this.all.some((part) => part.dispatcher === dispatcher)
  }

  /** Adds the upstream that `make` makes of the part for `dispatcher`. */
  join(dispatcher: Dispatcher, url: URL, make: (part: ManagedDispatcher) => Upstream): Upstream {
    const entry = this.#entries.get(dispatcher) ?? this.#rejoin(dispatcher) ?? this.#enter(dispatcher, url)
    this.#entries.set(dispatcher, entry)
    const upstream = make(entry.part)
    entry.upstreams.add(upstream)
    return upstream
  }

  /** Removes an upstream. Its dispatcher is closed, unless it is that of another too. */
  leave(upstream: Upstream): void {
    const entry = this.#entries.get(upstream.pool)
    if (entry?.upstreams.delete(upstream) !== true || entry.upstreams.size > 0) return
    this.#entries.delete(upstream.pool)
    const left = entry.part.close()
    this.#leaving.set(entry, left)
    left.then(() => {
      // Others may report their last connections a moment later.
      setImmediate(() => {
        if (this.#leaving.get(entry) === left) this.#remove(entry)
      })
    })
  }

  /** Resolves when all that left are closed. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving.values())
  }

  destroy(error: Error): Promise<unknown> {
    return Promise.all(this.all.map((part) => part.destroy(error)))
  }

  /** The factory may return a dispatcher again before it is closed; one of another library may even stay open. */
  #rejoin(dispatcher: Dispatcher): Entry | null {
    for (const entry of this.#leaving.keys()) {
      const { part } = entry
      if (part.dispatcher !== dispatcher) continue
      if (part.reopen()) {
        this.#leaving.delete(entry)
        return entry
      }
      part.disown()
    }
    return null
  }

  #remove(entry: Entry): void {
    this.#leaving.delete(entry)
    entry.part.disown()
  }

  #enter(dispatcher: Dispatcher, url: URL): Entry {
    const upstreams = new Set<Upstream>()
    const onPartFree = () => this.#each(upstreams, (one) => this.#listener.onUpstreamFree(one, [dispatcher]))
    const onHandlerError = (error: unknown) => this.#lifecycle.onHandlerError(error)
    const part = new ManagedDispatcher(
      dispatcher,
      { onDispatcherFree: onPartFree, onDispatcherIdle() {}, onHandlerError },
      this.#tally,
    )
    coreOf(dispatcher)?.countIn?.(this.#tally)
    part.own(this.#ownerOf(part, upstreams), url)
    return { part, upstreams }
  }

  #ownerOf(part: ManagedDispatcher, upstreams: Set<Upstream>): DispatcherOwner {
    const lifecycle = this.#lifecycle
    const listener = this.#listener
    return {
      onConnect: (origin, targets) => {
        part.countConnection(1)
        this.#each(upstreams, (one) => listener.onUpstreamConnect(one))
        lifecycle.onConnect(origin, targets)
      },
      onDisconnect: (origin, targets, error) => {
        part.countConnection(-1)
        if (faultOf(error) === 'network') this.#each(upstreams, (one) => listener.onUpstreamFailure(one))
        lifecycle.onDisconnect(origin, targets, error)
      },
      onConnectionError: (origin, targets, error) => {
        this.#each(upstreams, (one) => listener.onUpstreamFailure(one))
        lifecycle.onConnectionError(origin, targets, error)
      },
      onDrain: (_origin, targets) => {
        part.drained()
        this.#each(upstreams, (one) => listener.onUpstreamFree(one, targets))
      },
      onClosed: () => this.#each(upstreams, (one) => listener.onUpstreamClosed(one)),
      onHandlerError: (error) => lifecycle.onHandlerError(error),
    }
  }

  /** Calls `callback` for each of `upstreams`, which may leave meanwhile. */
  #each(upstreams: Set<Upstream>, callback: (upstream: Upstream) => void): void {
    for (const upstream of [...upstreams]) callback(upstream)
  }
}
