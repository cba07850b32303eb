import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import t from 'tap'
import { BalancedPool, Client, interceptors, Pool, type Timings } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'

const get = { path: '/', method: 'GET' }
const generous = { ratio: 1, minPerSecond: 1000 }
const soon = { delay: 10, budget: generous }

/** Server that responds when the test says so, and counts aborted requests. */
async function holdingOrigin(holds: (request: IncomingMessage, index: number) => boolean = () => true) {
  const held: ServerResponse[] = []
  const waiters: (() => void)[] = []
  const cancels: (() => void)[] = []
  let seen = 0
  let cancelled = 0
  const origin = await httpOrigin((request, reply) => {
    request.resume()
    if (!holds(request, seen++)) return void reply.end('quick')
    held.push(reply)
    reply.once('close', () => {
      if (reply.writableFinished) return
      cancelled++
      cancels.shift()?.()
    })
    waiters.shift()?.()
  })
  return Object.assign(origin, {
    held,
    next: () => new Promise<void>((resolve) => waiters.push(resolve)),
    cancel: () => new Promise<void>((resolve) => cancels.push(resolve)),
    counts: () => ({ seen, cancelled }),
  })
}

t.test('the second attempt wins on another upstream, and the first one is aborted', async (t) => {
  const slow = await holdingOrigin()
  const quick = await holdingOrigin(() => false)
  const pool = new BalancedPool([slow.url, quick.url])
  const recorder = new Recorder()
  const cancel = slow.cancel()
  pool.compose(interceptors.hedge(soon)).dispatch(get, recorder)
  await recorder.ended
  t.equal(recorder.body, 'quick')
  t.strictSame(recorder.calls, ['start', 'head 200', 'data', 'end'])
  await cancel
  t.strictSame(
    [slow.counts(), quick.counts()],
    [
      { seen: 1, cancelled: 1 },
      { seen: 1, cancelled: 0 },
    ],
  )
  t.equal(pool.stats.size, 0)
  await pool.close()
  await Promise.all([slow.close(), quick.close()])
})

t.test('the first attempt can win, and the second one is aborted', async (t) => {
  const slow = await holdingOrigin()
  const pool = new Pool(slow.url, { connections: 2 })
  const hedged = pool.compose(interceptors.hedge(soon))
  const both = [slow.next(), slow.next()]
  const recorder = new Recorder()
  const cancel = slow.cancel()
  hedged.dispatch(get, recorder)
  await Promise.all(both)
  slow.held[0]?.end('the first')
  await cancel
  await recorder.ended
  t.equal(recorder.body, 'the first')
  t.strictSame(recorder.calls, ['start', 'head 200', 'data', 'end'])
  await pool.close()
  await slow.close()
})

t.test('no request waits for an upstream that delays a tenth of its responses', async (t) => {
  const total = 200
  const slowOnes = (_request: IncomingMessage, index: number) => index % 10 === 9
  for (const hedging of [false, true]) {
    const slow = await holdingOrigin(slowOnes)
    const quick = await holdingOrigin(() => false)
    const pool = new BalancedPool([slow.url, quick.url])
    const sender = hedging ? pool.compose(interceptors.hedge({ delay: 30, budget: generous })) : pool
    const answered: boolean[] = []
    let released = false
    const one = async () => {
      const { body } = await sender.request(get)
      await body.text()
      answered.push(released)
    }
    const all = Promise.all(Array.from({ length: total }, one))
    if (!hedging) {
      while (answered.length + slow.held.length < total) await new Promise((resolve) => setImmediate(resolve))
      released = true
      for (const reply of slow.held) reply.end('slow')
    }
    await all
    const late = answered.filter((after) => after).length
    t.equal(late > total / 100, !hedging, `${late} of ${total} requests waited for a slow response`)
    if (hedging) {
      t.ok(slow.held.length > total / 100, `${slow.held.length} slow responses`)
      // Eventually equal: a request may be aborted before its server has read it.
      while (slow.counts().cancelled < slow.held.length) await slow.cancel()
    }
    await pool.close()
    await Promise.all([slow.close(), quick.close()])
  }
})

