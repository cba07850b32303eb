import { reportUncaught } from '../base/user-code.js'
import { requireFunction } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import type { BalancedPool, BalancedPoolCore } from './balanced-pool.js'
import { coreOf } from './dispatcher-core.js'
import { toWeightedUpstream, type UpstreamInput } from './upstream.js'

/** What became of the upstreams since the last change. */
export interface UpstreamChange {
  /** Those that came, or have another weight. */
  add?: readonly UpstreamInput[]
  /** Those that left: they get nothing new, and end what they have. */
  remove?: readonly (URL | string)[]
  /** Why nothing could be learned, or not all: told to `onError`, and the source goes on. */
  error?: unknown
}

/** Ends what `discover` began. */
export interface Discovery {
  /** Resolved when the first change has been taken, whatever it said, or there will be none. */
  readonly ready: Promise<void>
  /** No change is taken after it; the source is told by `return()`. Upstreams stay as they are. */
  stop(): void
}

/**
 * Adds and removes upstreams of a pool as the source says, until the pool is closed or destroyed. When the source fails
 * or ends, upstreams stay as last known. Ours.
 * @param onError told of a change that is not as documented (the rest of it counts), and of failures of the source.
 *   What
 *   it throws is an uncaught exception. Default: nobody is told.
 * @throws {InvalidArgumentError} no pool, no async iterable, or no function
 */
export function discover(
  pool: BalancedPool,
  source: AsyncIterable<UpstreamChange>,
  onError: (error: unknown) => void = () => {},
): Discovery {
  if (typeof pool?.addUpstream !== 'function') throw invalidOption('pool', 'a BalancedPool', pool)
  if (typeof source?.[Symbol.asyncIterator] !== 'function') throw invalidOption('source', 'an async iterable', source)
  requireFunction('onError', onError)
  const discovery = new UpstreamFollower(pool, source[Symbol.asyncIterator](), onError)
  discovery.start()
  return { ready: discovery.ready, stop: () => discovery.stop() }
}

class UpstreamFollower {
  readonly #pool: BalancedPool
  readonly #iterator: AsyncIterator<UpstreamChange>
  readonly #onError: (error: unknown) => void
  #stopped = false
  readonly ready: Promise<void>
  #setReady = () => {}

  constructor(pool: BalancedPool, iterator: AsyncIterator<UpstreamChange>, onError: (error: unknown) => void) {
    this.#pool = pool
    this.#iterator = iterator
    this.#onError = onError
    this.ready = new Promise((resolve) => {
      this.#setReady = resolve
    })
  }

  start(): void {
    if (this.#pool.closed) return this.stop()
    this.#stopOnClose?.add(this)
    this.#follow().catch((error) => {
      if (this.#finish()) this.#reportError(error)
    })
  }

  stop(): void {
    if (!this.#finish()) return
    // Not awaited: a generator answers only once what it waits for has come.
    const end = async () => this.#iterator.return?.()
    end().catch((error) => this.#reportError(error))
  }

  /** Undefined for a pool of another library: that is followed until it is stopped. */
  get #stopOnClose() {
    return (coreOf(this.#pool) as BalancedPoolCore | null)?.stopOnClose
  }

  /** False when it had ended before. */
  #finish(): boolean {
    if (this.#stopped) return false
    this.#stopped = true
    this.#setReady()
    this.#stopOnClose?.delete(this)
    return true
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      const { done, value } = await this.#iterator.next()
      if (done) this.#finish()
      if (this.#stopped) return
      try {
        this.#apply(value)
      } catch (error) {
        // A getter of the change threw: the source goes on.
        this.#reportError(error)
      }
      this.#setReady()
    }
  }

  #reportError(error: unknown): void {
    const told = async () => this.#onError(error)
    told().catch(reportUncaught)
  }

  #apply(change: UpstreamChange): void {
    if (typeof change !== 'object' || change === null) {
      return this.#reportError(invalidOption('change', 'an object with add, remove or error', change))
    }
    if (change.error !== undefined) this.#reportError(change.error)
    // First those that come: the pool is never empty in between.
    this.#forEach('add', change.add, (item) => {
      const { origin, ...settings } = toWeightedUpstream(item)
      this.#pool.addUpstream(origin, settings)
    })
    this.#forEach('remove', change.remove, (origin) => this.#pool.removeUpstream(origin))
  }

  #forEach<Item>(name: string, items: readonly Item[] | null | undefined, act: (item: Item) => void): void {
    if (items == null) return
    if (!Array.isArray(items)) return this.#reportError(invalidOption(name, 'an array', items))
    for (const item of items) {
      // Whoever is told may stop it.
      if (this.#stopped) return
      try {
        act(item)
      } catch (error) {
        this.#reportError(error)
      }
    }
  }
}
