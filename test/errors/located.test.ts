import { EventEmitter } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  type DispatchInterceptor,
  errors,
  interceptors,
  Pool,
  ProxyAgent,
  type RetryHandler,
} from '../../lib/index.js'
import { httpOrigin, rawOrigin } from '../servers/origin.js'

const answers: Record<string, [number, Record<string, string>, string | Buffer]> = {
  '/long': [200, {}, Buffer.alloc(300_000)],
  '/codings': [200, { 'content-encoding': Array(6).fill('gzip').join() }, ''],
  '/no-gzip': [200, { 'content-encoding': 'gzip' }, 'no gzip'],
  '/zeros': [200, { 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(300_000))],
  '/loop': [302, { location: '/loop' }, ''],
  '/elsewhere': [302, { location: 'http://other.example/' }, ''],
  '/mail': [302, { location: 'mailto:other' }, ''],
  '/broken': [500, { 'content-type': 'text/plain' }, 'broken'],
  '/broken?token=secret': [500, {}, ''],
  '/fine': [200, {}, 'fine'],
}

const server = () =>
  httpOrigin((request, response) => {
    const [status, headers, body] = answers[request.url as string] ?? [200, {}, null]
    response.writeHead(status, headers)
    // What is not listed begins and never ends.
    if (body === null) response.write('begun')
    else response.end(body)
  })

type Use = (dispatcher: Dispatcher, options: Dispatcher.RequestOptions) => Promise<unknown>

const request: Use = async (dispatcher, options) => (await dispatcher.request(options)).body.text()
const put: Use = (dispatcher, options) =>
  dispatcher.request({ ...options, method: 'PUT', body: Readable.from(['piece']) })
const piped =
  (handler: (body: Readable) => unknown): Use =>
  (dispatcher, options) => {
    const duplex = dispatcher.pipeline(options, ({ body }) => handler(body) as Readable)
    return finished(duplex.end().resume())
  }

const closing = (end: (stream: PassThrough) => void) => () => {
  const stream = new PassThrough()
  setImmediate(end, stream.resume())
  return stream
}

interface Case {
  readonly path: string
  readonly code: string
  readonly interceptor?: DispatchInterceptor
  readonly use?: Use
  readonly phase?: string
}

