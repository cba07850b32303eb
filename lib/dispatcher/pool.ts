import { FirstFree } from '../balance/first-free.js'
import { OriginPool } from './origin-pool.js'
import type { PoolOptions } from './pool-options.js'
import type { PoolStats } from './stats.js'

/**
 * Pool of clients, and so of connections, for one origin. A request is sent by a free client, or by a new one while
 * `connections` allows; otherwise it is queued. Source: undici's `Pool.md`.
 * @example
 * const pool = new Pool('http://localhost:3000', { connections: 10 })
 * const { statusCode, body } = await pool.request({ path: '/', method: 'GET' })
 * console.log(statusCode, await body.text())
 * await pool.close()
 */
export class Pool extends OriginPool {
  /**
   * @param url origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is invalid
   */
  constructor(url: URL | string, options: PoolOptions = {}) {
    super({ url, options, entry: Pool, picker: ({ reuse }) => new FirstFree(reuse === 'fifo' ? 'longest' : 'last') })
  }
}

/** Types that undici documents under these names. */
export declare namespace Pool {
  export type { PoolOptions as Options, PoolStats }
}
