import { EventEmitter } from 'node:events'
import http from 'node:http'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  type DispatchInterceptor,
  interceptors,
  Pool,
  RoundRobinPool,
} from '../../lib/index.js'
import { event, httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' } as const

type Dispatch = Dispatcher['dispatch']

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

const ask = async (dispatcher: Dispatcher, options: object = {}) =>
  (await dispatcher.request({ ...get, ...options })).body.text()

/** Answers `/stream` by a head alone, everything else at once with the number of the connection. */
function streamingOrigin() {
  return rawOrigin((socket, index) =>
    onRequests(socket, (head) => {
      if (head.includes(' /stream')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n')
      else socket.write(response(String(index)))
    }),
  )
}

/** An interceptor that waits until the test lets its requests pass. */
function gate() {
  const waiting: (() => void)[] = []
  const interceptor = (dispatch: Dispatch) => (options: Parameters<Dispatch>[0], handler: Parameters<Dispatch>[1]) => {
    waiting.push(() => dispatch(options, handler))
    return true
  }
  return { waiting, interceptor, open: () => waiting.splice(0).forEach((one) => void one()) }
}

for (const pipelining of [1, 2]) {
  for (const composed of [false, true]) {
    for (const connections of [2, null]) {
      t.test(
        `no request waits behind an event stream while another connection is idle: ${pipelining}, ${composed}, ${connections}`,
        async (t) => {
          const origin = await streamingOrigin()
          const pool = new RoundRobinPool(origin.url, {
            connections,
            pipelining,
            factory: composed ? (url, options) => new Client(url, options).compose((dispatch) => dispatch) : null,
          })
          await Promise.all([ask(pool), ask(pool)])
          const stream = await pool.request({ ...get, path: '/stream' })
          const answers: string[] = []
          for (let i = 0; i < 6; i++) answers.push(await ask(pool))
          t.equal(new Set(answers).size, 1)
          if (pipelining === 1) {
            const atOnce = await Promise.all([1, 2, 3, 4, 5].map(() => ask(pool)))
            if (connections !== null) t.strictSame(new Set(atOnce), new Set(answers))
          }
          stream.body.on('error', () => {}).destroy()
          await pool.close()
          await origin.close()
        },
      )
    }
  }
}

t.test(
  'a factory that returns one client for all: it is counted once, and gets as many requests as there are connections',
  async (t) => {
    const origin = await streamingOrigin()
    for (const Kind of [Pool, RoundRobinPool]) {
      const one = new Client(origin.url)
      let made = 0
      const factory = () => {
        made++
        return one
      }
      const pool = new Kind(origin.url, { connections: 3, factory })
      let connects = 0
      pool.on('connect', () => connects++)
      const all = [1, 2, 3, 4, 5].map(() => ask(pool))
      t.match(pool.stats, { pending: 3, queued: 2, size: 5 })
      t.equal(made, 3)
      await Promise.all(all)
      t.strictSame({ ...pool.stats }, { connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0 })
      t.equal(connects, 1)
      await pool.close()
      t.equal(pool.stats.connected, 0)
    }
    await origin.close()
  },
)

t.test('counts a client that two pools share in both', async (t) => {
  const origin = await streamingOrigin()
  const one = new Client(origin.url)
  const pools = [new Pool(origin.url, { factory: () => one }), new Pool(origin.url, { factory: () => one })]
  await Promise.all(pools.map((pool) => ask(pool)))
  for (const { stats } of pools)
    t.strictSame({ ...stats }, { connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0 })
  await one.close()
  for (const { stats } of pools) t.match(stats, { connected: 0, free: 0, size: 0 })
  await Promise.all(pools.map((pool) => pool.close()))
  await origin.close()
})

t.test('counts a client of two pools of a balancer once', async (t) => {
  const origin = await streamingOrigin()
  const one = new Client(origin.url)
  const connected = new Promise((resolve) => one.once('connect', resolve))
  const factory = (url: URL | string, options: object) => new Pool(url, { ...options, factory: () => one })
  const pool = new BalancedPool([origin.url, 'http://other.test'], { factory })
  const requests = [ask(pool), ask(pool), ask(pool)]
  t.match(pool.stats, { connected: 0, pending: 3, size: 3 })
  await connected
  t.match(pool.stats, { connected: 1, size: 3 })
  await Promise.all(requests)
  t.strictSame({ ...pool.stats }, { connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0 })
  await pool.close()
  await origin.close()
})

t.test(
  'a balancer whose factory returns one pool for all counts it once, and closes it with the last upstream',
  async (t) => {
    const origin = await streamingOrigin()
    const shared = new Pool(origin.url)
    const pool = new BalancedPool([origin.url, 'http://other.test'], { factory: () => shared })
    await ask(pool)
    t.match(pool.stats, { connected: 1, size: 0 })
    pool.removeUpstream('http://other.test')
    t.equal(shared.closed, false)
    await ask(pool)
    pool.removeUpstream(origin.url)
    t.equal(shared.closed, true)
    await pool.close()
    await origin.close()
  },
)

t.test('a balancer counts a client of two pools once that join it after they were used', async (t) => {
  const origin = await streamingOrigin()
  const one = new Client(origin.url, { pipelining: 2 })
  const pools = [1, 2].map(() => new Pool(origin.url, { factory: () => one }))
  await Promise.all(pools.map((pool) => ask(pool)))
  const running = pools.map((pool) => ask(pool))
  const joining = [...pools]
  const pool = new BalancedPool([origin.url, 'http://other.test'], { factory: () => joining.pop() as Pool })
  t.match(pool.stats, { connected: 1, size: 2 })
  await Promise.all(running)
  t.strictSame({ ...pool.stats }, { connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0 })
  await pool.close()
  t.match(pool.stats, { connected: 0, free: 0 })
  await origin.close()
})

t.test('a balancer whose factory returns one dispatcher for all upstreams emits its events once', async (t) => {
  const origin = await streamingOrigin()
  const identity = (dispatch: Dispatch) => dispatch
  for (const shared of [new Pool(origin.url), new Client(origin.url), new Pool(origin.url).compose(identity)]) {
    const events: string[] = []
    const pool = new BalancedPool([origin.url, 'http://other.test'], { factory: () => shared as Pool })
    for (const name of ['connect', 'disconnect'] as const) pool.on(name as 'connect', () => events.push(name))
    await Promise.all([ask(pool), ask(pool)])
    const connections = pool.stats.connected
    await pool.close()
    t.strictSame(events.sort(), [...Array(connections).fill('connect'), ...Array(connections).fill('disconnect')])
  }
  await origin.close()
})

t.test('an Agent whose factory returns one dispatcher for all does not close it while an origin uses it', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.setHeader('connection', 'close').end('ok'))
  const held = await rawOrigin(() => {})
  const shared = new Agent()
  const agent = new Agent({ factory: () => shared })
  const waiting = agent.request({ ...get, origin: held.url }).catch((error) => error.code)
  t.equal(await ask(agent, { origin: origin.url }), 'ok')
  await until(() => held.sockets.size === 1)
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
  t.equal(shared.closed, false)
  t.equal(await ask(agent, { origin: origin.url }), 'ok')
  await agent.destroy()
  t.equal(await waiting, 'UND_ERR_DESTROYED')
  await Promise.all([origin.close(), held.close()])
})

