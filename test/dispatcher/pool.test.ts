import type { EventEmitter } from 'node:events'
import http from 'node:http'
import t from 'tap'
import {
  Client,
  type DispatchController,
  type Dispatcher,
  type DispatchInterceptor,
  errors,
  Pool,
  PoolStats,
  ProxyAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import fc from '../property.js'
import { event, httpOrigin, listen, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'

const get = { path: '/', method: 'GET' }

/** Server that responds with the number of the connection, in order of arrival. */
async function numberedOrigin(): Promise<Origin & { served: Map<number, number> }> {
  const numbers = new WeakMap<object, number>()
  const served = new Map<number, number>()
  let next = 0
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, reply) => {
    const number = numbers.get(request.socket) as number
    served.set(number, (served.get(number) ?? 0) + 1)
    reply.end(JSON.stringify({ number }))
  })
  server.on('connection', (socket) => numbers.set(socket, next++))
  return Object.assign(await listen(server), { served })
}

/** Server that responds when the test says so. */
async function patientOrigin(): Promise<Origin & { answer(count?: number): void; held: (() => void)[] }> {
  const held: (() => void)[] = []
  const origin = await rawOrigin((socket) => onRequests(socket, () => held.push(() => socket.write(response('ok')))))
  return Object.assign(origin, {
    held,
    answer: (count = held.length) => held.splice(0, count).forEach((one) => void one()),
  })
}

async function numberOf(pool: Dispatcher): Promise<number> {
  const { body } = await pool.request(get)
  return ((await body.json()) as { number: number }).number
}

const none = { connected: 0, free: 0, pending: 0, queued: 0, running: 0, size: 0 }

t.test('a request that completes while queued is not dispatched', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const pool = new Pool(origin.url, { connections: 1 })
  const first = new Recorder()
  let queued = 0
  const second = new Recorder((name) => {
    if (name.startsWith('error')) first.controller?.abort()
  })
  Object.assign(first, {
    onRequestQueued(controller: DispatchController) {
      first.controller = controller
    },
  })
  Object.assign(second, {
    onRequestQueued() {
      queued++
      throw new Error('no')
    },
  })
  for (const recorder of [first, second]) pool.dispatch({ path: '/', method: 'GET' }, recorder)
  await Promise.all([first.ended, second.ended])
  t.match(first.error, { code: 'UND_ERR_ABORTED' })
  t.match(second.error, { message: 'no' })
  t.equal(queued, 1)
  t.match(pool.stats, { pending: 0, queued: 0, running: 0, size: 0 })
  await pool.close()
  await origin.close()
})

t.test('round robin: 100 sequential requests are 10 on each of 10 connections', async (t) => {
  const origin = await numberedOrigin()
  const pool = new RoundRobinPool(origin.url, { connections: 10 })
  for (let i = 0; i < 100; i++) await numberOf(pool)
  t.strictSame([...origin.served.values()], new Array(10).fill(10))
  await pool.close()
  await origin.close()
})

t.test('round robin: 50 concurrent requests are 5 on each of 10 connections', async (t) => {
  const origin = await numberedOrigin()
  const pool = new RoundRobinPool(origin.url, { connections: 10 })
  const results = await Promise.all(Array.from({ length: 50 }, () => pool.request(get)))
  t.strictSame(
    results.map(({ statusCode }) => statusCode),
    new Array(50).fill(200),
  )
  await Promise.all(results.map(({ body }) => body.dump()))
  t.strictSame([...origin.served.values()], new Array(10).fill(5))
  await pool.close()
  await origin.close()
})

t.test('round robin without a limit opens a connection only if all are busy', async (t) => {
  const origin = await numberedOrigin()
  const pool = new RoundRobinPool(origin.url)
  for (let i = 0; i < 5; i++) await numberOf(pool)
  t.equal(origin.connections, 1)
  await Promise.all([1, 2, 3].map(() => numberOf(pool)))
  t.equal(origin.connections, 3)
  const numbers = []
  for (let i = 0; i < 6; i++) numbers.push(await numberOf(pool))
  t.equal(new Set(numbers.slice(0, 3)).size, 3, 'uses each connection in turn')
  t.strictSame(numbers.slice(3), numbers.slice(0, 3))
  await pool.close()
  await origin.close()
})

