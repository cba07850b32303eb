import assert from 'node:assert/strict'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from 'sluice'
import type { Case } from '../servers.js'

type Ended = Dispatcher & { close(): Promise<void>; readonly closed: boolean }

/** Sends `count` requests at once. Returns the number of connections that served them. */
async function spread(dispatcher: Dispatcher, part: { origin: string; count: number }): Promise<number> {
  const used = new Set<unknown>()
  const one = async () => {
    const { statusCode, headers, body } = await dispatcher.request({
      origin: part.origin,
      path: '/hello',
      method: 'GET',
    })
    assert.equal(statusCode, 200)
    assert.equal(await body.text(), 'hello')
    used.add(headers['x-connection'])
  }
  await Promise.all(Array.from({ length: part.count }, one))
  return used.size
}

async function closing<Kind extends Ended>(dispatcher: Kind, use: (dispatcher: Kind) => Promise<void>): Promise<void> {
  try {
    await use(dispatcher)
  } finally {
    if (!dispatcher.closed) await dispatcher.close()
  }
}

const client: Record<string, Case> = {
  'one connection': ({ http }) =>
    closing(new Client(http), async (client) => assert.equal(await spread(client, { origin: http, count: 5 }), 1)),
  'stats and events': ({ http }) =>
    closing(new Client(http), async (client) => {
      const events: string[] = []
      client.on('connect', () => events.push('connect'))
      client.on('disconnect', () => events.push('disconnect'))
      await spread(client, { origin: http, count: 1 })
      assert.equal(client.stats.connected, true)
      assert.equal(client.stats.running, 0)
      const disconnected = new Promise<void>((resolve) => client.once('disconnect', () => resolve()))
      await client.close()
      await disconnected
      assert.deepEqual(events, ['connect', 'disconnect'])
    }),
}

const pool: Record<string, Case> = {
  'no more connections than allowed': ({ http }) =>
    closing(new Pool(http, { connections: 3 }), async (pool) => {
      assert.equal(await spread(pool, { origin: http, count: 9 }), 3)
      assert.equal(pool.stats.connected, 3)
      assert.equal(pool.stats.free, 3)
    }),
  'clientTtl closes an old client': ({ http }) =>
    closing(new Pool(http, { connections: 1, clientTtl: 50 }), async (pool) => {
      const disconnected = new Promise<void>((resolve) => pool.once('disconnect', () => resolve()))
      await spread(pool, { origin: http, count: 1 })
      await disconnected
      assert.equal(pool.stats.connected, 0)
    }),
}

const roundRobinPool: Record<string, Case> = {
  'sequential requests use each connection in turn': ({ http }) =>
    closing(new RoundRobinPool(http, { connections: 3 }), async (pool) => {
      const used: unknown[] = []
      for (let count = 0; count < 6; count++) {
        const { headers, body } = await pool.request({ path: '/hello', method: 'GET' })
        await body.dump()
        used.push(headers['x-connection'])
      }
      assert.equal(new Set(used.slice(0, 3)).size, 3)
      assert.deepEqual(used.slice(3), used.slice(0, 3))
    }),
}

const balancedPool: Record<string, Case> = {
  'distributes requests evenly': ({ http, other }) =>
    closing(new BalancedPool([http, other], { connections: 1 }), async (pool) => {
      assert.equal(await spread(pool, { origin: http, count: 6 }), 2)
      assert.deepEqual(pool.upstreams, [http, other])
    }),
  'avoids an upstream that refuses connections': ({ http, refused }) =>
    closing(new BalancedPool([http, refused]), async (pool) => {
      let answered = 0
      for (let count = 0; count < 6; count++) {
        const { body } = await pool.request({ path: '/hello', method: 'GET' }).catch(() => ({ body: null }))
        if ((await body?.text()) === 'hello') answered++
      }
      assert.ok(answered >= 3, `${answered} of 6 were answered`)
    }),
}

const agent: Record<string, Case> = {
  'many origins': ({ http, other }) =>
    closing(new Agent(), async (agent) => {
      assert.equal(await spread(agent, { origin: http, count: 1 }), 1)
      assert.equal(await spread(agent, { origin: other, count: 1 }), 1)
      assert.deepEqual(Object.keys(agent.stats).sort(), [http, other].sort())
    }),
}

export const dispatchers = {
  Client: client,
  Pool: pool,
  RoundRobinPool: roundRobinPool,
  BalancedPool: balancedPool,
  Agent: agent,
}