for (const end of ['close', 'destroy'] as const) {
  for (const hidden of [false, true]) {
    t.test(`a member closed by the caller gets no more requests, and is replaced: ${end}, ${hidden}`, async (t) => {
      const origin = await streamingOrigin()
      const made: Client[] = []
      const factory = (url: URL, options: object) => {
        const client = new Client(url, options)
        made.push(client)
        if (!hidden) return client
        const shown = Object.assign(new EventEmitter(), {
          dispatch: client.dispatch.bind(client),
          close: () => client.close(),
          destroy: () => client.destroy(),
        })
        Object.defineProperty(shown, 'closed', { get: () => client.closed })
        return shown as unknown as Dispatcher
      }
      const pools = {
        Pool: new Pool(origin.url, { connections: 1, factory }),
        RoundRobinPool: new RoundRobinPool(origin.url, { connections: 1, factory }),
        Agent: new Agent({ factory: factory as never }),
      }
      for (const [name, pool] of Object.entries(pools)) {
        made.length = 0
        await ask(pool, { origin: origin.url })
        await made[0]?.[end]()
        t.equal(typeof (await ask(pool, { origin: origin.url })), 'string', name)
        t.equal(made.length, 2, name)
        await pool.close()
      }
      await origin.close()
    })
  }
}

t.test('a factory that returns a closed dispatcher fails each request', async (t) => {
  const closed = new Client('http://localhost')
  await closed.close()
  const pool = new Pool('http://localhost', { factory: () => closed, connections: 1 })
  for (let i = 0; i < 3; i++) await t.rejects(ask(pool), { code: 'UND_ERR_DESTROYED' })
  await pool.close()
})