const cases: Record<string, Case> = {
  'dump of a long body': { path: '/long', code: 'UND_ERR_ABORTED', interceptor: interceptors.dump({ maxSize: 9 }) },
  'decompress of many codings': {
    path: '/codings',
    code: 'UND_ERR_NOT_SUPPORTED',
    interceptor: interceptors.decompress(),
  },
  'decompress of other data': { path: '/no-gzip', code: 'Z_DATA_ERROR', interceptor: interceptors.decompress() },
  'decompress above maxSize': {
    path: '/zeros',
    code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    interceptor: interceptors.decompress({ maxSize: 9 }),
  },
  'a redirect loop': {
    path: '/loop',
    code: 'UND_ERR_INVALID_ARG',
    interceptor: interceptors.redirect({ maxRedirections: 3 }),
  },
  'a redirect to elsewhere': {
    path: '/elsewhere',
    code: 'UND_ERR_INVALID_ARG',
    interceptor: interceptors.redirect({ maxRedirections: 3 }),
  },
  'a redirect to another protocol': {
    path: '/mail',
    code: 'UND_ERR_INVALID_ARG',
    interceptor: interceptors.redirect({ maxRedirections: 3 }),
  },
  responseError: { path: '/broken', code: 'UND_ERR_RESPONSE', interceptor: interceptors.responseError() },
  'retry of an error status': {
    path: '/broken',
    code: 'UND_ERR_REQ_RETRY',
    interceptor: interceptors.retry({ maxRetries: 0 }),
  },
  'retry of a body that is gone': {
    path: '/broken',
    code: 'UND_ERR_REQ_RETRY',
    interceptor: interceptors.retry({ methods: ['PUT'] }),
    use: put,
  },
  'stream() with a wrong factory': {
    path: '/fine',
    code: 'UND_ERR_INVALID_RETURN_VALUE',
    use: (dispatcher, options) => dispatcher.stream(options, () => 5 as never),
  },
  'stream() into what ends first': {
    path: '/begun',
    code: 'UND_ERR_ABORTED',
    use: (dispatcher, options) =>
      dispatcher.stream(
        options,
        closing((stream) => stream.end()),
      ),
  },
  'pipeline() with a wrong handler': { path: '/fine', code: 'UND_ERR_INVALID_RETURN_VALUE', use: piped(() => 5) },
  'pipeline() with a stream that is destroyed': {
    path: '/begun',
    code: 'UND_ERR_ABORTED',
    use: piped(closing((stream) => stream.destroy())),
  },
  'a body that is destroyed': {
    path: '/begun',
    code: 'UND_ERR_ABORTED',
    use: async (dispatcher, options) => {
      const { body } = await dispatcher.request(options)
      setImmediate(() => body.destroy())
      return body.text()
    },
  },
  'an emitter for a signal': {
    path: '/begun',
    code: 'UND_ERR_ABORTED',
    use: async (dispatcher, options) => {
      const signal = new EventEmitter()
      const { body } = await dispatcher.request({ ...options, signal })
      setImmediate(() => signal.emit('abort'))
      return body.text()
    },
  },
  'a refused upgrade': {
    path: '/fine',
    code: 'UND_ERR_SOCKET',
    use: (dispatcher, { origin, path }) => dispatcher.upgrade({ ...(origin && { origin }), path }),
  },
  'a wrong option': {
    path: '/fine',
    code: 'UND_ERR_INVALID_ARG',
    use: (dispatcher, options) => dispatcher.request({ ...options, headersTimeout: -1 }),
    phase: 'queued',
  },
  'a wrong header': {
    path: '/fine',
    code: 'UND_ERR_INVALID_ARG',
    use: (dispatcher, options) => dispatcher.request({ ...options, headers: ['x-odd'] }),
    phase: 'queued',
  },
  'a wrong body': {
    path: '/fine',
    code: 'UND_ERR_INVALID_ARG',
    use: (dispatcher, options) => dispatcher.request({ ...options, body: Readable.from([]).destroy() }),
    phase: 'queued',
  },
  'a wrong option of an interceptor': {
    path: '/fine',
    code: 'UND_ERR_INVALID_ARG',
    interceptor: interceptors.dump(),
    use: (dispatcher, options) => dispatcher.request({ ...options, dumpMaxSize: -1 } as never),
    phase: 'queued',
  },
  'a closed dispatcher': {
    path: '/fine',
    code: 'UND_ERR_DESTROYED',
    use: async (dispatcher, options) => {
      await dispatcher.destroy()
      return dispatcher.request(options)
    },
    phase: 'queued',
  },
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  BalancedPool: (url) => new BalancedPool(url),
  Agent: () => new Agent(),
}

for (const [kind, make] of Object.entries(dispatchers)) {
  t.test(`${kind}: an error that sluice ends a request with says which request failed`, async (t) => {
    const origin = await server()
    for (const [name, { path, code, interceptor, use = request, phase = 'body' }] of Object.entries(cases)) {
      // An Agent goes to another origin.
      if (kind === 'Agent' && path === '/elsewhere') continue
      const dispatcher = make(origin.url)
      const sending = interceptor === undefined ? dispatcher : dispatcher.compose(interceptor)
      const options = { path, method: 'GET', ...(kind === 'Agent' && { origin: origin.url }) }
      const method = use === put ? 'PUT' : 'GET'
      // An interceptor over a balancer does not know which upstream was chosen.
      const known = kind === 'BalancedPool' ? {} : { origin: origin.url }
      await t.rejects(use(sending, options as never), { code, method, path, phase, ...known }, name)
      await dispatcher.destroy()
    }
    await origin.close()
  })

  t.test(`${kind}: an error of the system has the fault of the network`, async (t) => {
    const origin = await rawOrigin((socket) => void socket.on('data', () => socket.resetAndDestroy()))
    for (const [url, code, phase] of [
      ['http://127.0.0.1:1', 'ECONNREFUSED', 'connect'],
      [origin.url, 'ECONNRESET', 'wait'],
    ] as const) {
      const dispatcher = make(url)
      const sent = request(dispatcher, { origin: url, path: '/', method: 'GET' } as never)
      await t.rejects(sent, { code, phase, origin: url, path: '/', fault: 'network' })
      await dispatcher.destroy()
    }
    await origin.close()
  })
}

