export type { PoolOptions } from '../dispatcher/pool-options.js'
export { RoundRobinPool } from '../dispatcher/round-robin-pool.js'
export { PoolStats } from '../dispatcher/stats.js'
