export { BalancedPool, type BalancedPoolOptions } from '../dispatcher/balanced-pool.js'
export { PoolStats } from '../dispatcher/stats.js'
export { type LeastRequestsOptions, leastRequests, type PeakEwmaOptions, peakEwma } from '../dispatcher/strategies.js'