t.test('sends requests over at most connections clients', async (t) => {
  const origin = await patientOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const all = [1, 2, 3, 4, 5].map(() => pool.request(get).then(({ body }) => body.text()))
  t.strictSame({ ...pool.stats }, { connected: 0, free: 0, pending: 2, queued: 3, running: 0, size: 5 })
  await event(pool, 'connect')
  while (origin.held.length < 2) await new Promise(setImmediate)
  t.equal(origin.connections, 2)
  t.strictSame({ ...pool.stats }, { connected: 2, free: 0, pending: 0, queued: 3, running: 2, size: 5 })
  origin.answer(1)
  while (origin.held.length < 2) await new Promise(setImmediate)
  t.strictSame({ ...pool.stats }, { connected: 2, free: 0, pending: 0, queued: 2, running: 2, size: 4 })
  while (pool.stats.size > 0) {
    origin.answer()
    await new Promise(setImmediate)
  }
  t.strictSame(await Promise.all(all), new Array(5).fill('ok'))
  t.strictSame({ ...pool.stats }, { ...none, connected: 2, free: 2 })
  t.ok(pool.stats instanceof PoolStats)
  t.match(JSON.stringify(pool.stats), /"connected":2/)
  await pool.close()
  t.equal(pool.destroyed, true)
  t.strictSame({ ...pool.stats }, none)
  await origin.close()
})

t.test('a pool without a limit opens as many connections as there are concurrent requests', async (t) => {
  const origin = await numberedOrigin()
  const pool = new Pool(origin.url)
  await Promise.all([1, 2, 3].map(() => numberOf(pool)))
  for (let i = 0; i < 5; i++) await numberOf(pool)
  t.equal(origin.connections, 3)
  await pool.close()
  await origin.close()
})

t.test('a factory may return composed clients', async (t) => {
  const origin = await numberedOrigin()
  let tries = 0
  const flaky: DispatchInterceptor = (dispatch) => (options, handler) => {
    tries++
    return dispatch({ ...options, headers: { 'x-try': String(tries) } }, handler)
  }
  const seen: unknown[] = []
  const pool = new Pool(origin.url, {
    connections: 5,
    factory: (url, options) => {
      seen.push(url.origin, options.pipelining)
      return new Client(url, options).compose(flaky)
    },
    pipelining: 2,
  })
  const numbers = await Promise.all(Array.from({ length: 20 }, () => numberOf(pool)))
  t.equal(numbers.length, 20)
  t.equal(tries, 20)
  t.strictSame(seen.slice(0, 2), [origin.url, 2])
  t.ok(origin.connections <= 5)
  t.strictSame({ ...pool.stats }, { ...none, connected: origin.connections, free: origin.connections })
  await pool.close()
  t.strictSame({ ...pool.stats }, none)
  await origin.close()
  const bad = new Pool('http://localhost', { factory: () => null as never })
  t.match(refusal(bad, get), { code: 'UND_ERR_INVALID_ARG' })
})

t.test('events name pool and client', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.end(response('x', { connection: 'close' }))),
  )
  const pool = new Pool(origin.url)
  const connected = event<[URL, object[]]>(pool, 'connect')
  const disconnected = event<[URL, object[], Error]>(pool, 'disconnect')
  await (await pool.request(get)).body.dump()
  const [url, targets] = await connected
  t.equal(url.origin, origin.url)
  t.equal(targets[0], pool)
  t.ok(targets[1] instanceof Client)
  t.equal((await disconnected)[1][0], pool)
  await pool.close()
  await origin.close()
  const dead = new Pool(origin.url, { connections: 1 })
  const failed = event<[URL, object[], Error]>(dead, 'connectionError')
  const results = await Promise.allSettled([1, 2, 3].map(() => dead.request(get)))
  t.strictSame(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.match((await failed)[2], { code: 'ECONNREFUSED' })
  t.strictSame({ ...dead.stats }, none)
  await dead.close()
})