t.test('a failed attempt does not fail the request while another is in flight', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const hedged = pool.compose(interceptors.hedge(soon))
  for (const index of [0, 1]) {
    origin.held.length = 0
    const both = [origin.next(), origin.next()]
    const answer = hedged.request({ ...get, reset: true })
    await Promise.all(both)
    const lost = new Promise((resolve) => pool.once('disconnect', resolve))
    origin.held[index]?.socket?.destroy()
    await lost
    origin.held[1 - index]?.end('the other')
    t.equal(await (await answer).body.text(), 'the other')
  }
  origin.held.length = 0
  const both = [origin.next(), origin.next()]
  const failed = hedged.request({ ...get, reset: true })
  await Promise.all(both)
  for (const reply of origin.held) reply.socket?.destroy()
  await t.rejects(failed, { code: 'UND_ERR_SOCKET' }, 'fails if all attempts fail')
  await pool.close()
  await origin.close()

  const refused = new Client(origin.url).compose(interceptors.hedge({ delay: 1e6 }))
  await t.rejects(refused.request(get), { code: 'ECONNREFUSED' }, 'fails without waiting for a later attempt')
  await refused.close()
})

t.test('429 and 5xx responses wait for another attempt in flight', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const hedged = pool.compose(interceptors.hedge(soon))
  for (const last of [200, 503]) {
    origin.held.length = 0
    const both = [origin.next(), origin.next()]
    const recorder = new Recorder()
    hedged.dispatch(get, recorder)
    await Promise.all(both)
    const free = new Promise<void>((resolve) => {
      const look = () => (pool.stats.running === 1 ? resolve() : setImmediate(look))
      look()
    })
    origin.held[0]?.writeHead(503).end('busy')
    await free
    t.strictSame(recorder.calls, ['start'])
    origin.held[1]?.writeHead(last).end('last')
    await recorder.ended
    t.strictSame(recorder.calls, ['start', `head ${last}`, 'data', 'end'])
    t.equal(recorder.body, 'last')
  }
  t.equal(origin.counts().cancelled, 0, 'short bodies are read completely')
  await pool.close()
  await origin.close()
})

t.test('a buffered failure response is delivered completely when the other attempt fails', async (t) => {
  for (const [size, fails] of [
    [10, 'before its headers'],
    [300_000, 'before its headers'],
    [0, 'before its headers'],
  ] as const) {
    const origin = await holdingOrigin()
    const pool = new Pool(origin.url, { connections: 2 })
    const both = [origin.next(), origin.next()]
    const recorder = new Recorder((name, controller) => {
      if (name !== 'head 503') return
      controller.pause()
      setImmediate(() => {
        t.strictSame(recorder.calls, ['start', 'head 503'], 'a pause delays the buffered body')
        controller.resume()
      })
    })
    pool.compose(interceptors.hedge(soon)).dispatch(get, recorder)
    await Promise.all(both)
    origin.held[0]?.writeHead(503, { 'retry-after': '7' }).end('x'.repeat(size))
    await new Promise<void>((resolve) => {
      const look = () => (pool.stats.running === 1 || size > 65536 ? resolve() : setImmediate(look))
      look()
    })
    if (size > 65536) await new Promise((resolve) => setTimeout(resolve, 50))
    origin.held[1]?.destroy()
    await recorder.ended
    t.equal(recorder.statusCode, 503, fails)
    t.equal(recorder.headers['retry-after'], '7')
    t.equal(recorder.body.length, size)
    t.equal(recorder.calls.at(-1), 'end')
    t.equal(pool.stats.size, 0)
    await pool.close()
    await origin.close()
  }
})

t.test('a failure response waits one second at most, then the other attempt is aborted', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const both = [origin.next(), origin.next()]
  const cancel = origin.cancel()
  const answer = pool.compose(interceptors.hedge(soon)).request(get)
  await Promise.all(both)
  origin.held[0]?.writeHead(503).end('busy')
  const { statusCode, body } = await answer
  t.equal(statusCode, 503)
  t.equal(await body.text(), 'busy')
  await cancel
  await pool.close()
  await origin.close()
})

