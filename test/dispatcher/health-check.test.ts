import t from 'tap'
import { BalancedPool, Client, HealthCheck, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

/** Answers `/health` at once, and everything else when the test says so. */
async function slowOrigin() {
  const held: (() => void)[] = []
  const state = { checks: 0, held, served: 0 }
  const origin = await httpOrigin((request, reply) => {
    if (request.url === '/health') {
      state.checks++
      reply.end()
    } else {
      state.served++
      held.push(() => reply.end('ok'))
    }
  })
  return Object.assign(origin, { state })
}

for (const strategy of ['round-robin', 'least-requests', 'peak-ewma'] as const) {
  t.test(`a busy upstream is healthy: checks have a connection of their own, ${strategy}`, async (t) => {
    const origin = await slowOrigin()
    const healthCheck = new HealthCheck({ path: '/health', interval: 1, unhealthyThreshold: 1, panicThreshold: 1 })
    const pool = new BalancedPool([origin.url, 'http://127.0.0.1:1'], { connections: 1, healthCheck, strategy })
    pool.removeUpstream('http://127.0.0.1:1')
    const { state } = origin
    const waiting = [1, 2, 3].map(() => pool.request(get).then(({ body }) => body.text()))
    await until(() => state.served === 1)
    const { checks } = state
    await until(() => state.checks > checks + 3)
    t.equal(state.served, 1, 'the others are queued')
    t.match(pool.stats, { connected: 1, running: 1, queued: 2 }, 'checks are not counted')
    const serve = setInterval(() => state.held.shift()?.(), 1)
    t.strictSame(await Promise.all(waiting), ['ok', 'ok', 'ok'])
    clearInterval(serve)
    await pool.close()
    await until(() => origin.sockets.size === 0)
    await origin.close()
  })
}

t.test('close and destroy do not wait for a check whose connection does not open', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const opened: unknown[] = []
    const connect = () => void opened.push(0)
    const pool = new BalancedPool('http://h.test', { connect, healthCheck: new HealthCheck({ timeout: 60_000 }) })
    await until(() => opened.length === 1)
    await pool[end]()
    t.equal(opened.length, 1)
  }
})

t.test('close and destroy leave no connection of a check behind', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const origin = await slowOrigin()
    const pool = new BalancedPool(origin.url, { healthCheck: new HealthCheck({ path: '/health', interval: 1 }) })
    await until(() => origin.state.checks > 1)
    t.equal(origin.connections, 1, 'checks share one connection')
    await pool[end]()
    const { checks } = origin.state
    await until(() => origin.sockets.size === 0)
    t.equal(origin.state.checks, checks)
    await origin.close()
  }
})

t.test('a check goes through the factory of the pool, with its authority', async (t) => {
  const hosts: string[] = []
  const origin = await httpOrigin((request, reply) => {
    hosts.push(`${request.url} ${request.headers.host} ${request.headers['x-token']}`)
    reply.end('ok')
  })
  const connections: unknown[] = []
  const pool = new BalancedPool([], {
    healthCheck: new HealthCheck({ path: '/health', interval: 1 }),
    connections: 7,
    factory: (url, options) => {
      connections.push((options as { connections: number }).connections)
      return new Pool(url, options).compose(
        (dispatch) => (given, handler) => dispatch({ ...given, headers: { 'x-token': 'a' } }, handler),
      )
    },
  })
  pool.addUpstream(origin.url, { authority: 'name.test' })
  await until(() => hosts.length > 1)
  t.equal(hosts[0], '/health name.test a')
  t.strictSame(connections, [7, 1])
  await pool.close()
  await origin.close()
})

t.test('a factory that returns one pool for all keeps it open when checks end', async (t) => {
  const origin = await slowOrigin()
  const shared = new Pool(origin.url)
  const pool = new BalancedPool(origin.url, {
    healthCheck: new HealthCheck({ path: '/health', interval: 1 }),
    factory: () => shared,
  })
  await until(() => origin.state.checks > 1)
  const answer = pool.request(get).then(({ body }) => body.text())
  await until(() => origin.state.held.length === 1)
  const closed = pool.close()
  origin.state.held[0]?.()
  t.equal(await answer, 'ok')
  await closed
  await origin.close()
})

