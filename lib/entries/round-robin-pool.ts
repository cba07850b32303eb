export { RoundRobinPool } from '../dispatcher/round-robin-pool.js'
export { PoolStats } from '../dispatcher/stats.js'
export type * from '../types.js'
