import { RoundRobin } from '../balance/round-robin.js'
import { OriginPool } from './origin-pool.js'
import type { PoolOptions } from './pool-options.js'
import type { PoolStats } from './stats.js'

/**
 * Pool of clients for one origin that take turns. All `connections` are opened before one is used twice, and a request
 * is sent by the idle client that has served the fewest. Without `connections`, a client is added only when all are
 * busy. Source: undici's `RoundRobinPool.md`.
 * @example
 * const pool = new RoundRobinPool('http://localhost:3000', { connections: 10 })
 * const { body } = await pool.request({ path: '/', method: 'GET' })
 * await body.dump()
 * await pool.close()
 */
export class RoundRobinPool extends OriginPool {
  /**
   * @param url origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is invalid
   */
  constructor(url: URL | string, options: PoolOptions = {}) {
    super({
      url,
      options,
      entry: RoundRobinPool,
      picker: ({ connections }) => new RoundRobin(Number.isFinite(connections)),
    })
  }
}

/** Types that undici documents under these names. */
export declare namespace RoundRobinPool {
  export type { PoolOptions as Options, PoolStats as RoundRobinPoolStats }
}
