import net from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { BalancedPool, type Dispatcher, interceptors, OutlierDetection, Pool } from '../../lib/index.js'
import { httpOrigin, type Origin, rawOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

async function backends(t: { teardown(end: () => unknown): void }, count: number) {
  const served = new Array(count).fill(0)
  const origins: Origin[] = []
  for (let i = 0; i < count; i++) {
    const origin = await httpOrigin((request, reply) => {
      request.on('error', () => {}).resume()
      if (request.method !== 'GET') return
      served[i]++
      reply.end('ok')
    })
    origins.push(origin)
  }
  t.teardown(() => Promise.all(origins.map((origin) => origin.close())))
  return { urls: origins.map(({ url }) => url), served }
}

const ask = async (pool: Dispatcher, options: object = {}) => (await pool.request({ ...get, ...options })).body.text()

const ejecting = (consecutiveFailures: number) => ({
  outlierDetection: new OutlierDetection({ consecutiveFailures, maxEjectionPercent: 50, panicThreshold: 1 }),
})

/** Kinds of pools that an upstream may be. */
const factories: Record<string, { factory?: (origin: URL, options: object) => Dispatcher }> = {
  'own pools': {},
  'composed pools': { factory: (origin, options) => new Pool(origin, options).compose(interceptors.dump()) },
}

for (const [name, factory] of Object.entries(factories)) {
  for (const limit of [{ headersTimeout: 200 }, { timeouts: { total: 200 } }, { bodyTimeout: 200 }]) {
    t.test(`a timeout counts as a failure of the upstream: ${JSON.stringify(limit)}, ${name}`, async (t) => {
      const { urls } = await backends(t, 1)
      const head = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n'
      const silent = await rawOrigin((socket) => void ('bodyTimeout' in limit && socket.write(head)))
      const pool = new BalancedPool([...urls, silent.url], { ...ejecting(2), ...factory })
      let failed = 0
      for (let i = 0; i < 12; i++) await ask(pool, limit).catch(() => failed++)
      t.equal(failed, 2, 'the upstream is ejected after two failures')
      await pool.destroy()
      await silent.close()
    })
  }

  t.test(`timeouts.total during connect counts as a failure of the upstream, ${name}`, async (t) => {
    const { urls } = await backends(t, 1)
    const pool = new BalancedPool([...urls, 'http://hangs.test'], {
      ...ejecting(2),
      ...factory,
      connect: (target, callback) => {
        if (target.hostname === 'hangs.test') return
        const socket = net.connect(Number(target.port), '127.0.0.1', () => callback(null, socket))
      },
    })
    let failed = 0
    for (let i = 0; i < 12; i++) await ask(pool, { timeouts: { total: 200 } }).catch(() => failed++)
    t.equal(failed, 2)
    await pool.destroy()
  })

  for (const limits of [{ queue: 20 }, { total: 20 }]) {
    t.test(
      `time in the queue does not count as a failure of the upstream: ${JSON.stringify(limits)}, ${name}`,
      async (t) => {
        const { urls, served } = await backends(t, 1)
        const held: (() => void)[] = []
        const slow = await httpOrigin((_request, reply) => void held.push(() => reply.end('ok')))
        const pool = new BalancedPool([slow.url], { connections: 1, ...ejecting(1), ...factory })
        const first = ask(pool)
        while (held.length === 0) await new Promise(setImmediate)
        for (let i = 0; i < 3; i++) {
          const error = await ask(pool, { timeouts: limits }).catch((thrown) => thrown)
          t.match(error, { phase: 'queued', fault: 'timeout' })
        }
        held[0]?.()
        await first
        pool.addUpstream(urls[0] as string)
        const answers = [ask(pool), ask(pool)]
        while (held.length < 2) await new Promise(setImmediate)
        held[1]?.()
        await Promise.all(answers)
        t.equal(served[0], 1, 'both upstreams are used')
        await pool.destroy()
        await slow.close()
      },
    )
  }

  const reset = () => Object.assign(new Error('caller hung up'), { code: 'ECONNRESET', syscall: 'read', errno: -104 })
  const sources: Record<string, (error: Error) => unknown> = {
    'a stream': (error) => {
      const stream = new Readable({ read() {} }).on('error', () => {})
      stream.push('a')
      setTimeout(() => stream.destroy(error), 5)
      return stream
    },
    'an async iterable': async function* (error) {
      yield 'a'
      await new Promise((resolve) => setTimeout(resolve, 2))
      throw error
    },
    'an iterable': function* (error) {
      yield 'a'
      throw error
    },
    'a web stream': (error) =>
      new ReadableStream({ start: (controller) => void setTimeout(() => controller.error(error), 5) }),
  }
  for (const [source, make] of Object.entries(sources)) {
    t.test(`a failing request body does not count as a failure of the upstream: ${source}, ${name}`, async (t) => {
      const { urls, served } = await backends(t, 2)
      const pool = new BalancedPool(urls, { ...ejecting(2), ...factory })
      for (let i = 0; i < 8; i++) {
        const body = make(i % 2 === 0 ? reset() : new Error('caller hung up')) as Readable
        await t.rejects(pool.request({ path: '/', method: 'POST', body }), /caller hung up/)
      }
      for (let i = 0; i < 10; i++) await ask(pool)
      t.strictSame(served, [5, 5], 'no upstream is ejected or has a reduced weight')
      await pool.destroy()
    })
  }

  t.test(`an abort with any reason does not count as a failure of the upstream, ${name}`, async (t) => {
    const { urls, served } = await backends(t, 2)
    const pool = new BalancedPool(urls, { ...ejecting(2), ...factory })
    for (const reason of [reset(), new Error('x'), undefined, 'text', reset(), new DOMException('x', 'TimeoutError')]) {
      for (let i = 0; i < 2; i++) {
        const abort = new AbortController()
        const answer = pool.request({ path: '/', method: 'POST', signal: abort.signal })
        setTimeout(() => abort.abort(reason), 5)
        await answer.then(
          () => t.fail('answered'),
          () => {},
        )
      }
    }
    for (let i = 0; i < 10; i++) await ask(pool)
    t.strictSame(served, [5, 5])
    await pool.destroy()
  })
}

t.test('a lost connection counts as a failure of the upstream', async (t) => {
  const { urls } = await backends(t, 1)
  const dropping = await rawOrigin((socket) => void socket.once('data', () => socket.resetAndDestroy()))
  const pool = new BalancedPool([...urls, dropping.url], ejecting(2))
  let failed = 0
  for (let i = 0; i < 12; i++) await pool.request({ path: '/', method: 'GET', idempotent: false }).catch(() => failed++)
  t.equal(failed, 2)
  await pool.destroy()
  await dropping.close()
})
