import { reportUncaught } from '../base/user-code.js'
import { atCaller } from '../errors/caller.js'
import { requireFunction } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import type { BalancedPool, BalancedPoolCore } from './balanced-pool.js'
import { coreOf } from './dispatcher-core.js'
import { toWeightedUpstream, type UpstreamInput } from './upstream.js'

/** Change of the upstreams of a service, reported by a source of {@link discover}. */
export interface UpstreamChange {
  /** Upstreams to add, or whose weight has changed. */
  add?: readonly UpstreamInput[]
  /** Origins of upstreams to remove. Their requests in flight complete. */
  remove?: readonly (URL | string)[]
  /** Error of an incomplete or failed update. It is passed to `onError`; the source continues. */
  error?: unknown
}

/** Result of {@link discover}. */
export interface Discovery {
  /** Resolves when the first change was applied, or the source has ended or failed. */
  readonly ready: Promise<void>
  /** Stops applying changes, and calls `return()` of the source. The upstreams remain. */
  stop(): void
}

/**
 * Adds and removes upstreams of a BalancedPool as a source reports them, until the pool is closed or destroyed. When
 * the source ends or fails, the upstreams remain. Specific to sluice.
 * @param onError receives invalid changes (their valid parts are applied) and failures of the source. An exception that it
 *   throws is uncaught. Default: ignores them.
 * @throws {InvalidArgumentError} the pool, the source or `onError` is invalid
 * @example
 * const pool = new BalancedPool()
 * const discovery = discover(pool, dnsUpstreams('http://my-service.internal'), console.error)
 * await discovery.ready
 */
export function discover(
  pool: BalancedPool,
  source: AsyncIterable<UpstreamChange>,
  onError: (error: unknown) => void = () => {},
): Discovery {
  atCaller(discover, () => {
    if (typeof pool?.addUpstream !== 'function') throw invalidOption('pool', 'a BalancedPool', pool)
    if (typeof source?.[Symbol.asyncIterator] !== 'function') throw invalidOption('source', 'an async iterable', source)
    requireFunction('onError', onError)
  })
  const discovery = new UpstreamFollower(pool, source[Symbol.asyncIterator](), onError)
  discovery.start()
  return { ready: discovery.ready, stop: () => discovery.stop() }
}

/** Applies the changes of one source to one pool. */
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
    // Not awaited: `return` of a generator settles only after its pending `await`.
    const end = async () => this.#iterator.return?.()
    end().catch((error) => this.#reportError(error))
  }

  /** Undefined for a pool of another library: the source is then followed until `stop`. */
  get #stopOnClose() {
    return (coreOf(this.#pool) as BalancedPoolCore | null)?.stopOnClose
  }

  /** Returns false if it had finished before. */
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
        // A getter of the change threw: the source continues.
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
    // Adds first, so that the pool is never empty in between.
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
      // `onError` may have stopped it.
      if (this.#stopped) return
      try {
        act(item)
      } catch (error) {
        this.#reportError(error)
      }
    }
  }
}