t.test('a truncated failure response is dropped, and an abort ends a buffered one', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const hedged = pool.compose(interceptors.hedge(soon))
  const broken = new Recorder()
  const both = [origin.next(), origin.next()]
  hedged.dispatch(get, broken)
  await Promise.all(both)
  origin.held[0]?.writeHead(503, { 'content-length': '10' }).write('x')
  origin.held[0]?.destroy()
  await new Promise<void>((resolve) => {
    const look = () => (pool.stats.running === 1 ? resolve() : setImmediate(look))
    look()
  })
  origin.held[1]?.end('better')
  await broken.ended
  t.equal(broken.body, 'better')
  origin.held.length = 0
  const aborted = new Recorder()
  const next = [origin.next(), origin.next()]
  hedged.dispatch(get, aborted)
  await Promise.all(next)
  origin.held[0]?.writeHead(503).write('x')
  aborted.controller?.abort(new Error('enough'))
  await aborted.ended
  t.equal(aborted.error?.message, 'enough')
  await pool.close()
  t.equal(pool.stats.size, 0)
  await origin.close()
})

t.test('a buffered response does not block the other attempt on the same connection', async (t) => {
  for (const [size, expected] of [
    [10_000, '200 good'],
    [1_000_000, `503 ${'x'.repeat(1_000_000)}`],
  ] as const) {
    let requests = 0
    const origin = await rawOrigin((socket) => {
      onRequests(socket, () => {
        if (++requests < 2) return
        socket.write(response('x'.repeat(size)).replace('200 OK', '503 Busy'))
        socket.write(response('good'))
      })
    })
    const client = new Client(origin.url, { pipelining: 2 })
    const { statusCode, body } = await client.compose(interceptors.hedge(soon)).request(get)
    t.ok(`${statusCode} ${await body.text()}` === expected, expected.slice(0, 10))
    t.strictSame([requests, origin.connections], [2, 1])
    await client.close()
    await origin.close()
  }
})

t.test('the budget limits additional attempts', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url)
  const budget = { ratio: 0.2, minPerSecond: 1e-9 }
  const hedged = pool.compose(interceptors.hedge({ delay: 5, maxHedges: 3, budget }))
  const seen = Array.from({ length: 24 }, () => origin.next())
  const answers = Array.from({ length: 20 }, () => hedged.request(get))
  await Promise.all(seen)
  const settled = new Pool(origin.url).compose(interceptors.hedge({ delay: 5, budget: generous }))
  const later = [origin.next(), origin.next()]
  answers.push(settled.request(get))
  await Promise.all(later)
  t.equal(origin.counts().seen, 26, '20, and a fifth of them, when others had two')
  for (const reply of origin.held) reply.end('ok')
  for (const answer of answers) await (await answer).body.text()
  await pool.close()
  await settled.close()
  await origin.close()
})

t.test('does not hedge upgrades, non-idempotent requests and bodies that can be read once', async (t) => {
  let goOn = () => {}
  async function* pieces() {
    yield 'x'
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
  }
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url)
  const hedged = pool.compose(interceptors.hedge({ delay: 1, budget: generous }))
  const single = [
    { path: '/', method: 'POST', body: 'x' },
    { path: '/', method: 'PUT', body: Readable.from(['x']) },
    { path: '/', method: 'PUT', body: pieces() },
    { ...get, idempotent: false },
  ]
  const double = [
    { path: '/', method: 'POST', body: 'x', idempotent: true },
    { path: '/', method: 'PUT', body: 'x', headers: [['x-a', 'b']][Symbol.iterator]() as never },
  ]
  const once = [...single, null].map(() => origin.next())
  const first = single.map((request) => hedged.request(request).catch((error) => error))
  const upgrade = new Recorder()
  hedged.dispatch({ ...get, upgrade: 'websocket' }, upgrade)
  await Promise.all(once)
  const twice = double.flatMap(() => [origin.next(), origin.next()])
  const second = double.map((request) => hedged.request(request))
  await Promise.all(twice)
  t.equal(origin.counts().seen, single.length + 1 + 2 * double.length)
  const fields = origin.held.slice(-4).filter((reply) => reply.req.headers['x-a'] === 'b')
  t.equal(fields.length, 2, 'both attempts have the headers of an iterator')
  goOn()
  for (const reply of origin.held) reply.end('ok')
  for (const answer of await Promise.all([...first, ...second])) await answer.body?.text()
  await upgrade.ended
  await pool.close()
  await origin.close()
})

