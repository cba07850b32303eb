import { Agent, BalancedPool, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { failover } from './failover.js'
import { requestCount } from './options.js'
import { type Origin, plainOrigin } from './origins.js'
import { heading, type Row } from './report.js'
import { type CheckedRequest, echo, runScenario, sum } from './scenario.js'

type Stats = Record<string, object>

function served(counts: readonly number[]): string {
  return `served ${counts.join(' / ')}`
}

function range(counts: readonly number[]): string {
  return `${Math.min(...counts)} to ${Math.max(...counts)}`
}

/** Returns addresses short enough for one line. */
function ports(origins: readonly Origin[]): string {
  return `127.0.0.1, ports ${origins.map(({ url }) => new URL(url).port).join(', ')}`
}

/** One origin over ten connections: with Pool the first that is free, with RoundRobinPool each in turn. */
async function single(rows: Row[], stats: Stats): Promise<void> {
  for (const Class of [Pool, RoundRobinPool]) {
    const origin = await plainOrigin(Class.name)
    const pool = new Class(origin.url, { connections: 10, pipelining: 2 })
    heading(`${Class.name} with 10 connections on ${origin.url}`)
    const row = await runScenario(
      { name: Class.name, origin, total: 10_000, width: 30, servers: [origin], pool },
      echo(pool, 'GET'),
    )
    rows.push({ ...row, note: `${range(origin.perConnection)} requests per connection` })
    stats[Class.name] = { ...pool.stats }
    await pool.close()
    await origin.close()
  }
}

/** Removes one of three upstreams while requests run, and adds it again. */
async function balanced(rows: Row[], stats: Stats): Promise<void> {
  const origins = await Promise.all(['one', 'two', 'three'].map(plainOrigin))
  const pool = new BalancedPool(
    origins.map(({ url }) => url),
    { connections: 4 },
  )
  heading(`BalancedPool with three upstreams on ${ports(origins)}`)
  const removed = origins[2] as Origin
  const send = echo(pool, 'GET')
  const sendWhileRemoving: CheckedRequest = (index) => {
    if (index === requestCount(3000)) pool.removeUpstream(removed.url)
    if (index === requestCount(6000)) pool.addUpstream(removed.url)
    return send(index)
  }
  const row = await runScenario(
    { name: 'BalancedPool', origin: sum(origins), total: 9000, width: 20, servers: origins, pool },
    sendWhileRemoving,
  )
  rows.push({
    ...row,
    note: `${served(origins.map(({ served }) => served))}; the third was removed meanwhile`,
  })
  stats.BalancedPool = { ...pool.stats }
  await pool.close()
  await Promise.all(origins.map((origin) => origin.close()))
}

/** Sends requests to three origins through one Agent. */
async function agent(rows: Row[], stats: Stats): Promise<void> {
  const origins = await Promise.all(['red', 'green', 'blue'].map(plainOrigin))
  const dispatcher = new Agent({ connections: 2 })
  heading(`Agent with three origins on ${ports(origins)}`)
  const senders = origins.map(({ url }) => echo(bound(dispatcher, url), 'GET'))
  const send: CheckedRequest = (index) => (senders[index % senders.length] as CheckedRequest)(index)
  const row = await runScenario({ name: 'Agent', origin: sum(origins), total: 6000, width: 12, servers: origins }, send)
  rows.push({ ...row, note: served(origins.map(({ served }) => served)) })
  stats.Agent = JSON.parse(JSON.stringify(dispatcher.stats))
  await dispatcher.close()
  await Promise.all(origins.map((origin) => origin.close()))
}

/** Returns a dispatcher that sends every request to one origin. */
function bound(dispatcher: Agent, origin: string): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => dispatch({ ...options, origin }, handler))
}

export async function pools(rows: Row[], stats: Stats): Promise<void> {
  await single(rows, stats)
  await balanced(rows, stats)
  await agent(rows, stats)
  await failover(rows, stats)
}
