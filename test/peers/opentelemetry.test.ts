import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import {
  type Context,
  type ContextManager,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import t, { type Test } from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin, type Origin, rawOrigin } from '../servers/origin.js'

/** Context manager that uses AsyncLocalStorage. */
class StorageContextManager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }

  with<A extends unknown[], F extends (...values: A) => ReturnType<F>>(
    context: Context,
    run: F,
    self?: ThisParameterType<F>,
    ...values: A
  ): ReturnType<F> {
    return this.#storage.run(context, () => run.apply(self, values))
  }

  bind<T>(_context: Context, target: T): T {
    return target
  }

  enable(): this {
    return this
  }

  disable(): this {
    this.#storage.disable()
    return this
  }
}

/** Propagator of W3C Trace Context for clients. */
const traceparent: TextMapPropagator = {
  inject(context, carrier, setter) {
    const known = trace.getSpanContext(context)
    if (known === undefined) return
    setter.set(carrier, 'traceparent', `00-${known.traceId}-${known.spanId}-0${known.traceFlags}`)
  },
  extract: (context) => context,
  fields: () => ['traceparent'],
}

const exporter = new InMemorySpanExporter()
const started: string[] = []
const provider = new BasicTracerProvider({
  spanProcessors: [
    new SimpleSpanProcessor(exporter),
    {
      onStart: (span: Span) => void started.push(span.spanContext().spanId),
      onEnd() {},
      forceFlush: async () => {},
      shutdown: async () => {},
    },
  ],
})
const tracer = provider.getTracer('test')
const instrumentation = new UndiciInstrumentation({ enabled: false })

t.before(() => {
  context.setGlobalContextManager(new StorageContextManager())
  propagation.setGlobalPropagator(traceparent)
  instrumentation.setTracerProvider(provider)
  instrumentation.setConfig({
    headersToSpanAttributes: { requestHeaders: ['x-ask'], responseHeaders: ['x-reply'] },
  })
  instrumentation.enable()
})

t.beforeEach(() => {
  exporter.reset()
  started.length = 0
})

t.teardown(() => {
  instrumentation.disable()
  context.disable()
  propagation.disable()
})

/** Returns the request spans in the order of their end, and checks that each ended once. */
function requestSpans(t: Test): ReadableSpan[] {
  const ended = exporter.getFinishedSpans()
  const ids = ended.map((span) => span.spanContext().spanId)
  t.strictSame([...ids].sort(), [...started].sort(), 'every started span ended once')
  return ended.filter(({ kind }) => kind === SpanKind.CLIENT)
}

/** Runs a function in a new span, like a traced program. */
function within<T>(name: string, run: () => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, async (span) => {
    try {
      return await run()
    } finally {
      span.end()
    }
  })
}

/** Responds with the received `traceparent`. Never responds to `/never`. */
function tracedOrigin(): Promise<Origin> {
  return httpOrigin((request, reply) => {
    if (request.url === '/never') return
    request.resume().on('end', () => {
      reply.setHeader('x-reply', 'yes')
      reply.statusCode = request.url === '/fails' ? 503 : 200
      reply.end(request.headers.traceparent ?? 'none')
    })
  })
}

t.test('a span describes the request, and its context is sent to the server', async (t) => {
  const origin = await tracedOrigin()
  const client = new Client(origin.url)
  const bodies = { GET: null, HEAD: null, POST: 'text', PUT: Readable.from(['a', 'b']), DELETE: null, OPTIONS: null }
  for (const [method, body] of Object.entries(bodies)) {
    exporter.reset()
    started.length = 0
    const headers = { 'user-agent': 'tester', 'x-ask': 'please' }
    const received = await within('parent', async () => {
      const response = await client.request({ path: '/a/b?c=d', method, headers, body })
      return response.body.text()
    })
    const [span, ...more] = requestSpans(t) as [ReadableSpan, ...ReadableSpan[]]
    t.equal(more.length, 0, method)
    t.equal(span.name, method)
    const parent = exporter.getFinishedSpans().find(({ name }) => name === 'parent') as ReadableSpan
    t.equal(span.parentSpanContext?.spanId, parent.spanContext().spanId)
    t.strictSame(span.attributes, {
      'http.request.method': method,
      'http.request.method_original': method,
      'url.full': `${origin.url}/a/b?c=d`,
      'url.path': '/a/b',
      'url.query': '?c=d',
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': origin.port,
      'user_agent.original': 'tester',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': origin.port,
      'network.protocol.version': '1.1',
      'http.request.header.x-ask': ['please'],
      'http.response.header.x-reply': ['yes'],
      'http.response.status_code': 200,
    })
    t.equal(span.status.code, SpanStatusCode.UNSET)
    const { traceId, spanId } = span.spanContext()
    if (method !== 'HEAD') t.equal(received, `00-${traceId}-${spanId}-01`)
  }
  await client.close()
  await origin.close()
})

t.test('an error status sets the span status', async (t) => {
  const origin = await tracedOrigin()
  const client = new Client(origin.url)
  const { body } = await client.request({ path: '/fails', method: 'GET' })
  await body.dump()
  const [span] = requestSpans(t) as [ReadableSpan]
  t.match(span.attributes, { 'http.response.status_code': 503, 'error.type': '503' })
  t.equal(span.status.code, SpanStatusCode.ERROR)
  await client.close()
  await origin.close()
})

