import t from 'tap'
import { Agent, BalancedPool, Client, Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Handler = Parameters<Dispatcher['dispatch']>[1]
type Options = Parameters<Dispatcher['dispatch']>[0]

const get = { path: '/', method: 'GET' } as const

async function ask(dispatcher: Dispatcher, options: object = {}): Promise<string> {
  const { body } = await dispatcher.request({ ...get, ...options })
  return body.text()
}

const ok = () => httpOrigin((_request, reply) => void reply.end('ok'))

/** Calls `call` the first time. */
function once(call: () => void): () => void {
  let called = false
  return () => {
    if (called) return
    called = true
    call()
  }
}

type ClientFactory = (url: URL | string, options: object) => Dispatcher

const factoryDispatchers: Record<string, (url: string, factory: ClientFactory) => Dispatcher> = {
  Pool: (url, factory) => new Pool(url, { factory, connections: 1 }),
  RoundRobinPool: (url, factory) => new RoundRobinPool(url, { factory }),
  Agent: (_url, factory) => new Agent({ factory }),
  'an Agent with one origin': (_url, factory) => new Agent({ factory, maxOrigins: 1 }),
}

for (const [kind, make] of Object.entries(factoryDispatchers)) {
  t.test(`close() in the factory waits for the request that the factory is called for: ${kind}`, async (t) => {
    const origin = await ok()
    let closed: Promise<void> | null = null
    const close = once(() => {
      closed = dispatcher.close()
    })
    const dispatcher: Dispatcher = make(origin.url, (url, options) => {
      close()
      return new Client(url, options)
    })
    t.equal(await ask(dispatcher, { origin: origin.url }), 'ok')
    t.not(closed, null)
    await closed
    await t.rejects(ask(dispatcher, { origin: origin.url }), { code: /UND_ERR_(CLOSED|DESTROYED)/ })
    await origin.close()
  })

  t.test(`destroy() in the factory fails the request that the factory is called for: ${kind}`, async (t) => {
    const origin = await ok()
    let destroyed: Promise<void> | null = null
    const destroy = once(() => {
      destroyed = dispatcher.destroy()
    })
    const dispatcher: Dispatcher = make(origin.url, (url, options) => {
      destroy()
      return new Client(url, options)
    })
    await t.rejects(ask(dispatcher, { origin: origin.url }), { code: 'UND_ERR_DESTROYED' })
    await destroyed
    await origin.close()
  })
}

for (const [kind, make] of Object.entries({
  Client: (url: string) => new Client(url),
  Pool: (url: string) => new Pool(url),
  RoundRobinPool: (url: string) => new RoundRobinPool(url),
  Agent: () => new Agent(),
  BalancedPool: (url: string) => new BalancedPool(url),
})) {
  t.test(`close() while headers are read waits for their request: ${kind}`, async (t) => {
    const origin = await ok()
    const dispatcher: Dispatcher = make(origin.url)
    let closed: Promise<void> | null = null
    const headers = {
      *[Symbol.iterator]() {
        closed ??= dispatcher.close()
        yield ['name', 'value'] as [string, string]
      },
    }
    t.equal(await ask(dispatcher, { origin: origin.url, headers }), 'ok')
    await closed
    await origin.close()
  })
}

t.test('warm() makes no more clients than connections when the factory sends a request', async (t) => {
  const origin = await ok()
  let made = 0
  let first: Promise<string> | null = null
  const pool = new Pool(origin.url, {
    connections: 2,
    factory: (url, options) => {
      if (++made === 1) first = ask(pool)
      return new Client(url, options)
    },
  })
  t.equal(await pool.warm(2), 2)
  t.equal(await first, 'ok')
  t.equal(made, 2)
  t.equal(pool.stats.connected, 2)
  await pool.close()
  await origin.close()
})

t.test('maxOrigins counts an origin whose dispatcher is being made', async (t) => {
  const [one, other] = [await ok(), await ok()]
  let second: Promise<unknown> | null = null
  const send = once(() => {
    second = t.rejects(ask(agent, { origin: other.url }), { code: 'UND_ERR_MAX_ORIGINS_REACHED' })
  })
  const agent = new Agent({
    maxOrigins: 1,
    factory: (url, options) => {
      send()
      return new Pool(url, options)
    },
  })
  t.equal(await ask(agent, { origin: one.url }), 'ok')
  await second
  t.strictSame(Object.keys(agent.stats), [one.url])
  await agent.close()
  await one.close()
  await other.close()
})

t.test('an Agent keeps one dispatcher when its factory sends a request to the same origin', async (t) => {
  const origin = await ok()
  const pools: Pool[] = []
  let inner: Promise<string> | null = null
  const send = once(() => {
    inner = ask(agent, { origin: origin.url })
  })
  const agent = new Agent({
    maxOrigins: 1,
    factory: (url, options) => {
      send()
      const pool = new Pool(url, options)
      pools.push(pool)
      return pool
    },
  })
  t.equal(await ask(agent, { origin: origin.url }), 'ok')
  t.equal(await inner, 'ok')
  t.equal(pools.length, 2)
  t.strictSame(
    pools.map(({ closed }) => closed),
    [true, false],
  )
  t.equal(await ask(agent, { origin: origin.url }), 'ok')
  t.equal(pools.length, 2)
  t.strictSame(Object.keys(agent.stats), [origin.url])
  await agent.close()
  await origin.close()
})

t.test('a BalancedPool has an upstream once that its factory adds too', async (t) => {
  const origin = await ok()
  const pools: Pool[] = []
  const add = once(() => balanced.addUpstream(origin.url))
  const balanced = new BalancedPool([], {
    factory: (url, options) => {
      add()
      const pool = new Pool(url, options)
      pools.push(pool)
      return pool
    },
  })
  balanced.addUpstream(origin.url)
  t.strictSame(balanced.upstreams, [origin.url])
  t.strictSame(
    pools.map(({ closed }) => closed),
    [true, false],
  )
  t.equal(await ask(balanced), 'ok')
  t.equal(await ask(balanced), 'ok')
  balanced.removeUpstream(origin.url)
  t.ok(pools.every(({ closed }) => closed))
  await balanced.close()
  await origin.close()
})

t.test('closes the other idle members when closeIdle() of one throws, which is an uncaught exception', async (t) => {
  const origin = await ok()
  const uncaught: unknown[] = []
  const listener = (error: unknown) => void uncaught.push(error)
  process.on('uncaughtException', listener)
  t.teardown(() => process.off('uncaughtException', listener))
  const members: Foreign[] = []
  class Foreign extends Dispatcher {
    readonly client = new Client(origin.url)
    override dispatch(options: Options, handler: Handler): boolean {
      return this.client.dispatch(options, handler)
    }
    closeIdle(): void {
      throw new Error('thrown by closeIdle')
    }
    override close(): Promise<void>
    override close(callback: () => void): void
    override close(): Promise<void> {
      return this.client.close()
    }
  }
  const pool = new Pool(origin.url, {
    factory: () => {
      const member = new Foreign()
      members.push(member)
      return member
    },
  })
  t.strictSame(await Promise.all([ask(pool), ask(pool), ask(pool)]), ['ok', 'ok', 'ok'])
  t.equal(members.length, 3)
  pool.closeIdle()
  await new Promise(setImmediate)
  t.ok(members.every(({ client }) => client.closed))
  t.strictSame(uncaught, Array(3).fill(new Error('thrown by closeIdle')))
  await pool.close()
  await origin.close()
})