t.test('clientTtl removes old clients', async (t) => {
  const origin = await numberedOrigin()
  for (const Class of [Pool, RoundRobinPool]) {
    const pool = new Class(origin.url, { clientTtl: 30, connections: 2 })
    const disconnected = event(pool, 'disconnect')
    const first = await numberOf(pool)
    await disconnected
    t.strictSame({ ...pool.stats }, none, 'the old client is closed without a request')
    t.not(await numberOf(pool), first, 'the next request uses a new client')
    await pool.close()
  }
  await origin.close()
})

t.test('one drain follows a dispatch that returned false', async (t) => {
  const origin = await numberedOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  let drains = 0
  pool.on('drain', () => drains++)
  const recorders = [1, 2, 3].map(() => new Recorder())
  t.strictSame(
    recorders.map((recorder) => pool.dispatch(get, recorder)),
    [true, false, false],
  )
  await Promise.all(recorders.map(({ ended }) => ended))
  await new Promise(setImmediate)
  t.equal(drains, 1)
  await pool.close()
  await origin.close()
})

t.test('close waits for requests, destroy fails them', async (t) => {
  const origin = await patientOrigin()
  const pool = new Pool(origin.url, { connections: 1 })
  const answers = [1, 2, 3].map(() => pool.request(get).then(({ body }) => body.text()))
  const closed = pool.close()
  await t.rejects(pool.request(get), { code: 'UND_ERR_CLOSED' })
  const pump = setInterval(() => origin.answer(), 1)
  t.strictSame(await Promise.all(answers), ['ok', 'ok', 'ok'])
  await closed
  clearInterval(pump)
  const dying = new Pool(origin.url, { connections: 1 })
  const victims = [1, 2].map(() => dying.request(get))
  await event(dying, 'connect')
  const reason = new Error('over')
  await Promise.all([...victims.map((victim) => t.rejects(victim, reason)), dying.destroy(reason)])
  t.strictSame({ ...dying.stats }, none)
  await origin.close()
})

t.test('a request that waits in the pool can be aborted', async (t) => {
  const origin = await patientOrigin()
  const pool = new Pool(origin.url, { connections: 1 })
  const first = pool.request(get)
  const abort = new AbortController()
  const second = pool.request({ ...get, signal: abort.signal })
  t.equal(pool.stats.queued, 1)
  abort.abort(new Error('no more'))
  await t.rejects(second, { message: 'no more' })
  t.equal(pool.stats.queued, 0)
  while (origin.held.length < 1) await new Promise(setImmediate)
  origin.answer()
  t.equal(await (await first).body.text(), 'ok')
  await pool.close()
  await origin.close()
})

t.test('rejects a missing URL', async (t) => {
  for (const Kind of [Client, Pool, RoundRobinPool, ProxyAgent]) {
    for (const url of [undefined, null, 5, '', {}]) {
      t.throws(() => new Kind(url as never), { code: 'UND_ERR_INVALID_ARG' }, `${Kind.name} of ${String(url)}`)
    }
  }
})

t.test('rejects invalid options', async (t) => {
  for (const options of [
    null,
    { connections: -1 },
    { connections: Infinity },
    { clientTtl: -1 },
    { clientTtl: Number.NaN },
    { clientTtl: 'x' },
    { factory: 1 },
    { pipelining: -1 },
  ]) {
    t.throws(
      () => new Pool('http://localhost', options as never),
      { code: 'UND_ERR_INVALID_ARG' },
      JSON.stringify(options),
    )
    t.throws(() => new RoundRobinPool('http://localhost', options as never), { code: 'UND_ERR_INVALID_ARG' })
  }
  t.throws(() => new Pool('http://localhost/path'), { code: 'UND_ERR_INVALID_ARG' })
  for (const clientTtl of [0, Number.POSITIVE_INFINITY]) await new Pool('http://localhost', { clientTtl }).close()
  const pool = new Pool('http://localhost', { connections: null, clientTtl: null })
  t.match(refusal(pool, { path: 'x', method: 'GET' }), { code: 'UND_ERR_INVALID_ARG' })
  await pool.close()
})

