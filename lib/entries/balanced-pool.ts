export { BalancedPool, type BalancedPoolOptions } from '../dispatcher/balanced-pool.js'
export { PoolStats } from '../dispatcher/stats.js'
