import assert from 'node:assert/strict'
import { QdrantClient } from '@qdrant/js-client-rest'
import { closedPort, failure, json, scenario, service, silent } from './harness.mjs'

const done = (result, status = 200) =>
  json({ result, status: status < 400 ? 'ok' : { error: 'refused' }, time: 0.01 }, status)

function open(one, options = {}) {
  return new QdrantClient({ url: one.url, checkCompatibility: false, ...options })
}

scenario('creates, fills and searches a collection', async (context) => {
  const point = { id: 1, version: 1, score: 0.9, payload: { city: 'Berlin' } }
  const one = await service(context, {
    '/collections/cities': done(true),
    '/collections/cities/points': done({ operation_id: 1, status: 'completed' }),
    '/collections/cities/points/query': done({ points: [point] }),
    '/collections/cities/points/scroll': done({ points: [point], next_page_offset: null }),
  })
  const client = open(one, { apiKey: 'secret', headers: { 'x-mine': 'kept' } })
  assert.equal(await client.createCollection('cities', { vectors: { size: 4, distance: 'Dot' } }), true)
  const vector = [0.1, 0.2, 0.3, 0.4]
  const points = Array.from({ length: 5000 }, (_, id) => ({ id, vector, payload: { city: 'Berlin' } }))
  const { status } = await client.upsert('cities', { wait: true, points })
  assert.equal(status, 'completed')
  const { points: found } = await client.query('cities', { query: vector, limit: 3 })
  assert.deepEqual(found, [point])
  assert.equal((await client.scroll('cities')).points.length, 1)
  assert.equal(await client.deleteCollection('cities'), true)
  assert.deepEqual(
    one.received.map(({ method, url }) => `${method} ${url}`),
    [
      'PUT /collections/cities',
      'PUT /collections/cities/points?wait=true',
      'POST /collections/cities/points/query',
      'POST /collections/cities/points/scroll',
      'DELETE /collections/cities',
    ],
  )
  assert.ok(one.received.every(({ headers }) => headers['api-key'] === 'secret' && headers['x-mine'] === 'kept'))
  assert.equal(JSON.parse(one.received[1].body).points.length, 5000)
})

scenario('sends many requests over few connections', async (context) => {
  const one = await service(context, { '/collections': done({ collections: [{ name: 'cities' }] }) })
  const client = open(one, { maxConnections: 3 })
  const answers = await Promise.all(Array.from({ length: 60 }, () => client.getCollections()))
  assert.ok(answers.every(({ collections }) => collections[0].name === 'cities'))
  assert.ok(one.connections() <= 3)
})

scenario('fails on an error status, a timeout and a refused connection', async (context) => {
  const one = await service(context, {
    '/collections/missing': done(null, 404),
    '/collections/silent': silent,
  })
  const missing = await failure(open(one).getCollection('missing'))
  assert.deepEqual([missing.status, missing.data.status.error], [404, 'refused'])
  const late = await failure(open(one, { timeout: 60 }).getCollection('silent'))
  assert.equal(late.name, 'QdrantClientTimeoutError')
  const refused = await failure(open({ url: `http://127.0.0.1:${await closedPort()}` }).getCollections())
  assert.match(`${refused.cause ?? refused} ${refused.cause?.code}`, /ECONNREFUSED|fetch failed/)
})
