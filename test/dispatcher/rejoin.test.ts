import { EventEmitter } from 'node:events'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Dispatch = Dispatcher['dispatch']

for (const Kind of [Pool, RoundRobinPool])
  for (const foreign of [false, true]) {
    t.test(
      `${Kind.name}: a ${foreign ? 'foreign' : 'composed'} member stays when the factory returns it again before it is closed`,
      async (t) => {
        const origin = await httpOrigin((_request, response) => response.end('ok'))
        const waiting: (() => void)[] = []
        const client = new Client(origin.url, { pipelining: 20 })
        const composed = client.compose((dispatch) => (options, handler) => {
          waiting.push(() => dispatch(options, handler))
          return true
        })
        const member = foreign ? stubOf(client, composed.dispatch.bind(composed)) : composed
        let made = 0
        const factory = () => {
          made++
          return member as Dispatcher
        }
        const pool = new Kind(origin.url, { connections: 1, clientTtl: 1, factory })
        const events: string[] = []
        for (const name of ['connect', 'disconnect'] as const) pool.on(name as 'connect', () => events.push(name))
        const answers: Promise<string>[] = []
        // Its time is over while the interceptor holds what it was given.
        while (made < 12) {
          answers.push(pool.request({ path: '/', method: 'GET' }).then(({ body }) => body.text()))
          await new Promise((resolve) => setTimeout(resolve, 2))
        }
        t.ok((member as EventEmitter).listenerCount('drain') <= 1)
        t.equal(client.closed, false)
        t.equal(waiting.length, answers.length)
        for (const send of waiting.splice(0)) send()
        t.same(new Set(await Promise.all(answers)), new Set(['ok']))
        await pool.close()
        while (!events.includes('disconnect')) await new Promise(setImmediate)
        t.same(events, ['connect', 'disconnect'])
        t.match(pool.stats, { connected: 0, size: 0 })
        await origin.close()
      },
    )
  }

/** A dispatcher of another library, with the events of `client`. */
function stubOf(client: Client, dispatch: Dispatch): EventEmitter {
  const close = () => client.close()
  const stub = Object.assign(new EventEmitter(), { dispatch, close, destroy: close })
  for (const name of ['connect', 'disconnect', 'drain'] as const) {
    client.on(name as 'connect', (...values) => void stub.emit(name, ...values))
  }
  return stub
}

/** An emitter of another library, which stays open; it answers by hand. */
class Foreign extends EventEmitter {
  readonly handlers: Dispatcher.DispatchHandler[] = []

  dispatch(_options: unknown, handler: Dispatcher.DispatchHandler): boolean {
    this.handlers.push(handler)
    return true
  }

  answer(): void {
    const controller = { abort() {}, pause() {}, resume() {} } as never
    const [handler] = this.handlers.splice(0, 1)
    handler?.onRequestStart?.(controller, {})
    handler?.onResponseStart?.(controller, 200, {}, '')
    handler?.onResponseEnd?.(controller, {})
  }

