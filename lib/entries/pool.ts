export { Pool } from '../dispatcher/pool.js'
export { PoolStats } from '../dispatcher/stats.js'
export type * from '../types.js'