/** What closes a member whose interceptor waits with a request. */
const closers: Record<string, (pool: Pool) => unknown> = {
  'closeIdle()': (pool) => pool.closeIdle(),
  'close()': (pool) => pool.close(),
  'a time to live': () => new Promise((resolve) => setTimeout(resolve, 40)),
}

for (const [name, closing] of Object.entries(closers)) {
  t.test(`${name} completes a request that an interceptor delays`, async (t) => {
    const origin = await streamingOrigin()
    const { waiting, interceptor, open } = gate()
    const pool = new Pool(origin.url, {
      clientTtl: name === 'a time to live' ? 20 : null,
      maxIdleConnections: 0,
      factory: (url, options) => new Client(url, options).compose(interceptor),
    })
    const first = ask(pool)
    await until(() => waiting.length === 1)
    open()
    await first
    const second = ask(pool)
    await until(() => waiting.length === 1)
    const closed = closing(pool)
    for (let i = 0; i < 10; i++) await new Promise(setImmediate)
    open()
    t.match(await second, /^\d$/)
    await closed
    await pool.close()
    t.equal(pool.stats.connected, 0)
    await origin.close()
  })
}

t.test('a refused connection does not close a member whose interceptor retries', async (t) => {
  const refusing = await rawOrigin(() => {})
  await refusing.close()
  const { port } = refusing
  const pool = new Pool(refusing.url, {
    connections: 1,
    factory: (url, options) => new Client(url, options).compose(interceptors.retry({ minTimeout: 50, maxRetries: 3 })),
  })
  const origin = http.createServer((_request, reply) => void reply.end('ok'))
  pool.once('connectionError', () => origin.listen(port, '127.0.0.1'))
  const answer = ask(pool)
  t.equal(await answer, 'ok')
  await pool.close()
  origin.close()
})

t.test('an Agent keeps a composed pool open while its interceptor delays or retries a request', async (t) => {
  let requests = 0
  const origin = await httpOrigin((request, reply) => {
    if (requests++ === 0) request.socket.destroy()
    else reply.setHeader('connection', 'close').end('ok')
  })
  const composed = (interceptor: DispatchInterceptor) =>
    new Agent({ factory: (url, options) => new Pool(url, options).compose(interceptor) })
  const held: (() => void)[] = []
  const retrying = composed(
    interceptors.retry({ retry: (_error, _context, again) => void held.push(() => again(null)) }),
  )
  const lost = event(retrying, 'disconnect')
  const retried = ask(retrying, { origin: origin.url })
  await lost
  await until(() => held.length === 1)
  held[0]?.()
  t.equal(await retried, 'ok')
  await retrying.close()

  const { waiting, interceptor, open } = gate()
  const agent = composed(interceptor)
  for (const order of ['before', 'after']) {
    const first = ask(agent, { origin: origin.url })
    const second = order === 'before' ? ask(agent, { origin: origin.url }) : null
    const closed = event(agent, 'disconnect')
    waiting.shift()?.()
    const third = second ?? ask(agent, { origin: origin.url })
    t.equal(await first, 'ok')
    await closed
    await until(() => waiting.length === 1)
    open()
    t.equal(await third, 'ok', `dispatched ${order} the first was sent`)
  }
  await agent.close()
  await origin.close()
})

t.test('a request whose controller aborts it before an interceptor dispatches it is not sent', async (t) => {
  let requests = 0
  const origin = await httpOrigin((_request, reply) => {
    requests++
    reply.end()
  })
  const { waiting, interceptor, open } = gate()
  const pool = new Pool(origin.url, { factory: (url, options) => new Client(url, options).compose(interceptor) })
  const abort = new AbortController()
  const answer = ask(pool, { signal: abort.signal })
  await until(() => waiting.length === 1)
  abort.abort()
  await t.rejects(answer, { name: 'AbortError' })
  open()
  for (let i = 0; i < 10; i++) await new Promise(setImmediate)
  t.equal(requests, 0)
  t.match(pool.stats, { size: 0 })
  await pool.close()
  await origin.close()
})

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`${Kind.name} closes though a factory aborted the request that it was called for`, async (t) => {
    const origin = await streamingOrigin()
    const clients: Client[] = []
    let abort = () => {}
    const factory = (url: URL, options: object) => {
      abort()
      clients.push(new Client(url, options))
      return clients.at(-1) as Client
    }
    const pool = new Kind(origin.url, { connections: 1, factory })
    const stream = await pool.request({ ...get, path: '/stream' })
    const failed = new Promise<Error>((resolve) => {
      pool.dispatch(get, {
        onRequestQueued(controller) {
          abort = () => controller.abort(new Error('enough'))
        },
        onResponseError: (_controller, error) => resolve(error),
      })
    })
    // Another client takes the place of the one that is closed.
    clients[0]?.close()
    t.equal((await failed).message, 'enough')
    t.equal(clients.length, 2)
    stream.body.on('error', () => {}).destroy()
    await pool.close()
    t.equal(pool.stats.size, 0)
    await origin.close()
  })
}

