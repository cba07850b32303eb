import net from 'node:net'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  errors,
  interceptors,
  Pool,
  RetryAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { event, httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'
import { uncaughtDuring } from '../servers/uncaught.js'

const get = { path: '/', method: 'GET' }
const turn = () => new Promise(setImmediate)
type Interceptor = ReturnType<typeof interceptors.retry>

const kinds: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url, { connections: 1 }),
  RoundRobinPool: (url) => new RoundRobinPool(url, { connections: 1 }),
  BalancedPool: (url) => new BalancedPool(url, { connections: 1 }),
  Agent: () => new Agent({ connections: 1 }),
  'Agent of pools': () => new Agent({ connections: 1, minConnections: 1 }),
  RetryAgent: (url) => new RetryAgent(new Client(url), { maxRetries: 0 }),
  'a composed Client': (url) => new Client(url).compose((dispatch) => (options, handler) => dispatch(options, handler)),
}

/** Answers with the path; `/die` is answered by the end of the connection. */
function echo() {
  return rawOrigin((socket) =>
    onRequests(socket, (head) => {
      const path = head.split(' ')[1] as string
      if (path === '/die') socket.destroy()
      else socket.write(response(path))
    }),
  )
}

for (const [kind, make] of Object.entries(kinds)) {
  for (const name of ['connect', 'disconnect', 'connectionError', 'drain']) {
    t.test(`an exception of a ${name} listener of ${kind} affects nothing else`, async (t) => {
      const origin = await echo()
      const free = net.createServer().listen(0, '127.0.0.1')
      await event(free, 'listening')
      const { port } = free.address() as net.AddressInfo
      await new Promise((resolve) => free.close(resolve))
      const url = name === 'connectionError' ? `http://127.0.0.1:${port}` : origin.url
      const dispatcher = make(url)
      let others = 0
      let thrown = 0
      const throwing = () => {
        thrown++
        throw new Error('bug of a listener')
      }
      dispatcher.on(name as 'drain', throwing)
      dispatcher.on(name as 'drain', () => others++)
      const ask = (path: string) =>
        dispatcher.request({ origin: url, path, method: 'POST', body: 'x' }).then(
          ({ body }) => body.text(),
          (error) => error.code,
        )
      const uncaught = await uncaughtDuring(async () => {
        const answers = await Promise.all(['/a', '/die', '/b', '/c'].map(ask))
        const refused = Array(4).fill('ECONNREFUSED')
        t.strictSame(answers, name === 'connectionError' ? refused : ['/a', 'UND_ERR_SOCKET', '/b', '/c'])
      })
      t.ok(thrown > 0)
      t.strictSame(uncaught, Array(thrown).fill('bug of a listener'), 'each exception is uncaught once')
      t.equal(others, thrown, 'the other listener is called for each event')
      dispatcher.off(name as 'drain', throwing)
      await dispatcher.destroy()
      await origin.close()
    })
  }
}

