import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { PoolCore, type PoolCoreOptions } from './pool-core.js'
import type { PoolStats } from './stats.js'

/** The public methods of the pools of one origin. */
export abstract class OriginPool extends LifecycleDispatcher {
  readonly #core: PoolCore

  /** @internal */
  constructor(parts: PoolCoreOptions) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#core = new PoolCore(lifecycle, parts)
    lifecycle.bind(this, this.#core)
  }

  /** A snapshot of connections and requests of all clients. */
  get stats(): PoolStats {
    return this.#core.stats
  }

  /**
   * Opens connections until there are `count`, or as many as may be: TCP and TLS, no request is sent.
   * @returns how many are connected then
   * @throws {InvalidArgumentError} by rejection: no whole number; or what failed, when all failed
   */
  warm(count: number): Promise<number> {
    return this.#core.warm(count)
  }

  /** Closes the connections that are idle now, and nothing else. */
  closeIdle(): void {
    this.#core.closeIdle()
  }
}
