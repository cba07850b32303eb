import { invalidOption } from '../errors.js'
import type { BalancedPool } from './balanced-pool.js'
import { type UpstreamInput, weightedUpstream } from './upstream.js'

/** What became of the upstreams since the last change. */
export interface UpstreamChange {
  /** Those that came, or have another weight. */
  add?: readonly UpstreamInput[]
  /** Those that left: they get nothing new, and end what they have. */
  remove?: readonly (URL | string)[]
}

/** Ends what `discover` began. */
export interface Discovery {
  /** No change is taken after it; the source is told by `return()`. Upstreams stay as they are. */
  stop(): void
}

/**
 * Adds and removes upstreams of a pool as the source says. When the source fails or ends, upstreams stay as last known.
 * @param onError told of a change that is not as documented (the rest of it counts), and of the failure of the source
 * @throws {InvalidArgumentError} no pool, no async iterable, or no function
 */
export function discover(
  pool: BalancedPool,
  source: AsyncIterable<UpstreamChange>,
  onError: (error: unknown) => void = () => {},
): Discovery {
  if (typeof pool?.addUpstream !== 'function') throw invalidOption('pool', 'a BalancedPool', pool)
  if (typeof source?.[Symbol.asyncIterator] !== 'function') throw invalidOption('source', 'an async iterable', source)
  if (typeof onError !== 'function') throw invalidOption('onError', 'a function', onError)
  const iterator = source[Symbol.asyncIterator]()
  let stopped = false
  const stop = () => {
    if (stopped) return
    stopped = true
    // Not awaited: a generator answers only once what it waits for has come.
    const end = async () => iterator.return?.()
    end().catch(onError)
  }
  const follow = async () => {
    while (!stopped) {
      const { done, value } = await iterator.next()
      if (done) stopped = true
      if (pool.closed || pool.destroyed) stop()
      if (!stopped) apply(pool, value, onError)
    }
  }
  follow().catch((error) => {
    if (stopped) return
    stopped = true
    onError(error)
  })
  return { stop }
}

function apply(pool: BalancedPool, change: UpstreamChange, onError: (error: unknown) => void): void {
  const each = <Item>(items: readonly Item[] | undefined, act: (item: Item) => void) => {
    if (items !== undefined && !Array.isArray(items)) return onError(invalidOption('change', 'arrays', items))
    for (const item of items ?? []) {
      try {
        act(item)
      } catch (error) {
        onError(error)
      }
    }
  }
  // First those that come: the pool is never empty in between.
  each(change?.add, (item) => {
    const { origin, weight } = weightedUpstream(item)
    pool.addUpstream(origin, { weight })
  })
  each(change?.remove, (origin) => pool.removeUpstream(origin))
}
