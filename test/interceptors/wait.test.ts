import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  DecoratorHandler,
  type Dispatcher,
  type DispatchInterceptor,
  EnvHttpProxyAgent,
  interceptors,
  Pool,
  ProxyAgent,
  RedirectHandler,
  RetryAgent,
  RetryHandler,
  RoundRobinPool,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { proxyServer } from '../servers/proxy.js'
import { Recorder } from '../servers/recorder.js'
import { busy, get } from '../servers/retrying.js'
import { message, scriptedOrigin } from '../servers/script.js'

const later = message('503 Busy', 'busy', { 'retry-after': '600' })

/** Resolves `begun` when the interceptor waits. */
interface Kind {
  interceptors: DispatchInterceptor[]
  begun: Promise<unknown>
  /** Answers a callback that the interceptor waits for. */
  answer(): void
}

/** Calls `ended` when a response below has ended. */
function watching(ended: () => void): DispatchInterceptor {
  class Watching extends DecoratorHandler {
    override onResponseEnd(...end: Parameters<DecoratorHandler['onResponseEnd']>) {
      super.onResponseEnd(...end)
      ended()
    }
  }
  return (dispatch) => (options, handler) => dispatch(options, new Watching(handler))
}

const kinds: Record<string, () => Kind> = {
  "a retry's delay"() {
    let note = () => {}
    const begun = new Promise<void>((resolve) => {
      note = resolve
    })
    return { interceptors: [watching(note), interceptors.retry()], begun, answer() {} }
  },
  'a retry callback'() {
    let note = () => {}
    const begun = new Promise<void>((resolve) => {
      note = resolve
    })
    let answer = () => {}
    const retry: RetryHandler.RetryCallback = (_error, _context, callback) => {
      answer = () => callback(null)
      note()
    }
    return { interceptors: [interceptors.retry({ retry })], begun, answer: () => answer() }
  },
  'a lookup'() {
    let note = () => {}
    const begun = new Promise<void>((resolve) => {
      note = resolve
    })
    let answer = () => {}
    const dns = interceptors.dns({
      lookup(_origin, _options, callback) {
        answer = () => callback(null, [{ address: '127.0.0.1', family: 4, ttl: 1000 }])
        note()
      },
    })
    return { interceptors: [dns], begun, answer: () => answer() }
  },
}

const dispatchers: Record<string, (url: string, proxy: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  RoundRobinPool: (url) => new RoundRobinPool(url),
  BalancedPool: (url) => new BalancedPool(url),
  Agent: () => new Agent(),
  ProxyAgent: (_url, proxy) => new ProxyAgent(proxy),
  EnvHttpProxyAgent: () => new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: '', noProxy: '*' }),
}

/** Timers set since the call that keep the process alive. */
function watchTimers(t: { teardown(restore: () => void): void }): () => number {
  const { setTimeout } = globalThis
  const timers: (NodeJS.Timeout & { _destroyed?: boolean })[] = []
  const watched = (...given: Parameters<typeof setTimeout>) => {
    const timer = setTimeout(...given)
    timers.push(timer)
    return timer
  }
  globalThis.setTimeout = Object.assign(watched, setTimeout)
  t.teardown(() => {
    globalThis.setTimeout = setTimeout
  })
  return () => timers.filter((timer) => timer.hasRef() && timer._destroyed !== true).length
}

for (const [name, make] of Object.entries(dispatchers)) {
  for (const [kind, waits] of Object.entries(kinds)) {
    t.test(`destroy() of ${name} ends ${kind}`, async (t) => {
      const origin = await scriptedOrigin(later)
      const proxy = await proxyServer()
      const url = kind === 'a lookup' ? `http://name.test:${origin.port}` : origin.url
      const dispatcher = make(url, proxy.url)
      const { interceptors, begun, answer } = waits()
      const composed = dispatcher.compose(...interceptors)
      const timers = watchTimers(t)
      const recorders = ['/1', '/2'].map((path) => {
        const recorder = new Recorder()
        composed.dispatch({ origin: url, path, method: 'GET' }, recorder)
        return recorder
      })
      await begun
      await composed.destroy()
      const [one, two] = await Promise.all(recorders.map(({ ended }) => ended))
      t.match(one?.error, { code: 'UND_ERR_DESTROYED', path: '/1', method: 'GET', origin: url })
      t.match(two?.error, { code: 'UND_ERR_DESTROYED', path: '/2' })
      t.not(one?.error, two?.error)
      t.equal(timers(), 0, 'no timer keeps the process alive')
      answer()
      await new Promise(setImmediate)
      for (const { calls } of recorders) t.equal(calls.filter((call) => call === 'error').length, 1)
      t.equal(new Set(origin.requests).size, origin.requests.length, 'no request is sent again')
      await proxy.close()
      await origin.close()
    })
  }
}