t.test('refused connections, lost connections and timeouts set the span status', async (t) => {
  const origin = await tracedOrigin()
  const dying = await rawOrigin((socket) => socket.once('data', () => socket.destroy()))
  const closed = await tracedOrigin()
  await closed.close()
  const cases: [string, string, { path: string; method: string; headersTimeout?: number }][] = [
    [closed.url, 'ECONNREFUSED', { path: '/', method: 'GET' }],
    [dying.url, 'UND_ERR_SOCKET', { path: '/', method: 'POST' }],
    [origin.url, 'UND_ERR_HEADERS_TIMEOUT', { path: '/never', method: 'GET', headersTimeout: 50 }],
  ]
  for (const [url, code, options] of cases) {
    exporter.reset()
    started.length = 0
    const client = new Client(url)
    await t.rejects(client.request(options), { code })
    const [span, ...more] = requestSpans(t) as [ReadableSpan, ...ReadableSpan[]]
    t.equal(more.length, 0)
    t.match(span.attributes, { 'error.type': code, 'server.port': Number(new URL(url).port) })
    t.equal(span.status.code, SpanStatusCode.ERROR)
    t.match(span.events, [{ name: 'exception' }])
    await client.destroy()
  }
  await origin.close()
  await dying.close()
})

t.test('an aborted request ends its span without an error', async (t) => {
  const origin = await tracedOrigin()
  const client = new Client(origin.url)
  const abort = new AbortController()
  const sent = client.request({ path: '/never', method: 'GET', signal: abort.signal })
  const queued = client.request({ path: '/queued', method: 'GET', signal: abort.signal })
  setImmediate(() => abort.abort())
  await t.rejects(sent, { name: 'AbortError' })
  await t.rejects(queued, { name: 'AbortError' })
  const spans = requestSpans(t)
  t.equal(spans.length, 2)
  t.ok(spans.every(({ status }) => status.code === SpanStatusCode.UNSET))
  t.ok(spans.every(({ attributes }) => attributes['error.type'] === undefined))
  await client.close()
  await origin.close()
})

t.test('concurrent requests keep their own parent span, queued ones included', async (t) => {
  const origin = await tracedOrigin()
  const dispatchers: Record<string, () => Dispatcher> = {
    'one connection': () => new Client(origin.url),
    'a pipelined connection': () => new Client(origin.url, { pipelining: 10 }),
    'a pool that makes them wait': () => new Pool(origin.url, { connections: 2 }),
    'a pool of clients of a factory': () =>
      new Pool(origin.url, { connections: 2, factory: (url, options) => new Client(url, options as object) }),
    'a pool in turn': () => new RoundRobinPool(origin.url, { connections: 2 }),
    'a balanced pool': () => new BalancedPool([origin.url], { connections: 2 }),
    'an agent': () => new Agent({ connections: 2 }),
  }
  for (const [name, make] of Object.entries(dispatchers)) {
    exporter.reset()
    started.length = 0
    const dispatcher = make()
    const ask = async (index: number) => {
      const options = { origin: origin.url, path: `/${index}`, method: 'GET' }
      const { body } = await dispatcher.request(options)
      return await body.text()
    }
    const traceparents = await Promise.all(Array.from({ length: 20 }, (_, i) => within(`parent ${i}`, () => ask(i))))
    const spans = requestSpans(t)
    t.equal(spans.length, 20, name)
    const parents = new Map(exporter.getFinishedSpans().map((span) => [span.spanContext().spanId, span.name]))
    for (const span of spans) {
      const index = String(span.attributes['url.path']).slice(1)
      t.equal(parents.get(span.parentSpanContext?.spanId as string), `parent ${index}`, `${name}: ${index}`)
      const { traceId, spanId } = span.spanContext()
      t.equal(traceparents[Number(index)], `00-${traceId}-${spanId}-01`)
    }
    await dispatcher.close()
  }
  await origin.close()
})

t.test('a retried request has one span', async (t) => {
  let connections = 0
  const origin = await rawOrigin((socket) => {
    const own = ++connections
    let requests = 0
    socket.on('data', () => {
      if (own === 1 && ++requests === 2) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
  })
  const client = new Client(origin.url)
  for (const path of ['/first', '/again']) {
    const { body } = await client.request({ path, method: 'GET' })
    t.equal(await body.text(), 'ok')
  }
  t.equal(connections, 2)
  const spans = requestSpans(t)
  t.strictSame(
    spans.map(({ attributes }) => attributes['url.path']),
    ['/first', '/again'],
  )
  t.ok(spans.every(({ status }) => status.code === SpanStatusCode.UNSET))
  await client.close()
  await origin.close()
})

t.test('without a subscriber no headers are added', async (t) => {
  instrumentation.disable()
  const origin = await tracedOrigin()
  const client = new Client(origin.url)
  const { body } = await client.request({ path: '/', method: 'GET' })
  t.equal(await body.text(), 'none')
  t.equal(started.length, 0)
  await client.close()
  await origin.close()
})