t.test('compose applies interceptors', async (t) => {
  const origin = await httpOrigin((request, reply) => void reply.end(String(request.headers['x-order'])))
  const client = new Client(origin.url)
  const tag =
    (name: string): DispatchInterceptor =>
    (dispatch) =>
    (options, handler) => {
      const before = (options.headers as Record<string, string> | undefined)?.['x-order'] ?? ''
      return dispatch({ ...options, headers: { 'x-order': before + name } }, handler)
    }
  const composed = client.compose(tag('a'), [tag('b')]).compose(tag('c'))
  t.equal(await (await composed.request(get)).body.text(), 'cba', 'the last interceptor is the outermost')
  t.equal(composed.closed, false)
  t.match(composed.stats, { connected: true })
  t.throws(() => client.compose(1 as never), errors.InvalidArgumentError)
  t.throws(() => client.compose((() => 1) as never), errors.InvalidArgumentError)
  const disconnected = event(composed, 'disconnect')
  t.equal(composed.listenerCount('disconnect'), 1)
  const listener = () => {}
  composed.addListener('drain', listener).removeListener('drain', listener)
  t.equal((composed as EventEmitter).emit('nothing'), false)
  await composed.close()
  await disconnected
  t.equal(composed.destroyed, true)
  await new Promise<void>((resolve) => composed.close(resolve))
  await composed.destroy()
  await new Promise<void>((resolve) => composed.destroy(resolve))
  await new Promise<void>((resolve) => composed.destroy(null, resolve))
  await origin.close()
})

t.test('statistics equal a count of all members after any change', async (_t) => {
  const origin = await patientOrigin()
  const step = fc.constantFrom('dispatch', 'dispatch', 'dispatch', 'answer', 'abort', 'drop', 'turn', 'turn')
  const Class = fc.constantFrom(Pool, RoundRobinPool)
  await fc.assert(
    fc.asyncProperty(
      Class,
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 40 }),
      async (Class, limit, steps) => {
        origin.held.length = 0
        const clients: Client[] = []
        const pool = new Class(origin.url, {
          connections: limit,
          pipelining: 2,
          factory: (url, options) => {
            const client = new Client(url, options)
            clients.push(client)
            return client
          },
        })
        const open: Recorder[] = []
        let given = 0
        const check = () => {
          const { connected, free, pending, queued, running, size } = pool.stats
          const walk = { connected: 0, free: 0, pending: 0, running: 0 }
          for (const { stats } of clients) {
            if (stats.connected) walk.connected++
            if (stats.connected && stats.running === 0) walk.free++
            walk.pending += stats.pending
            walk.running += stats.running
          }
          const same = walk.connected === connected && walk.free === free && walk.pending === pending
          return same && walk.running === running && size === running + pending + queued && queued >= 0
        }
        for (const what of steps) {
          if (what === 'dispatch') {
            const recorder = new Recorder()
            open.push(recorder)
            given++
            pool.dispatch(get, recorder)
          } else if (what === 'answer') origin.answer(1)
          else if (what === 'abort') open.shift()?.controller?.abort()
          else if (what === 'drop') [...origin.sockets][0]?.destroy()
          else await new Promise(setImmediate)
          if (!check()) return false
        }
        await pool.destroy()
        return check() && JSON.stringify({ ...pool.stats }) === JSON.stringify(none) && given >= 0
      },
    ),
    { numRuns: 60 },
  )
  await origin.close()
})