t.test('an abort ends all attempts and reports one error', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const hedged = pool.compose(interceptors.hedge(soon))
  for (const tries of [1, 2]) {
    const seen = Array.from({ length: tries }, () => origin.next())
    const cancels = Array.from({ length: tries }, () => origin.cancel())
    const recorder = new Recorder()
    const sender = tries === 1 ? pool.compose(interceptors.hedge({ delay: 1e6 })) : hedged
    sender.dispatch(get, recorder)
    await Promise.all(seen)
    const reason = new Error('enough')
    recorder.controller?.abort(reason)
    t.equal(recorder.error, reason)
    t.strictSame(recorder.calls, ['start', 'error'])
    await Promise.all(cancels)
  }
  const controller = new AbortController()
  const seen = [origin.next(), origin.next()]
  const answer = hedged.request({ ...get, signal: controller.signal })
  await Promise.all(seen)
  controller.abort()
  await t.rejects(answer, { name: 'AbortError' })
  const late = hedged.request({ ...get, timeouts: { total: 50 } })
  await t.rejects(late, { code: 'SLUICE_ERR_TOTAL_TIMEOUT' })
  t.equal(pool.stats.size, 0)
  await pool.close()
  await origin.close()
})

t.test(
  'in a pipeline, the losing response is discarded, and requests after an aborted one are sent again',
  async (t) => {
    const heads: string[] = []
    const waiters: (() => void)[] = []
    const origin = await rawOrigin((socket, index) => {
      onRequests(socket, (head) => {
        heads.push(`${index} ${head.split(' ')[1]}`)
        if (index === 1) return void socket.write(response('again'))
        if (heads.length === 2) socket.write(response('first') + response('second'))
        waiters.shift()?.()
      })
    })
    const client = new Client(origin.url, { pipelining: 3 })
    const hedged = client.compose(interceptors.hedge(soon))
    const both = new Recorder()
    hedged.dispatch({ ...get, path: '/a' }, both)
    await both.ended
    t.equal(both.body, 'first')
    t.strictSame(both.calls, ['start', 'head 200', 'data', 'end'])
    t.strictSame(heads, ['0 /a', '0 /a'])
    const seen = [new Promise<void>((resolve) => waiters.push(resolve)), new Promise<void>((r) => waiters.push(r))]
    const given = new Recorder()
    hedged.dispatch({ ...get, path: '/b' }, given)
    const other = client.request({ ...get, path: '/c' })
    await Promise.all(seen)
    given.controller?.abort()
    t.equal(await (await other).body.text(), 'again')
    t.strictSame(heads.slice(0, 2).concat(heads.slice(-1)), ['0 /a', '0 /a', '1 /c'])
    await client.close()
    await origin.close()
  },
)

t.test('a pause before or after the response pauses the winner', async (t) => {
  const origin = await httpOrigin((_request, reply) => reply.end('body'))
  const client = new Client(origin.url)
  const recorder = new Recorder((name, controller) => {
    if (name === 'start') controller.pause()
    if (name !== 'head 200') return
    setImmediate(() => {
      t.strictSame(recorder.calls, ['start', 'head 200'])
      controller.resume()
    })
  })
  client.compose(interceptors.hedge(soon)).dispatch(get, recorder)
  await recorder.ended
  t.equal(recorder.body, 'body')
  await client.close()
  await origin.close()
})

t.test('an exception of the handler aborts all attempts', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const both = [origin.next(), origin.next()]
  const recorder = new Recorder((name) => {
    if (name === 'head 200') throw new Error('thrown')
  })
  const cancels = [origin.cancel(), origin.cancel()]
  pool.compose(interceptors.hedge(soon)).dispatch(get, recorder)
  await Promise.all(both)
  origin.held[0]?.write('some')
  await recorder.ended
  t.match(recorder.error, { message: 'thrown' })
  t.strictSame(recorder.calls, ['start', 'head 200', 'error'])
  await Promise.all(cancels)
  await pool.close()
  await origin.close()
})