for (const [kind, waits] of Object.entries(kinds)) {
  t.test(`${kind} ends with the error passed to destroy()`, async (t) => {
    const origin = await scriptedOrigin(later)
    const { interceptors, begun } = waits()
    const agent = new Agent().compose(...interceptors)
    const url = kind === 'a lookup' ? `http://name.test:${origin.port}` : origin.url
    const request = agent.request({ ...get, origin: url })
    const mine = Object.freeze(new Error('mine'))
    await begun
    const [error] = await Promise.all([request.catch((error) => error), agent.destroy(mine)])
    t.equal(error, mine)
    await origin.close()
  })

  t.test(`close() ends ${kind}`, async (t) => {
    const origin = await scriptedOrigin(later)
    const { interceptors, begun } = waits()
    const agent = new Agent().compose(...interceptors)
    const url = kind === 'a lookup' ? `http://name.test:${origin.port}` : origin.url
    const request = agent.request({ ...get, origin: url })
    await begun
    await Promise.all([t.rejects(request, { code: 'UND_ERR_CLOSED' }), agent.close()])
    await origin.close()
  })

  t.test(`an abort ends ${kind}`, async (t) => {
    const origin = await scriptedOrigin(later)
    const { interceptors, begun, answer } = waits()
    const agent = new Agent().compose(...interceptors)
    const url = kind === 'a lookup' ? `http://name.test:${origin.port}` : origin.url
    const timers = watchTimers(t)
    const abort = new AbortController()
    const request = agent.request({ ...get, origin: url, signal: abort.signal, timeouts: { total: 60_000 } })
    await begun
    abort.abort(new Error('no patience'))
    await t.rejects(request, { message: 'no patience' })
    await new Promise(setImmediate)
    t.equal(timers(), 0, 'no timer keeps the process alive')
    answer()
    await agent.destroy()
    await origin.close()
  })

  for (const [name, limits] of [
    ['of the request', {}],
    ['of its dispatcher', { timeouts: { total: 40 } }],
  ] as const) {
    t.test(`timeouts.total ${name} ends ${kind}`, async (t) => {
      const origin = await scriptedOrigin(later)
      const { interceptors, answer } = waits()
      const agent = new Agent(limits).compose(...interceptors)
      const url = kind === 'a lookup' ? `http://name.test:${origin.port}` : origin.url
      const body = new PassThrough()
      const own = name === 'of the request' ? { timeouts: { total: 40 } } : {}
      const withStream = { origin: url, path: '/', method: 'PUT', body: kind === 'a lookup' ? body : 'text', ...own }
      // A delay that is longer than the time left is not begun.
      const expected =
        kind === "a retry's delay" ? { statusCode: 503 } : { code: 'SLUICE_ERR_TOTAL_TIMEOUT', path: '/' }
      t.match(await agent.request(withStream).catch((error) => error), expected)
      if (kind === 'a lookup') t.ok(body.destroyed, 'the request body is destroyed')
      answer()
      await agent.destroy()
      await origin.close()
    })
  }
}

t.test('the error of a wait in a pool of composed dispatchers names the limit given', async (t) => {
  const origin = await scriptedOrigin(busy)
  const wait = interceptors.retry({ retry() {} })
  for (const agent of [
    new Agent({ timeouts: { total: 30 }, factory: (url, options) => new Pool(url, options).compose(wait) }),
    new Pool(origin.url, {
      timeouts: { total: 30 },
      factory: (url, options) => new Client(url, options).compose(wait),
    }),
  ]) {
    await t.rejects(agent.request({ ...get, origin: origin.url }), {
      message: 'Request not completed within 30 ms (timeouts.total)',
    })
    await agent.destroy()
  }
  await origin.close()
})

t.test('timeouts.queue ends a lookup, and no wait after the request was sent', async (t) => {
  const { interceptors: dns } = (kinds['a lookup'] as () => Kind)()
  const asking = new Agent().compose(...dns)
  const timeouts = { queue: 20 }
  // Nothing else keeps the process while a lookup does nothing.
  const held = setInterval(() => {}, 1000)
  await t.rejects(asking.request({ ...get, origin: 'http://name.test', timeouts }), {
    code: 'SLUICE_ERR_QUEUE_TIMEOUT',
  })
  await asking.destroy()
  const limited = new Pool('http://name.test', { timeouts }).compose(
    ...(kinds['a lookup'] as () => Kind)().interceptors,
  )
  await t.rejects(limited.request(get), { code: 'SLUICE_ERR_QUEUE_TIMEOUT' })
  await limited.destroy()
  clearInterval(held)
  const origin = await scriptedOrigin(busy, message('200 OK', 'fine'))
  const agent = new Agent().compose(interceptors.retry({ minTimeout: 60 }))
  const { body } = await agent.request({ ...get, origin: origin.url, timeouts })
  t.equal(await body.text(), 'fine')
  await agent.close()
  await origin.close()
})