t.test('a drain listener that throws keeps the connection', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  client.on('drain', () => {
    throw new Error('bug')
  })
  const ask = (path: string) => client.request({ ...get, path }).then(({ body }) => body.text())
  const uncaught = await uncaughtDuring(async () => {
    t.equal(await ask('/1'), '/1')
    t.strictSame(await Promise.all(['/2', '/3'].map(ask)), ['/2', '/3'])
  })
  t.ok(uncaught.length > 0)
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

for (const [kind, make] of Object.entries(kinds)) {
  t.test(`${kind} emits disconnect and connectionError after the end of the requests`, async (t) => {
    const origin = await rawOrigin((socket) =>
      onRequests(socket, () => socket.end(response('x'.repeat(100_000), { connection: 'close' }))),
    )
    const dispatcher = make(origin.url)
    const order: string[] = []
    dispatcher.on('disconnect', () => order.push('disconnect'))
    const { body } = await dispatcher.request({ ...get, origin: origin.url })
    body.on('end', () => order.push('end'))
    const disconnected = event(dispatcher, 'disconnect')
    await body.text()
    order.push('text')
    await disconnected
    t.equal(order.at(-1), 'disconnect')
    t.strictSame([...order].sort(), ['disconnect', 'end', 'text'])
    order.length = 0
    const second = await dispatcher.request({ ...get, origin: origin.url })
    const again = event(dispatcher, 'disconnect')
    second.body.on('error', () => {}).on('close', () => order.push('closed'))
    second.body.destroy()
    order.push('returned')
    await again
    t.strictSame(order, ['returned', 'closed', 'disconnect'])
    await dispatcher.destroy()
    await origin.close()
    const refused = make(origin.url)
    refused.on('connectionError', () => order.push('connectionError'))
    order.length = 0
    const failed = event(refused, 'connectionError')
    await refused.request({ ...get, origin: origin.url }).catch(() => order.push('rejected'))
    await failed
    t.strictSame(order, ['rejected', 'connectionError'])
    await refused.destroy()
  })
}

t.test('events stay in order, and none is emitted after the end of the dispatcher', async (t) => {
  const origin = await echo()
  for (const make of [kinds.Client, kinds.Pool, kinds.Agent] as ((url: string) => Dispatcher)[]) {
    const dispatcher = make(origin.url)
    const order: string[] = []
    for (const name of ['connect', 'disconnect']) dispatcher.on(name as 'drain', () => order.push(name))
    const ask = (path: string) => dispatcher.request({ path, method: 'POST', body: 'x', origin: origin.url })
    await t.rejects(ask('/die'))
    await (await ask('/a')).body.dump()
    await dispatcher.close()
    t.strictSame(order, ['connect', 'disconnect', 'connect', 'disconnect'])
  }
  await origin.close()
})

for (const how of ['close', 'destroy'] as const) {
  for (const [kind, make] of Object.entries({
    Pool: (url: string) => new Pool(url, { connections: 1 }),
    'a Pool with a factory': (url: string) =>
      new Pool(url, { connections: 1, factory: (to, options) => new Client(to, options) }),
    'a Pool of composed clients': (url: string) =>
      new Pool(url, { connections: 1, factory: (to, options) => new Client(to, options).compose([]) }),
    RoundRobinPool: (url: string) => new RoundRobinPool(url, { connections: 1 }),
    Agent: () => new Agent({ connections: 1 }),
    'an Agent of pools': () => new Agent(),
  })) {
    t.test(`${kind} replaces a member that a listener ends by ${how}()`, async (t) => {
      const origin = await echo()
      const dispatcher: Dispatcher = make(origin.url)
      dispatcher.once('connect', (_origin, targets) => {
        setImmediate(() => targets[1]?.[how]())
      })
      const ask = () => dispatcher.request({ ...get, origin: origin.url }).then(({ body }) => body.text())
      await ask().catch(() => {})
      await turn()
      await turn()
      t.strictSame(await Promise.all([ask(), ask()]), ['/', '/'])
      await dispatcher.close()
      await origin.close()
    })
  }
}

t.test('a request sent from onRequestStart goes to another connection', async (t) => {
  for (const [make, wanted] of [
    [(url: string) => new Pool(url), 2],
    [(url: string) => new RoundRobinPool(url, { connections: 2 }), 2],
    [(url: string) => new Pool(url, { factory: (to, options) => new Client(to, options) }), 2],
    [(url: string) => new Pool(url, { pipelining: 2 }), 2],
  ] as [(url: string) => Pool, number][]) {
    let release = () => {}
    const origin = await httpOrigin((request, reply) => {
      if (request.url === '/wait') release = () => reply.end('waited')
      else {
        reply.end('went')
        if (request.url === '/go') release()
      }
    })
    const pool = make(origin.url)
    await (await pool.request(get)).body.dump()
    let inner: Promise<string> | null = null
    const outer = new Recorder((name) => {
      if (name !== 'start') return
      inner ??= pool.request({ ...get, path: '/go' }).then(({ body }) => body.text())
    })
    pool.dispatch({ ...get, path: '/wait' }, outer)
    while (inner === null) await turn()
    t.equal(await inner, 'went')
    release()
    t.equal((await outer.ended).body, 'waited')
    t.ok(pool.stats.connected <= wanted)
    await pool.close()
    await origin.close()
  }
})

t.test('requests sent from onRequestStart of a full pool are sent when there is capacity', async (t) => {
  const origin = await echo()
  const pool = new Pool(origin.url, { connections: 1, pipelining: 5 })
  await (await pool.request(get)).body.dump()
  const inner: Recorder[] = []
  const outer = new Recorder((name) => {
    if (name !== 'start') return
    for (const path of ['/1', '/2', '/3']) {
      const recorder = new Recorder()
      inner.push(recorder)
      pool.dispatch({ ...get, path }, recorder)
    }
  })
  pool.dispatch(get, outer)
  await outer.ended
  t.strictSame(
    (await Promise.all(inner.map(({ ended }) => ended))).map(({ body }) => body),
    ['/1', '/2', '/3'],
  )
  t.equal(origin.connections, 1)
  await pool.close()
  await origin.close()
})

t.test('onRequestQueued is called once, wherever the request waits', async (t) => {
  const origin = await echo()
  const makers: ((url: string) => Dispatcher)[] = [
    ...Object.values(kinds),
    (url) => new Pool(url, { connections: 1, factory: (to, options) => new Client(to, options) }),
  ]
  for (const make of makers) {
    const dispatcher = make(origin.url)
    const calls: string[] = []
    const first = dispatcher.request({ ...get, origin: origin.url }).then(({ body }) => body.text())
    await new Promise<void>((resolve) =>
      dispatcher.dispatch({ ...get, origin: origin.url }, {
        onRequestQueued: () => void calls.push('queued'),
        onRequestStart: () => void calls.push('start'),
        onResponseStart() {},
        onResponseEnd: () => resolve(),
        onResponseError: (_controller: unknown, error: Error) => {
          t.error(error)
          resolve()
        },
      } as never),
    )
    await first
    t.strictSame(calls, ['queued', 'start'], make.toString())
    await dispatcher.close()
  }
  await origin.close()
})

t.test('statistics are right when a handler is called', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (!head.includes(' /never ')) socket.write(response('ok'))
    }),
  )
  const pool = new Pool(origin.url, { connections: 1 })
  await (await pool.request(get)).body.text()
  const idle = { connected: 1, free: 1, pending: 0, queued: 0, running: 0 }
  const seen: Record<string, unknown> = {}
  const watching = (at: string, act?: (controller: Recorder['controller']) => void) =>
    new Recorder((name, controller) => {
      seen[`${at} ${name}`] = { ...pool.stats }
      if (name === 'start') act?.(controller)
    })
  const answered = watching('answered')
  pool.dispatch(get, answered)
  await answered.ended
  t.match(seen['answered start'], { ...idle, free: 0, running: 1 })
  t.match(seen['answered head 200'], { ...idle, free: 0, running: 1 })
  t.match(seen['answered end'], idle)
  const started = watching('started', (controller) => controller?.abort())
  pool.dispatch(get, started)
  await started.ended
  t.match(seen['started start'], { ...idle, free: 0, running: 1 })
  t.match(seen['started error'], idle)
  const running = watching('running')
  const queued = watching('queued')
  pool.dispatch({ ...get, path: '/never' }, running)
  pool.dispatch(get, { ...spread(queued), onRequestQueued: (controller) => controller.abort() })
  await queued.ended
  t.match(seen['queued error'], { queued: 0 })
  t.equal(pool.stats.size, 1)
  while (running.controller === null) await turn()
  running.controller.abort()
  t.match(seen['running error'], { ...idle, connected: 0, free: 0 })
  await pool.close()
  await origin.close()
})