t.test('legacy handlers work with current and legacy dispatchers', async (t) => {
  const origin = await streamingOrigin()
  const legacyOnly = (dispatch: Dispatch) => (options: Parameters<Dispatch>[0], handler: Parameters<Dispatch>[1]) => {
    const legacy = handler as never as Record<string, (...values: unknown[]) => unknown>
    return dispatch(options, {
      onConnect: (...values: unknown[]) => legacy.onConnect?.(...values),
      onHeaders: (...values: unknown[]) => legacy.onHeaders?.(...values),
      onData: (...values: unknown[]) => legacy.onData?.(...values),
      onComplete: (...values: unknown[]) => legacy.onComplete?.(...values),
      onError: (...values: unknown[]) => legacy.onError?.(...values),
    } as never)
  }
  for (const interceptor of [legacyOnly, (dispatch: Dispatch) => dispatch]) {
    const pool = new Pool(origin.url, {
      connections: 1,
      factory: (url, options) => new Client(url, options).compose(interceptor),
    })
    const calls: string[] = []
    await new Promise<void>((resolve, reject) => {
      pool.dispatch(get, {
        onConnect: () => calls.push('connect'),
        onHeaders: (status: number) => calls.push(String(status)) > 0,
        onData: (chunk: Buffer) => calls.push(chunk.toString()) > 0,
        onComplete: () => resolve(),
        onError: reject,
      } as never)
    })
    t.match(calls, ['connect', '200', /^\d$/])
    let abort = () => {}
    const aborted = new Promise((resolve) => {
      pool.dispatch({ ...get, path: '/stream' }, {
        onConnect: (of: () => void) => {
          abort = of
        },
        onHeaders: () => Boolean(setImmediate(abort)),
        onData: () => true,
        onComplete: () => {},
        onError: resolve,
      } as never)
    })
    t.match(await aborted, { code: 'UND_ERR_ABORTED' })
    await pool.close()
  }
  await origin.close()
})

t.test('exceptions and rejections of a dispatcher fail the request once', async (t) => {
  const error = new Error('no token')
  const throwing = {
    dispatch: () => {
      throw error
    },
    close: async () => {},
    destroy: async () => {},
  }
  const rejecting = {
    dispatch: async () => {
      throw error
    },
    close: async () => {},
    destroy: async () => {},
  }
  for (const made of [throwing, rejecting]) {
    const factory = () => made as unknown as Dispatcher
    const all = [
      new Pool('http://localhost', { factory }),
      new RoundRobinPool('http://localhost', { factory, connections: 1 }),
      new BalancedPool('http://localhost', { factory }),
      new Agent({ factory }),
    ]
    for (const pool of all) {
      await t.rejects(ask(pool, { origin: 'http://localhost' }), error)
      await pool.close()
    }
  }
})

for (const Class of [Pool, RoundRobinPool]) {
  for (const failing of [false, true]) {
    const how = failing ? 'sends requests and throws' : 'sends requests'
    t.test(`a factory that ${how} makes a ${Class.name} have no more clients than connections`, async (t) => {
      const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
      const ownRequests: Promise<string>[] = []
      const ask = () =>
        pool.request({ path: '/', method: 'GET' }).then(
          ({ body }) => body.text(),
          (error: Error) => error.message,
        )
      let made = 0
      const pool = new Class(origin.url, {
        connections: 2,
        factory(url, options) {
          if (ownRequests.length < 5) ownRequests.push(ask())
          if (failing && ownRequests.length === 1) throw new Error('of the factory')
          made++
          return new Client(url, options)
        },
      })
      const outcomes = await Promise.all([ask(), ask(), ask()])
      const failed = [...outcomes, ...(await Promise.all(ownRequests))].filter((outcome) => outcome !== 'ok')
      t.strictSame(failed, failing ? ['of the factory'] : [])
      t.ok(made <= 2, `${made} clients`)
      t.match(pool.stats, { queued: 0, pending: 0, running: 0 })
      await pool.close()
      await origin.close()
    })
  }
}
