import { atCaller, pointAtCaller } from '../errors/caller.js'
import { nonNegativeInteger } from '../errors/option-checks.js'
import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { PoolCore, type PoolCoreOptions } from './pool-core.js'
import type { PoolStats } from './stats.js'

/** Public methods of the pools of one origin. */
export abstract class OriginPool extends LifecycleDispatcher {
  readonly #core: PoolCore

  /** @internal */
  constructor(options: PoolCoreOptions) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#core = atCaller(options.entry, () => new PoolCore(lifecycle, options))
    lifecycle.bind(this, this.#core, options.options)
  }

  /** Snapshot of the connections and requests of all clients. */
  get stats(): PoolStats {
    return this.#core.stats
  }

  /**
   * Opens connections, TLS included, until there are `count` or as many as the limits allow. Sends no request.
   * @returns number of established connections
   * @throws {InvalidArgumentError} by rejection, if `count` is no non-negative integer; rejects with a connection error
   *   if
   *   all attempts failed
   */
  warm(count: number): Promise<number> {
    try {
      return this.#core.warm(nonNegativeInteger('count', count, 0))
    } catch (error) {
      return Promise.reject(pointAtCaller(error, OriginPool.prototype.warm))
    }
  }

  /** Closes all idle connections. Requests are not affected. */
  closeIdle(): void {
    this.#core.closeIdle()
  }
}