t.test('an error that failed one request aborts another one unchanged', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  const dumping = client.compose(interceptors.dump({ maxSize: 9 }))
  const first: errors.UndiciError = await request(dumping, { path: '/long', method: 'GET' }).then(
    () => new errors.UndiciError('it did not fail'),
    (error) => error,
  )
  t.match(first, { code: 'UND_ERR_ABORTED', path: '/long' })
  delete first.path
  const abort = new AbortController()
  const { body } = await client.request({ path: '/begun', method: 'GET', signal: abort.signal })
  setImmediate(() => abort.abort(first))
  await t.rejects(body.text(), first)
  t.equal(first.path, undefined)
  await client.destroy()
  await origin.close()
})

t.test('errors of retry and responseError name the request, its status and the attempts', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  const retried = [
    interceptors.retry({ maxRetries: 2, minTimeout: 0 }),
    'RequestRetryError',
    ' after 3 attempts',
  ] as const
  const once = [interceptors.retry({ maxRetries: 0 }), 'RequestRetryError', ' after 1 attempt'] as const
  for (const [interceptor, name, rest] of [
    retried,
    once,
    [interceptors.responseError(), 'ResponseError', ''],
  ] as const) {
    const sent = client.compose(interceptor).request({ path: '/broken?token=secret', method: 'GET' })
    const message = `GET ${origin.url}/broken failed: 500 Internal Server Error${rest}`
    await t.rejects(sent, {
      name,
      message,
      origin: origin.url,
      method: 'GET',
      path: '/broken?token=secret',
      phase: 'body',
    })
  }
  await client.destroy()
  await origin.close()
})

t.test('the phase of a failed request is send while it is written, and wait from then on', async (t) => {
  const origin = await rawOrigin(
    (socket) => void socket.once('data', () => setImmediate(() => socket.resetAndDestroy())),
  )
  const begun = () => {
    const body = new PassThrough().on('error', () => {})
    body.write('part')
    return body
  }
  for (const [make, phase] of [
    [begun, 'send'],
    [() => 'whole', 'wait'],
  ] as const) {
    for (const client of [new Client(origin.url), new Pool(origin.url), new Agent().compose((dispatch) => dispatch)]) {
      const sent = client.request({ origin: origin.url, path: '/', method: 'POST', body: make() } as never)
      await t.rejects(sent, { name: /Error/, phase, replaySafe: false })
      await client.destroy()
    }
  }
  await origin.close()
})

t.test('a request that was sent is replay-safe only if it is idempotent', async (t) => {
  const origin = await rawOrigin((socket) => void socket.on('data', () => socket.resetAndDestroy()))
  const client = new Client(origin.url)
  for (const [method, idempotent, replaySafe] of [
    ['GET', undefined, true],
    ['PUT', undefined, false],
    ['PUT', true, true],
    ['POST', undefined, false],
    ['POST', true, true],
    ['GET', false, false],
  ] as const) {
    const sent = client.request({ path: '/', method, idempotent } as never)
    await t.rejects(sent, { code: 'ECONNRESET', phase: 'wait', replaySafe }, `${method} idempotent: ${idempotent}`)
  }
  await client.destroy()
  await origin.close()
})

