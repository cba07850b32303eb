import { Agent, BalancedPool, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { failover } from './failover.js'
import { type Origin, plainOrigin } from './origins.js'
import { type Ask, drive, echo, sum } from './parts.js'
import { heading, type Row } from './report.js'
import { times } from './settings.js'

type Stats = Record<string, unknown>

function shares(counts: readonly number[]): string {
  return `served ${counts.join(' / ')}`
}

/** One origin, many connections: the first that is free, and each in turn. */
async function single(rows: Row[], stats: Stats): Promise<void> {
  for (const Class of [Pool, RoundRobinPool]) {
    const origin = await plainOrigin(Class.name)
    const pool = new Class(origin.url, { connections: 10, pipelining: 2 })
    heading(`${Class.name} of 10 on ${origin.url}`)
    const row = await drive(
      { what: Class.name, origin, total: 10_000, width: 30, servers: [origin], pool },
      echo(pool, 'GET'),
    )
    rows.push({ ...row, note: `per connection: ${shares(origin.perConnection)}` })
    stats[Class.name] = { ...pool.stats }
    await pool.close()
    await origin.close()
  }
}

/** Three upstreams, one of which is taken out and put back while requests run. */
async function balanced(rows: Row[], stats: Stats): Promise<void> {
  const origins = await Promise.all(['one', 'two', 'three'].map(plainOrigin))
  const pool = new BalancedPool(
    origins.map(({ url }) => url),
    { connections: 4 },
  )
  heading(`BalancedPool over ${origins.map(({ url }) => url).join(', ')}`)
  const leaving = origins[2] as Origin
  const ask = echo(pool, 'GET')
  const rolling: Ask = (index) => {
    if (index === times(3000)) pool.removeUpstream(leaving.url)
    if (index === times(6000)) pool.addUpstream(leaving.url)
    return ask(index)
  }
  const row = await drive(
    { what: 'BalancedPool', origin: sum(origins), total: 9000, width: 20, servers: origins, pool },
    rolling,
  )
  rows.push({ ...row, note: `${shares(origins.map(({ served }) => served))}; the third was out for a third` })
  stats.BalancedPool = { ...pool.stats }
  await pool.close()
  await Promise.all(origins.map((origin) => origin.close()))
}

/** Whatever origin a request names. */
async function agent(rows: Row[], stats: Stats): Promise<void> {
  const origins = await Promise.all(['red', 'green', 'blue'].map(plainOrigin))
  const dispatcher = new Agent({ connections: 2 })
  heading(`Agent for ${origins.map(({ url }) => url).join(', ')}`)
  const asks = origins.map(({ url }) => echo(bound(dispatcher, url), 'GET'))
  const ask: Ask = (index) => (asks[index % asks.length] as Ask)(index)
  const row = await drive({ what: 'Agent', origin: sum(origins), total: 6000, width: 12, servers: origins }, ask)
  rows.push({ ...row, note: shares(origins.map(({ served }) => served)) })
  stats.Agent = JSON.parse(JSON.stringify(dispatcher.stats))
  await dispatcher.close()
  await Promise.all(origins.map((origin) => origin.close()))
}

function bound(dispatcher: Agent, origin: string): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => dispatch({ ...options, origin }, handler))
}

export async function pools(rows: Row[], stats: Stats): Promise<void> {
  await single(rows, stats)
  await balanced(rows, stats)
  await agent(rows, stats)
  await failover(rows, stats)
}