function spread(recorder: Recorder) {
  return {
    onRequestStart: (controller: never) => recorder.onRequestStart(controller),
    onResponseError: (controller: never, error: Error) => recorder.onResponseError(controller, error),
  }
}

const good = { ...get, origin: 'http://localhost:1' }
const refused: Record<string, unknown> = {
  'no options': undefined,
  null: null,
  'a number': 5,
  'no path': { ...good, path: undefined },
  'a bad header': { ...good, headers: { a: 'b\n' } },
  'a bad method': { ...good, method: 'G T' },
  'a bad body': { ...good, method: 'POST', body: 5 },
  'a bad time-out': { ...good, headersTimeout: 'x' },
  'a bad upgrade': { ...good, upgrade: 5 },
}

const every: Record<string, () => Dispatcher> = {
  ...Object.fromEntries(Object.entries(kinds).map(([kind, make]) => [kind, () => make('http://localhost:1')])),
  'a Pool with a factory': () =>
    new Pool('http://localhost:1', { factory: (url, options) => new Client(url, options).compose([]) }),
}

for (const [kind, make] of Object.entries(every)) {
  t.test(
    `dispatch of ${kind} calls the handler for bad options, and throws for an unusable handler only`,
    async (t) => {
      const dispatcher = make()
      for (const [what, options] of Object.entries(refused)) {
        const { calls, code, mayGoOn } = refusal(dispatcher, options)
        t.strictSame({ calls, code, mayGoOn }, { calls: ['error'], code: 'UND_ERR_INVALID_ARG', mayGoOn: true }, what)
        const elder: string[] = []
        dispatcher.dispatch(
          options as never,
          { onError: (error: Error & { code: string }) => elder.push(error.code) } as never,
        )
        t.strictSame(elder, ['UND_ERR_INVALID_ARG'], `${what}, to a legacy handler`)
      }
      const { error } = refusal(dispatcher, {
        ...good,
        get headers(): object {
          throw new Error('bug of a getter')
        },
      })
      t.equal(error?.message, 'bug of a getter')
      // Its handler wraps the one of the caller and reads which callbacks it has.
      const partial = kind === 'RetryAgent' ? [] : [{}, { onRequestStart() {} }]
      for (const handler of [undefined, null, 'x', { onResponseError: 5 }, ...partial]) {
        t.throws(() => dispatcher.dispatch(good, handler as never), { code: 'UND_ERR_INVALID_ARG' })
      }
      await dispatcher.destroy()
    },
  )
}