t.test("limits hold while a caller's interceptor waits", async (t) => {
  const origin = await scriptedOrigin(message('200 OK', 'fine'))
  let send = () => {}
  const waiting: DispatchInterceptor = (dispatch) => (options, handler) => {
    send = () => dispatch(options, handler)
    return true
  }
  for (const timeouts of [{ total: 20 }, { queue: 20 }]) {
    const code = `SLUICE_ERR_${'total' in timeouts ? 'TOTAL' : 'QUEUE'}_TIMEOUT`
    const given = new Client(origin.url)
    const client = given.compose(waiting)
    await t.rejects(client.request({ ...get, timeouts }), { code, path: '/', origin: origin.url })
    send()
    await new Promise(setImmediate)
    const limited = new Pool(origin.url, { timeouts })
    await t.rejects(limited.compose(waiting).request(get), { code })
    const recorder = new Recorder()
    given
      .compose(waiting)
      .compose(interceptors.redirect())
      .dispatch({ ...get, timeouts } as never, recorder)
    await recorder.ended
    t.match(recorder.error, { code })
    t.strictSame(recorder.calls, ['error'])
    await given.close()
    await limited.close()
  }
  t.strictSame(origin.requests, [], 'failed requests are not sent')
  await origin.close()
})

t.test('an exception of the last callback reaches the dispatcher, with and without a limit', async (t) => {
  const client = new Client('http://127.0.0.1:1')
  const composed = client.compose((dispatch) => dispatch)
  for (const timeouts of [undefined, { total: 60_000 }]) {
    const thrown = once(client, 'error')
    composed.dispatch({ ...get, timeouts } as never, {
      onRequestStart() {},
      onResponseError() {
        throw new Error('of the handler')
      },
    })
    t.match(await thrown, [{ message: 'of the handler' }])
  }
  await client.destroy()
})

t.test('destroy() does not wait for a retry callback', async (t) => {
  const origin = await scriptedOrigin(later)
  const pool = new Pool(origin.url)
  let retryCount = 0
  const agent = new RetryAgent(pool, {
    retry(_error, _context, callback) {
      retryCount++
      if (retryCount === 1) pool.destroy(() => callback(null))
    },
  })
  await t.rejects(agent.request(get), { code: 'UND_ERR_DESTROYED' })
  t.equal(retryCount, 1)
  await origin.close()
})

t.test('destroy() ends the wait of a RetryHandler used alone', async (t) => {
  const origin = await scriptedOrigin(later)
  const dump = interceptors.dump()
  for (const [delayed, composed] of [
    [true, false],
    [false, false],
    [true, true],
  ]) {
    const timers = watchTimers(t)
    let note = () => {}
    const begun = new Promise<void>((resolve) => {
      note = resolve
    })
    const client = composed ? new Client(origin.url).compose(dump) : new Client(origin.url)
    const recorder = new Recorder()
    const retryOptions = delayed ? {} : { retry() {} }
    class Noting extends RetryHandler {
      override onResponseEnd(...end: Parameters<RetryHandler['onResponseEnd']>) {
        super.onResponseEnd(...end)
        note()
      }
    }
    const handler = new Noting(
      { ...get, retryOptions },
      { dispatch: (options, handler) => client.dispatch(options, handler), handler: recorder },
    )
    client.dispatch(get, handler)
    await begun
    await client.destroy()
    await recorder.ended
    t.match(recorder.error, { code: 'UND_ERR_DESTROYED' })
    t.equal(timers(), 0)
  }
  await origin.close()
})

t.test('timeouts.total holds for a RetryHandler used alone while its callback waits', async (t) => {
  const origin = await scriptedOrigin(busy)
  const client = new Client(origin.url)
  const recorder = new Recorder()
  const request = { ...get, timeouts: { total: 30 }, retryOptions: { retry: () => {} } }
  const dispatch = client.dispatch.bind(client)
  client.dispatch(request, new RetryHandler(request, { dispatch, handler: recorder }))
  await recorder.ended
  t.match(recorder.error, {
    code: 'SLUICE_ERR_TOTAL_TIMEOUT',
    message: 'Request not completed within 30 ms (timeouts.total)',
  })
  t.strictSame(recorder.calls, ['start', 'error'])
  await client.close()
  await origin.close()
})

t.test('timeouts.total holds over redirects of RedirectHandler.buildDispatch', async (t) => {
  let requestCount = 0
  const origin = await httpOrigin((_request, reply) => {
    requestCount++
    setTimeout(() => reply.writeHead(302, { location: `/${requestCount}` }).end(), 40)
  })
  for (const [limits, own] of [
    [{}, { timeouts: { total: 100 } }],
    [{ timeouts: { total: 100 } }, {}],
  ]) {
    const client = new Client(origin.url, limits)
    const recorder = new Recorder()
    RedirectHandler.buildDispatch(client, 50)({ ...get, ...own } as never, recorder)
    await recorder.ended
    t.match(recorder.error, {
      code: 'SLUICE_ERR_TOTAL_TIMEOUT',
      message: 'Request not completed within 100 ms (timeouts.total)',
    })
    await client.close()
  }
  t.ok(requestCount < 10)
  await origin.close()
})
