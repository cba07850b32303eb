import assert from 'node:assert/strict'
import { closedPort, failure, json, mirror, scenario, service } from './harness.mjs'

Object.assign(process.env, {
  NEW_RELIC_APP_NAME: 'test',
  NEW_RELIC_LICENSE_KEY: '0123456789012345678901234567890123456789',
  NEW_RELIC_SERVERLESS_MODE_ENABLED: 'true',
  NEW_RELIC_ACCOUNT_ID: '1',
  NEW_RELIC_TRUSTED_ACCOUNT_KEY: '1',
  NEW_RELIC_PRIMARY_APPLICATION_ID: '2',
  NEW_RELIC_LOG_ENABLED: 'false',
  NEW_RELIC_NO_CONFIG_FILE: 'true',
  NEW_RELIC_TRANSACTION_TRACER_RECORD_SQL: 'off',
})
const { default: newrelic } = await import('newrelic')
const { Agent, Pool, request } = await import('undici')

/** Runs in a background transaction, and returns the segments of its requests. */
function traced(run) {
  return newrelic.startBackgroundTransaction('test', async () => {
    const transaction = newrelic.agent.tracer.getTransaction()
    const result = await run()
    const segments = []
    const walk = ({ segment, children }) => {
      if (segment.name.startsWith('External/')) segments.push(segment)
      for (const child of children) walk(child)
    }
    walk(transaction.trace.segments.root)
    return { result, segments, traceId: transaction.traceId }
  })
}

scenario('records a segment per request, and sends its trace context to the server', async (context) => {
  const one = await service(context, { '/a': mirror })
  const pool = new Pool(one.url)
  context.after(() => pool.close())
  const { result, segments, traceId } = await traced(async () => [
    await (await request(`${one.url}/a?b=c`)).body.json(),
    await (await pool.request({ path: '/a', method: 'POST', body: 'text' })).body.json(),
  ])
  assert.deepEqual(
    segments.map(({ name }) => name),
    [`External/127.0.0.1:${one.port}/a`, `External/127.0.0.1:${one.port}/a`],
  )
  for (const [i, segment] of segments.entries()) {
    const { headers } = result[i]
    assert.equal(headers.traceparent.split('-')[1], traceId.padStart(32, '0'))
    assert.equal(headers.traceparent.split('-')[2], segment.id)
    assert.ok(segment.timer.hasEnd?.() ?? segment.getDurationInMillis() >= 0)
    assert.equal(segment.getAttributes().procedure, result[i].method)
  }
})

scenario('ends the segments of failed requests', async (context) => {
  const one = await service(context, { '/fails': json({}, 500) })
  const dispatcher = new Agent()
  context.after(() => dispatcher.close())
  const port = await closedPort()
  const { segments } = await traced(async () => {
    await (await request(`${one.url}/fails`, { dispatcher })).body.dump()
    await failure(request(`http://127.0.0.1:${port}/`, { dispatcher }))
  })
  assert.deepEqual(
    segments.map(({ name }) => name),
    [`External/127.0.0.1:${one.port}/fails`, `External/127.0.0.1:${port}/`],
  )
  for (const segment of segments) assert.ok(!segment.timer.isActive())
})