  async close(): Promise<void> {}
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

const send = (dispatcher: Dispatcher, origin: string) =>
  dispatcher.request({ origin, path: '/', method: 'GET' }).then(({ body }) => body.dump())

t.test('a busy member that the factory returns again before it is closed gets no more requests', async (t) => {
  const one = new Foreign()
  const given: number[] = []
  const others: Promise<void>[] = []
  one.dispatch = (_options, handler) => {
    const count = one.handlers.push(handler)
    if (count === 2) {
      queueMicrotask(() => {
        others.push(send(pool, 'http://a.test'))
        given.push(one.handlers.length)
      })
    }
    return false
  }
  const pool: Pool = new Pool('http://a.test', { connections: 1, clientTtl: 20, factory: () => one as never })
  const sent = [send(pool, 'http://a.test'), send(pool, 'http://a.test')]
  t.equal(one.handlers.length, 1)
  while (given.length === 0) await new Promise(setImmediate)
  t.strictSame(given, [2])
  await Promise.all([t.rejects(Promise.all(sent)), pool.destroy(), ...others.map((other) => t.rejects(other))])
})

t.test('a client of two Agents notifies both', async (t) => {
  const origin = await httpOrigin((_request, response) => response.end('ok'))
  const one = new Client(origin.url)
  const events: string[] = []
  const agents = [1, 2].map((number) => {
    const agent = new Agent({ factory: () => one as Dispatcher })
    for (const name of ['connect', 'disconnect'] as const) agent.on(name as 'connect', () => events.push(name + number))
    return agent
  })
  await Promise.all(agents.map((agent) => send(agent, origin.url)))
  await Promise.all(agents.map((agent) => agent.close()))
  await turns()
  t.strictSame(events.sort(), ['connect1', 'connect2', 'disconnect1', 'disconnect2'])
  await origin.close()
})

t.test('an Agent removes its listeners from a dispatcher that it removed', async (t) => {
  const one = new Foreign()
  const agent = new Agent({ factory: () => one as never })
  for (let i = 0; i < 12; i++) {
    const sent = send(agent, `http://a${i}.test`)
    t.equal(one.listenerCount('drain'), 1)
    one.answer()
    await sent
    if (i % 2 === 0) await turns()
  }
  await agent.close()
})

t.test('an emitter that is removed as an upstream and added again notifies once', async (t) => {
  const one = new Foreign()
  const origin = 'http://a.test'
  const pool = new BalancedPool(origin, { factory: () => one as never })
  let disconnects = 0
  pool.on('disconnect', () => disconnects++)
  const sent = send(pool, origin)
  pool.removeUpstream(origin).addUpstream(origin)
  t.equal(one.listenerCount('disconnect'), 1)
  one.emit('connect', new URL(origin), [one])
  t.equal(pool.stats.connected, 1)
  one.emit('disconnect', new URL(origin), [one], new Error('gone'))
  t.equal(pool.stats.connected, 0)
  one.answer()
  await sent
  const again = send(pool, origin)
  one.answer()
  await again
  await pool.close()
  await turns()
  t.equal(one.listenerCount('disconnect'), 0)
  t.equal(disconnects, 1)
})

for (const foreign of [false, true]) {
  t.test(
    `a ${foreign ? 'foreign' : 'composed'} upstream stays open when it is added again with requests`,
    async (t) => {
      const origin = await httpOrigin((_request, response) => response.end('ok'))
      const waiting: (() => void)[] = []
      const inner = new Client(origin.url)
      const composed = inner.compose((dispatch) => (options, handler) => {
        waiting.push(() => dispatch(options, handler))
        return true
      })
      const upstream = foreign ? stubOf(inner, composed.dispatch.bind(composed)) : composed
      const pool = new BalancedPool(origin.url, { factory: () => upstream as never })
      const events: string[] = []
      for (const name of ['connect', 'disconnect'] as const) pool.on(name as 'connect', () => events.push(name))
      const first = send(pool, origin.url)
      pool.removeUpstream(origin.url).addUpstream(origin.url)
      pool.removeUpstream(origin.url).addUpstream(origin.url)
      const second = send(pool, origin.url)
      t.equal(waiting.length, 2)
      waiting.shift()?.()
      await first
      await turns()
      t.equal(inner.closed, false)
      waiting.shift()?.()
      await second
      t.match(pool.stats, { connected: 1, free: 1, size: 0 })
      await pool.close()
      t.equal(inner.closed, true)
      await turns()
      t.strictSame(events, ['connect', 'disconnect'])
      t.match(pool.stats, { connected: 0, free: 0, size: 0 })
      await origin.close()
    },
  )
}

t.test('an upstream without requests is closed before it is added again', async (t) => {
  const one = new Foreign()
  let closes = 0
  let destroys = 0
  Object.assign(one, { close: async () => void closes++, destroy: async () => void destroys++ })
  const origin = 'http://a.test'
  const pool = new BalancedPool(origin, { factory: () => one as never })
  one.emit('connect', new URL(origin), [one])
  t.equal(pool.stats.connected, 1)
  pool.removeUpstream(origin).addUpstream(origin)
  t.equal(closes, 1)
  t.equal(one.listenerCount('connect'), 1)
  await turns()
  t.equal(one.listenerCount('connect'), 1)
  t.equal(pool.stats.connected, 0)
  await pool.destroy()
  t.equal(destroys, 1)
})

t.test('an upstream that was removed with requests is destroyed with its pool', async (t) => {
  const one = new Foreign()
  let destroys = 0
  Object.assign(one, { destroy: async () => void destroys++ })
  const origin = 'http://a.test'
  const pool = new BalancedPool(origin, { factory: () => one as never })
  const sent = send(pool, origin)
  pool.removeUpstream(origin)
  await Promise.all([t.rejects(sent), pool.destroy()])
  t.equal(destroys, 1)
})

for (const Kind of [Agent, BalancedPool, Pool]) {
  t.test(`${Kind.name}: notifies of a connection that an emitter reports just after it is closed`, async (t) => {
    const origin = 'http://a.test'
    const one = new Foreign()
    const url = new URL(origin)
    one.close = async () => {
      setImmediate(() => one.emit('disconnect', url, [one], new Error('gone')))
    }
    const factory = () => one as never
    const pool = Kind === Agent ? new Agent({ factory }) : new (Kind as typeof Pool)(origin, { factory })
    let disconnects = 0
    pool.on('disconnect', () => disconnects++)
    const sent = send(pool, origin)
    one.emit('connect', url, [one])
    one.answer()
    await sent
    await pool.close()
    await turns()
    t.equal(disconnects, 1)
    t.equal(one.listenerCount('disconnect'), 0)
  })
}

t.test('an upstream that is added again in the last callback of its last request stays open', async (t) => {
  const one = new Foreign()
  let closes = 0
  one.close = async () => void closes++
  const origin = 'http://a.test'
  const pool = new BalancedPool(origin, { factory: () => one as never })
  pool.dispatch(
    { path: '/', method: 'GET' },
    {
      onRequestStart() {},
      onResponseEnd: () => {
        pool.addUpstream(origin)
        send(pool, origin)
      },
      onResponseError: (_controller, error) => void t.fail(error.message),
    },
  )
  pool.removeUpstream(origin)
  one.answer()
  await turns()
  t.equal(closes, 0)
  t.equal(one.handlers.length, 1)
  one.answer()
  await pool.close()
  t.equal(closes, 1)
})

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`${Kind.name}: a dispatcher that stays open has one listener, however often it is removed`, async (t) => {
    const one = new Foreign()
    const pool = new Kind('http://a.test', { connections: 1, factory: () => one as never, maxIdleConnections: 1 })
    const events: string[] = []
    for (const name of ['connect', 'disconnect'] as const) pool.on(name as 'connect', () => events.push(name))
    for (let i = 0; i < 12; i++) {
      const sent = send(pool, 'http://a.test')
      t.equal(one.listenerCount('connect'), 1)
      one.answer()
      await sent
      pool.closeIdle()
    }
    const sent = send(pool, 'http://a.test')
    one.emit('connect', new URL('http://a.test'), [one])
    one.answer()
    await sent
    one.emit('disconnect', new URL('http://a.test'), [one], new Error('gone'))
    await pool.close()
    await turns()
    t.strictSame(events, ['connect', 'disconnect'])
    t.equal(one.listenerCount('connect'), 0)
  })
}

for (const Kind of [Client, Pool]) {
  t.test(`a ${Kind.name} that stays open notifies an Agent once, however often it is removed`, async (t) => {
    const origin = await httpOrigin((_request, response) => response.end('ok'))
    const one = new Kind(origin.url)
    one.close = async () => {}
    const agent = new Agent({ factory: () => one as Dispatcher })
    const events: string[] = []
    for (const name of ['connect', 'disconnect'] as const) agent.on(name as 'connect', () => events.push(name))
    for (let i = 0; i < 3; i++) {
      await send(agent, origin.url)
      one.closeIdle()
      await turns()
      t.same(agent.stats, {})
    }
    await send(agent, origin.url)
    let again: Promise<void> | null = null
    // The Agent has let it go, and still listens for what it reports last.
    one.close = async () =>
      queueMicrotask(() => {
        again ??= send(agent, origin.url)
      })
    one.closeIdle()
    await turns()
    await again
    one.closeIdle()
    await turns()
    t.strictSame(events, Array(5).fill(['connect', 'disconnect']).flat())
    await agent.close()
    await one.destroy()
    await origin.close()
  })
}
