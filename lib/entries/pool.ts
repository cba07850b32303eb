export { Pool } from '../dispatcher/pool.js'
export type { PoolOptions } from '../dispatcher/pool-options.js'
export { PoolStats } from '../dispatcher/stats.js'