t.test('dispatch of a balancer without upstreams calls the handler', async (t) => {
  const pool = new BalancedPool()
  t.match(refusal(pool, good), { calls: ['error'], code: 'UND_ERR_BPL_MISSING_UPSTREAM' })
  await t.rejects(pool.request(get), errors.BalancedPoolMissingUpstreamError)
  await pool.close()
})

t.test('an exception of a factory reaches the handler', async (t) => {
  const factory = () => {
    throw new Error('bug of a factory')
  }
  for (const dispatcher of [new Pool('http://a', { factory }), new Agent({ factory })] as Dispatcher[]) {
    t.equal(refusal(dispatcher, good).error?.message, 'bug of a factory')
    await t.rejects(dispatcher.request(good), { message: 'bug of a factory' })
    await dispatcher.close()
  }
})

t.test('invalid options of an interceptor that dispatches later fail the request', async (t) => {
  const origin = await echo()
  const later: Interceptor = (dispatch) => (options, handler) => {
    setImmediate(() => dispatch({ ...options, headers: { authorization: 'abc\n' } }, handler))
    return true
  }
  const strict: Interceptor = (dispatch) => (options, handler) => {
    if (options.headers !== undefined) throw new errors.InvalidArgumentError('not with headers')
    return dispatch(options, handler)
  }
  for (const make of Object.values(kinds)) {
    const dispatcher = make(origin.url)
    for (const composed of [dispatcher.compose(later), dispatcher.compose(strict, later)]) {
      const uncaught = await uncaughtDuring(() =>
        t.rejects(composed.request({ ...get, origin: origin.url }), { code: 'UND_ERR_INVALID_ARG' }),
      )
      t.strictSame(uncaught, [])
    }
    await dispatcher.close()
  }
  await origin.close()
})

t.test('an exception of the last callback is emitted as error, or is uncaught', async (t) => {
  const origin = await echo()
  for (const [kind, make] of Object.entries(kinds)) {
    const dispatcher = make(origin.url)
    const fail = (path: string) =>
      new Promise<void>((resolve) => {
        const handler = {
          onRequestStart() {},
          onResponseError() {
            resolve()
            throw new Error('bug of a handler')
          },
        }
        dispatcher.dispatch({ path, method: 'POST', body: 'x', origin: origin.url }, handler)
      })
    for (const path of ['/die', 'refused']) {
      t.strictSame(await uncaughtDuring(() => fail(path)), ['bug of a handler'], `${kind}, ${path}`)
    }
    // A RetryAgent calls the handler itself.
    if (kind !== 'RetryAgent') {
      const errors: unknown[] = []
      dispatcher.on('error' as 'drain', ((error: Error) => errors.push(error.message)) as never)
      t.strictSame(await uncaughtDuring(() => fail('/die')), [])
      t.strictSame(errors, ['bug of a handler'], kind)
    }
    t.equal(await dispatcher.request({ ...get, origin: origin.url }).then(({ body }) => body.text()), '/')
    await dispatcher.destroy()
  }
  await origin.close()
})

