import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { context as contexts, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { Agent, Client, interceptors, Pool, request } from 'undici'
import { closedPort, cut, failure, mirror, scenario, service, silent } from './harness.mjs'

const storage = new AsyncLocalStorage()
contexts.setGlobalContextManager({
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (context, run, self, ...values) => storage.run(context, () => run.apply(self, values)),
  bind: (_context, target) => target,
  enable() {},
  disable() {},
})
propagation.setGlobalPropagator({
  inject(context, carrier, setter) {
    const known = trace.getSpanContext(context)
    if (known) setter.set(carrier, 'traceparent', `00-${known.traceId}-${known.spanId}-0${known.traceFlags}`)
  },
  extract: (context) => context,
  fields: () => ['traceparent'],
})
const exporter = new InMemorySpanExporter()
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
const tracer = provider.getTracer('test')
const instrumentation = new UndiciInstrumentation({
  headersToSpanAttributes: { requestHeaders: ['x-ask'], responseHeaders: ['content-type'] },
})
instrumentation.setTracerProvider(provider)

/** Spans of requests that ended since the last call. */
function spans() {
  const ended = exporter.getFinishedSpans().filter(({ name }) => name !== 'parent')
  exporter.reset()
  return ended
}

function within(run) {
  return tracer.startActiveSpan('parent', async (parent) => {
    try {
      return [parent.spanContext(), await run()]
    } finally {
      parent.end()
    }
  })
}

scenario('a span describes its request, and its trace context is sent to the server', async (context) => {
  const one = await service(context, { '/a': mirror })
  const client = new Client(one.url)
  context.after(() => client.close())
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const headers = { 'x-ask': 'please' }
    const options = { path: '/a?b=c', method, headers, body: method === 'GET' ? null : 'text' }
    const [parent, seen] = await within(async () => (await client.request(options)).body.json())
    const [span, ...more] = spans()
    assert.equal(more.length, 0)
    assert.equal(span.parentSpanContext.spanId, parent.spanId)
    assert.equal(seen.headers.traceparent, `00-${parent.traceId}-${span.spanContext().spanId}-01`)
    const { attributes } = span
    assert.equal(attributes['http.request.method'], method)
    assert.equal(attributes['url.full'], `${one.url}/a?b=c`)
    assert.equal(attributes['network.peer.port'], one.port)
    assert.equal(attributes['http.response.status_code'], 200)
    assert.deepEqual(attributes['http.request.header.x-ask'], ['please'])
    assert.deepEqual(attributes['http.response.header.content-type'], ['application/json'])
  }
})

scenario('a span ends with the error of its request', async (context) => {
  const one = await service(context, { '/cut': cut, '/silent': silent })
  const agent = new Agent({ headersTimeout: 60 })
  context.after(() => agent.close())
  for (const [url, code] of [
    [`http://127.0.0.1:${await closedPort()}/`, 'ECONNREFUSED'],
    [`${one.url}/cut`, 'UND_ERR_SOCKET'],
    [`${one.url}/silent`, 'UND_ERR_HEADERS_TIMEOUT'],
  ]) {
    const error = await failure(request(url, { method: 'POST', dispatcher: agent }))
    assert.equal(error.code, code)
    const [span, ...more] = spans()
    assert.equal(more.length, 0)
    assert.equal(span.status.code, 2)
    assert.equal(span.events[0].name, 'exception')
    assert.equal(span.attributes['error.type'], code)
  }
})

scenario('concurrent requests of a pool keep their own parent span', async (context) => {
  const one = await service(context, { '/': mirror })
  const pool = new Pool(one.url, { connections: 2 })
  context.after(() => pool.close())
  const ask = async (i) => (await pool.request({ path: `/?${i}`, method: 'GET' })).body.json()
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => within(() => ask(i))))
  const byId = new Map(spans().map((span) => [span.spanContext().spanId, span]))
  assert.equal(byId.size, 20)
  for (const [parent, { headers }] of answers) {
    const [, traceId, spanId] = headers.traceparent.split('-')
    assert.equal(traceId, parent.traceId)
    assert.equal(byId.get(spanId).parentSpanContext.spanId, parent.spanId)
  }
})

scenario('each retry and each redirect has its own span', async (context) => {
  const one = await service(context, {
    '/busy': [(_request, response) => response.writeHead(503).end(), mirror],
    '/moved': (_request, response) => response.writeHead(302, { location: '/busy' }).end(),
  })
  const agent = new Agent()
  context.after(() => agent.close())
  const dispatcher = agent.compose(
    interceptors.retry({ minTimeout: 1, timeoutFactor: 1 }),
    interceptors.redirect({ maxRedirections: 2 }),
  )
  const { statusCode, body } = await request(`${one.url}/moved`, { dispatcher })
  await body.dump()
  assert.equal(statusCode, 200)
  assert.deepEqual(
    spans().map(({ attributes }) => attributes['http.response.status_code']),
    [302, 503, 200],
  )
})
