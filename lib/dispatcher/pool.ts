import { FirstFree } from '../balance/first-free.js'
import { OriginPool } from './origin-pool.js'
import type { DocumentedPoolOptions, PoolOptions } from './pool-options.js'
import type { PoolStats as Stats } from './stats.js'

/**
 * Clients of one origin: a request goes to the first that is free, or to a new one while `connections` allows, or
 * waits. Source: undici's `Pool.md`.
 */
export class Pool extends OriginPool {
  /**
   * @param url the origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is not what is documented
   */
  constructor(url: URL | string, options: PoolOptions = {}) {
    super({ url, options, picker: ({ reuse }) => new FirstFree(reuse === 'fifo' ? 'longest' : 'last') })
  }
}

/** The types that undici documents, under the same names. */
export declare namespace Pool {
  /** Options of a Pool as programs typed against undici give them. Source: undici's `Pool.md`. */
  export interface Options extends DocumentedPoolOptions {}
  export type PoolStats = Stats
}