t.test('an exception of onRequestUpgrade reaches the handler once and closes the socket', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    ),
  )
  const client = new Client(origin.url)
  const recorder = new Recorder((name) => {
    if (name === 'upgrade') throw new Error('bug')
  })
  const uncaught = await uncaughtDuring(async () => {
    client.dispatch({ ...get, upgrade: 'x' }, recorder)
    await recorder.ended
    await event(recorder.socket as net.Socket, 'close')
  })
  t.strictSame(uncaught, [])
  t.equal(recorder.error?.message, 'bug')
  await client.close()
  await origin.close()
})

for (const nothing of [undefined, null]) {
  t.test(`a request fails with an error if code of the caller fails with ${nothing}`, async (t) => {
    const origin = await echo()
    const thrower = () => {
      throw nothing
    }
    const foreign = (dispatch: unknown) => () => ({ dispatch, close() {}, destroy() {} }) as unknown as Dispatcher
    const members: Record<string, () => Dispatcher> = {
      'a factory that throws': thrower,
      'a dispatcher that throws': foreign(thrower),
      'a dispatcher that rejects': foreign(() => Promise.reject(nothing)),
      'a dispatcher that reports it': foreign(
        (_options: object, handler: { onResponseError(...of: unknown[]): void }) =>
          handler.onResponseError(null, nothing),
      ),
      'an interceptor that throws': () => new Client(origin.url).compose(() => thrower as never),
      'an interceptor that reports it': () =>
        new Client(origin.url).compose(
          () => (_options, handler) => handler.onResponseError?.(null as never, nothing as never) !== null,
        ),
    }
    const bodies: Record<string, () => unknown> = {
      none: () => null,
      'an iterable that throws': () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(nothing) }) }),
      'a web stream that fails': () => new ReadableStream({ pull: (controller) => controller.error(nothing) }),
    }
    const subjects: Record<string, [make: () => Dispatcher, body: string]> = {}
    for (const [name, factory] of Object.entries(members)) {
      subjects[`${name}, in a Pool`] = [() => new Pool(origin.url, { connections: 1, factory }), 'none']
      subjects[`${name}, in an Agent`] = [() => new Agent({ factory }), 'none']
    }
    for (const name of Object.keys(bodies).slice(1)) {
      subjects[`${name}, in a Client`] = [() => new Client(origin.url), name]
      const factory = (url: URL | string) => new Client(url).compose((dispatch) => dispatch)
      subjects[`${name}, in a Pool with a factory`] = [() => new Pool(origin.url, { factory }), name]
    }
    for (const [name, [make, body]] of Object.entries(subjects)) {
      for (const retries of [false, true]) {
        const base = make()
        const dispatcher = retries ? base.compose(interceptors.retry({ minTimeout: 0 })) : base
        const request = { path: '/', method: 'PUT', origin: origin.url, body: bodies[body]?.() as never }
        await t.rejects(dispatcher.request(request), { code: 'UND_ERR_ABORTED' }, `${name}, retries: ${retries}`)
        await dispatcher.close()
      }
    }
    await origin.close()
  })
}

t.test('the error of a dispatcher that is closed or destroyed calls no getter of the options', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const client = new Client('http://localhost')
    await client[end]()
    let reads = 0
    const options = {
      method: 'GET',
      get path(): string {
        reads++
        throw new Error('thrown by a getter')
      },
    }
    const failures: unknown[] = []
    client.dispatch(options, { onResponseError: (_controller, error) => void failures.push(error) })
    t.match(failures, [{ code: /^UND_ERR_/, method: 'GET' }])
    t.equal(reads, 0)
  }
})
