import { Agent, Client, type Dispatcher, Pool, RoundRobinPool } from 'undici'

export function utilisation({ connected, free, pending, queued, running, size }: Pool.PoolStats): number {
  return size === 0 ? 0 : (running + pending + queued) / size / Math.max(1, connected - free)
}

const pool = new Pool('http://localhost')
const turns = new RoundRobinPool('http://localhost', { connections: 2, clientTtl: 1000 })
const client = new Client('http://localhost')
const agent = new Agent({ connections: 1 })

export const numbers: number[] = [
  utilisation(pool.stats),
  utilisation(turns.stats),
  client.stats.running,
  client.stats.size,
]
export const open: boolean = client.stats.connected && !pool.closed && !pool.destroyed && !agent.closed
export const roundRobin: RoundRobinPool.RoundRobinPoolStats = turns.stats

export function total(agent: Agent): number {
  let total = 0
  for (const [origin, stats] of Object.entries(agent.stats)) {
    total += stats.running + stats.pending + stats.size + origin.length
    if ('free' in stats) total -= stats.free
  }
  return total
}

client.pipelining = client.pipelining + 1
// @ts-expect-error: statistics are read, not set
pool.stats = turns.stats
// @ts-expect-error: not every dispatcher has statistics
export const none = (agent as Dispatcher).stats.size
