import assert from 'node:assert/strict'
import http from 'node:http'
import apm from 'elastic-apm-node'
import { Agent, Client, request } from 'undici'
import { closedPort, cut, failure, mirror, scenario, service, until } from './harness.mjs'

/** What the agent sent to its server. */
const events = []
const server = http.createServer(async (request, response) => {
  const { createGunzip } = process.getBuiltinModule('node:zlib')
  const chunks = []
  try {
    const body = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request
    for await (const chunk of body) chunks.push(chunk)
  } catch {}
  for (const line of Buffer.concat(chunks).toString().split('\n')) if (line !== '') events.push(JSON.parse(line))
  response.end(request.url === '/' ? '{"version":"8.0.0"}' : '{}')
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
apm.start({
  serverUrl: `http://127.0.0.1:${server.address().port}`,
  serviceName: 'test',
  centralConfig: false,
  cloudProvider: 'none',
  metricsInterval: '0s',
  logLevel: 'off',
  spanCompressionEnabled: false,
  exitSpanMinDuration: '0ms',
})

/** Runs in a transaction, and returns its spans. */
async function traced(run) {
  const transaction = apm.startTransaction('test')
  const result = await run()
  transaction.end()
  await new Promise((resolve) => apm.flush(resolve))
  const { id } = transaction.ids['transaction.id'] ? { id: transaction.ids['transaction.id'] } : transaction
  await until(() => events.some((one) => one.transaction?.id === id))
  return { result, id, spans: events.flatMap(({ span }) => (span?.transaction_id === id ? [span] : [])) }
}

scenario('records a span per request, and sends its trace context to the server', async (context) => {
  const one = await service(context, { '/a': mirror })
  const client = new Client(one.url)
  context.after(() => client.close())
  const { result, spans } = await traced(async () => [
    await (await request(`${one.url}/a?b=c`)).body.json(),
    await (await client.request({ path: '/a', method: 'POST', body: 'text' })).body.json(),
  ])
  assert.equal(spans.length, 2)
  for (const [i, span] of spans.entries()) {
    assert.equal(span.name, `${result[i].method} 127.0.0.1:${one.port}`)
    assert.equal(span.context.http.url, one.url + result[i].url)
    assert.equal(span.context.http.status_code, 200)
    assert.equal(span.outcome, 'success')
    assert.match(result[i].headers.traceparent, new RegExp(`^00-${span.trace_id}-${span.id}-01$`))
  }
})

scenario('records failed requests as failed spans', async (context) => {
  const one = await service(context, { '/cut': cut, '/missing': (_request, response) => response.writeHead(404).end() })
  const dispatcher = new Agent()
  context.after(() => dispatcher.close())
  const { spans } = await traced(async () => {
    await (await request(`${one.url}/missing`, { dispatcher })).body.dump()
    await failure(request(`${one.url}/cut`, { method: 'POST', dispatcher }))
    await failure(request(`http://127.0.0.1:${await closedPort()}/`, { dispatcher }))
  })
  assert.deepEqual(
    spans.map(({ outcome }) => outcome),
    ['failure', 'failure', 'failure'],
  )
  assert.equal(spans[0].context.http.status_code, 404)
  assert.ok(events.some(({ error }) => error?.parent_id === spans[1].id))
})