t.test('1xx responses are reported for the first attempt only, and do not win', async (t) => {
  const origin = await holdingOrigin()
  const pool = new Pool(origin.url, { connections: 2 })
  const both = [origin.next(), origin.next()]
  const recorder = new Recorder()
  pool.compose(interceptors.hedge(soon)).dispatch(get, recorder)
  await Promise.all([both[0]])
  for (const reply of origin.held) reply.writeProcessing()
  await both[1]
  origin.held[1]?.writeProcessing()
  origin.held[1]?.end('ok')
  await recorder.ended
  t.strictSame(recorder.calls, ['start', 'head 102', 'head 200', 'data', 'end'])
  await pool.close()
  await origin.close()
})

t.test('the delay follows the percentile of recent requests', async (t) => {
  const origin = await holdingOrigin((_request, index) => index >= 100)
  const pool = new Pool(origin.url)
  const hedged = pool.compose(interceptors.hedge({ percentile: 90, budget: generous }))
  for (let index = 0; index < 100; index++) await (await hedged.request(get)).body.text()
  t.equal(origin.counts().seen, 100, 'no second attempt before the percentile is known')
  const both = [origin.next(), origin.next()]
  const answer = hedged.request(get)
  await Promise.all(both)
  for (const reply of origin.held) reply.end('ok')
  await (await answer).body.text()
  await pool.close()
  await origin.close()
})

t.test('timings are those of the winner, relative to the dispatch', async (t) => {
  const slow = await holdingOrigin()
  const quick = await holdingOrigin(() => false)
  const pool = new BalancedPool([slow.url, quick.url])
  const hedged = pool.compose(interceptors.hedge({ delay: 25, budget: generous }))
  const timings: Partial<Timings> = {}
  const result = await hedged.request({ ...get, timings })
  await result.body.text()
  t.equal(result.timings, timings)
  const { queued, firstByte, end, tries } = timings as Timings
  t.equal(tries, 2)
  t.ok(
    (queued as number) >= 25 && (firstByte as number) >= (queued as number) && (end as number) >= (firstByte as number),
  )
  await pool.close()
  await Promise.all([slow.close(), quick.close()])
})

t.test('attempts are sent in the async context of the request', async (t) => {
  const slow = await holdingOrigin()
  const quick = await holdingOrigin(() => false)
  const pool = new BalancedPool([slow.url, quick.url])
  const storage = new AsyncLocalStorage<string>()
  const contexts: string[] = []
  const hedged = pool
    .compose((dispatch) => (options, handler) => {
      contexts.push(storage.getStore() ?? 'none')
      return dispatch(options, handler)
    })
    .compose(interceptors.hedge(soon))
  // The first request sets the timer of the clock.
  const both = [hedged.request(get), storage.run('mine', () => hedged.request({ ...get, tried: [quick.url] }))]
  for (const { body } of await Promise.all(both)) await body.text()
  t.strictSame(contexts.sort(), ['mine', 'mine', 'none', 'none'])
  await pool.close()
  await Promise.all([slow.close(), quick.close()])
})

t.test('rejects invalid options', async (t) => {
  const bad: [object, RegExp][] = [
    [{}, /delay/],
    [{ delay: -1 }, /delay/],
    [{ delay: '5' }, /delay/],
    [{ delay: Number.NaN }, /delay/],
    [{ percentile: 0 }, /percentile/],
    [{ percentile: 100 }, /percentile/],
    [{ delay: 1, maxHedges: 0 }, /maxHedges/],
    [{ delay: 1, maxHedges: 1.5 }, /maxHedges/],
    [{ delay: 1, budget: 1 }, /budget/],
    [{ delay: 1, budget: { ratio: 0 } }, /budget\.ratio/],
    [{ delay: 1, budget: { minPerSecond: -1 } }, /budget\.minPerSecond/],
  ]
  for (const [options, message] of bad) {
    t.throws(() => interceptors.hedge(options), { code: 'UND_ERR_INVALID_ARG', message })
  }
  t.throws(() => interceptors.hedge(undefined as never), { code: 'UND_ERR_INVALID_ARG' })
  const hedged = new Client('http://localhost:1').compose(interceptors.hedge(soon))
  t.match(refusal(hedged, { ...get, path: 'x y' }), { code: 'UND_ERR_INVALID_ARG' })
  await hedged.destroy()
})