t.test('the printed error of a refused tunnel shows its class and its fault', async (t) => {
  const proxy = await refusing(502)
  const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: true })
  const error = await agent.request({ origin: 'http://localhost:1', path: '/', method: 'GET' }).catch((error) => error)
  t.equal(error.constructor.name, 'ProxyTunnelError')
  t.ok(error instanceof errors.RequestAbortedError)
  t.match(inspect(error), /ProxyTunnelError.*fault: 'peer'/s)
  await agent.destroy()
  await proxy.close()
})

const refusing = (status: number) =>
  rawOrigin((socket) => {
    socket.on('data', () => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`))
  })

for (const [status, fault] of [
  [403, 'user'],
  [502, 'peer'],
] as const) {
  t.test(`a tunnel that a proxy refuses with ${status} is the fault of the ${fault}`, async (t) => {
    const proxy = await refusing(status)
    const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: true })
    const place = { origin: 'http://localhost:1', method: 'GET', path: '/place', phase: 'connect', proxy: proxy.url }
    const sent = agent.request({ origin: 'http://localhost:1', path: '/place', method: 'GET' })
    await t.rejects(sent, { code: 'UND_ERR_ABORTED', statusCode: status, fault, ...place })
    await agent.destroy()
    await proxy.close()
  })
}

t.test('the error for a 407 of a forwarded request has the context of the request', async (t) => {
  const proxy = await refusing(407)
  const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: false })
  const place = { origin: 'http://localhost:1', method: 'GET', path: '/place', phase: 'body', proxy: proxy.url }
  const sent = agent.request({ origin: 'http://localhost:1', path: '/place', method: 'GET' })
  await t.rejects(sent, { code: 'UND_ERR_INVALID_ARG', statusCode: 407, ...place })
  await agent.destroy()
  await proxy.close()
})

t.test(
  'a request that one attempt may have executed is not replay-safe because a later one was not sent',
  async (t) => {
    for (const answer of ['HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', null]) {
      const origin = await rawOrigin((socket) => {
        socket.on('data', () => (answer === null ? socket.resetAndDestroy() : socket.end(answer)))
      })
      const client = new Client(origin.url)
      let failed = false
      const retry: RetryHandler.RetryCallback = (error, _context, callback) => {
        if (failed) return callback(error)
        failed = true
        void origin.close().then(() => callback())
      }
      const retrying = client.compose(interceptors.retry({ retry }))
      const sent = retrying.request({ path: '/place', method: 'POST', body: 'order' })
      await t.rejects(sent, { code: 'ECONNREFUSED', phase: 'connect', replaySafe: false }, answer ?? 'reset')
      await client.destroy()
    }
  },
)

t.test('an abort in the last callback of a handler has no effect, with or without interceptors', async (t) => {
  const origin = await server()
  const chains: Record<string, DispatchInterceptor[]> = {
    none: [],
    redirect: [interceptors.redirect({ maxRedirections: 1 })],
    dns: [
      interceptors.dns({
        lookup: (_url, _options, found) => found(null, [{ address: '127.0.0.1', family: 4, ttl: 9 }]),
      }),
    ],
    decompress: [interceptors.decompress()],
    retry: [interceptors.retry()],
    hedge: [interceptors.hedge({ delay: 60_000 })],
  }
  for (const [name, chain] of Object.entries(chains)) {
    const agent = new Agent()
    const seen = await new Promise((resolve) => {
      agent.compose(...chain).dispatch(
        { origin: origin.url.replace('127.0.0.1', 'localhost'), path: '/fine', method: 'GET' },
        {
          onResponseEnd(controller) {
            controller.abort(new Error('too late'))
            throw new Error('thrown')
          },
          onResponseError: ({ aborted, reason }, { message }) => resolve({ aborted, reason, message }),
        },
      )
    })
    t.strictSame(seen, { aborted: false, reason: null, message: 'thrown' }, name)
    await agent.close()
  }
  await origin.close()
})