t.test('a check that uses the pool of another upstream leaves it open when it ends', async (t) => {
  for (const leaving of [['one'], ['other', 'one'], ['one', 'other']] as const) {
    const [one, other] = await Promise.all([slowOrigin(), slowOrigin()])
    const urls = { one: one.url, other: other.url }
    const pools = new Map<string, Pool>()
    const pool = new BalancedPool([one.url, other.url], {
      healthCheck: new HealthCheck({ path: '/health', interval: 1 }),
      factory: (url, options) => {
        const key = pools.size < 2 ? url.origin : other.url
        const made = pools.get(key) ?? new Pool(url, options)
        pools.set(key, made)
        return made
      },
    })
    await until(() => other.state.checks > 1)
    const answers = [1, 2].map(() => pool.request(get).then(({ body }) => body.text()))
    await until(() => one.state.held.length === 1 && other.state.held.length === 1)
    for (const name of leaving) pool.removeUpstream(urls[name])
    const { checks } = other.state
    if (leaving.length === 1) await until(() => other.state.checks > checks)
    else for (let i = 0; i < 10; i++) await new Promise(setImmediate)
    for (const { state } of [one, other]) state.held[0]?.()
    t.strictSame(await Promise.all(answers), ['ok', 'ok'])
    t.equal(pools.get(other.url)?.closed, leaving.length === 2)
    await pool.close()
    t.equal(pools.get(other.url)?.destroyed, true)
    await Promise.all([one.close(), other.close()])
  }
})

t.test('checks that use one client keep it open until the last of them ends', async (t) => {
  const [one, other] = await Promise.all([slowOrigin(), slowOrigin()])
  const shared = new Client(other.url)
  let made = 0
  const pool = new BalancedPool([one.url, other.url], {
    healthCheck: new HealthCheck({ path: '/health', interval: 1 }),
    factory: (url, options) => (made++ < 2 ? new Pool(url, options) : (shared as never)),
  })
  await until(() => other.state.checks > 1)
  pool.removeUpstream(one.url)
  const { checks } = other.state
  await until(() => other.state.checks > checks + 1)
  t.equal(shared.destroyed, false)
  await pool.close()
  t.equal(shared.destroyed, true)
  await Promise.all([one.close(), other.close()])
})

t.test('a factory that throws for checks makes the upstream unhealthy until it does not', async (t) => {
  const [first, second] = await Promise.all([slowOrigin(), slowOrigin()])
  let broken = true
  const made: string[] = []
  const pool = new BalancedPool([first.url, second.url], {
    healthCheck: new HealthCheck({
      path: '/health',
      interval: 1,
      unhealthyThreshold: 1,
      healthyThreshold: 1,
      panicThreshold: 1,
    }),
    factory: (url, options) => {
      made.push(url.origin)
      const probes = made.filter((one) => one === url.origin).length > 1
      if (broken && probes && url.origin === first.url) throw new Error('no')
      return new Pool(url, options)
    },
  })
  await until(() => made.length > 5)
  const answers = [1, 2, 3, 4].map(() => pool.request(get).then(({ body }) => body.text()))
  await until(() => second.state.held.length === 4)
  t.equal(first.state.served, 0)
  broken = false
  const { checks } = first.state
  await until(() => first.state.checks > checks + 1)
  const next = [1, 2].map(() => pool.request(get).then(({ body }) => body.text()))
  await until(() => first.state.held.length > 0)
  const serve = setInterval(() => {
    first.state.held.shift()?.()
    second.state.held.shift()?.()
  }, 1)
  t.equal((await Promise.all([...answers, ...next])).length, 6)
  clearInterval(serve)
  await pool.close()
  await Promise.all([first.close(), second.close()])
})
