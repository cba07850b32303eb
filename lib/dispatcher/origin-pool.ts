import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { PoolCore, type PoolCoreOptions } from './pool-core.js'
import type { PoolStats } from './stats.js'

/** The public methods of the pools of one origin. */
export abstract class OriginPool extends LifecycleDispatcher {
  readonly #base: PoolCore

  /** @internal */
  constructor(parts: PoolCoreOptions) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#base = new PoolCore(lifecycle, parts)
    lifecycle.begin(this, this.#base)
  }

  /** A snapshot of connections and requests of all clients. */
  get stats(): PoolStats {
    return this.#base.stats
  }

  /**
   * Opens connections until there are `count`, or as many as may be: TCP and TLS, no request is sent.
   * @returns how many are connected then
   * @throws {InvalidArgumentError} by rejection: no whole number; or what failed, when all failed
   */
  warm(count: number): Promise<number> {
    return this.#base.warm(count)
  }

  /** Closes the connections that are idle now, and nothing else. */
  closeIdle(): void {
    this.#base.closeIdle()
  }
}
