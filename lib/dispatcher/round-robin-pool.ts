import { RoundRobin } from '../balance/round-robin.js'
import { OriginPool } from './origin-pool.js'
import type { DocumentedPoolOptions, PoolOptions } from './pool-options.js'
import type { PoolStats } from './stats.js'

/**
 * Clients of one origin that take turns: all `connections` are opened before one is used twice, and a request goes to
 * the idle one that was given the fewest. Without a limit one is opened only when all are busy. Source: undici's
 * `RoundRobinPool.md`.
 */
export class RoundRobinPool extends OriginPool {
  /**
   * @param url the origin: protocol, host and port
   * @throws {InvalidArgumentError} the url or an option is not what is documented
   */
  constructor(url: URL | string, options: PoolOptions = {}) {
    super({ url, options, picker: ({ connections }) => new RoundRobin(Number.isFinite(connections)) })
  }
}

/** The types that undici documents, under the same names. */
export declare namespace RoundRobinPool {
  /** Options of a pool as programs typed against undici give them. Source: undici's `RoundRobinPool.md`. */
  export interface Options extends DocumentedPoolOptions {}
  export type RoundRobinPoolStats = PoolStats
}
