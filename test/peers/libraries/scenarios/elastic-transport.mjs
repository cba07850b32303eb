import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { Readable } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Diagnostic, errors, Transport, UndiciConnection, WeightedConnectionPool } from '@elastic/transport'
import { closedPort, cut, failure, json, listenTls, mirror, scenario, service, silent, tls } from './harness.mjs'

function transport(context, urls, options = {}) {
  const { agent, auth, caFingerprint, tls, ...rest } = options
  const diagnostic = new Diagnostic()
  const connectionPool = new WeightedConnectionPool({
    Connection: UndiciConnection,
    diagnostic,
    agent,
    auth,
    caFingerprint,
    tls,
  })
  for (const url of urls) connectionPool.addConnection(url)
  context.after(() => connectionPool.empty())
  return new Transport({ diagnostic, connectionPool, retryBackoff: () => 0, ...rest })
}

scenario('sends and parses JSON', async (context) => {
  const one = await service(context, { '/index/_search': mirror, '/_bulk': mirror })
  const elastic = transport(context, [one.url], { auth: { username: 'me', password: 'secret' } })
  const body = { query: { match_all: {} } }
  const seen = await elastic.request({ method: 'POST', path: '/index/_search', body, querystring: { size: 5 } })
  assert.deepEqual([seen.method, seen.url, JSON.parse(seen.body)], ['POST', '/index/_search?size=5', body])
  assert.equal(seen.headers.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`)
  const bulk = await elastic.request({ method: 'PUT', path: '/_bulk', bulkBody: [{ index: {} }, { a: 1 }] })
  assert.equal(bulk.body, '{"index":{}}\n{"a":1}\n')
  const { statusCode, headers, meta } = await elastic.request({ method: 'HEAD', path: '/_bulk' }, { meta: true })
  assert.equal(statusCode, 200)
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(meta.connection.url.href, `${one.url}/`)
})

scenario('compresses request bodies and decompresses response bodies', async (context) => {
  const one = await service(context, {
    '/': (request, response, body) => {
      assert.equal(request.headers['content-encoding'], 'gzip')
      const text = gunzipSync(body).toString()
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.end(gzipSync(text))
    },
  })
  const elastic = transport(context, [one.url], { compression: true })
  const body = { a: 'x'.repeat(100_000) }
  assert.deepEqual(await elastic.request({ method: 'POST', path: '/', body }), body)
})

scenario('streams request and response bodies', async (context) => {
  const big = randomBytes(2_000_000)
  const one = await service(context, {
    '/': (_request, response, body) => response.writeHead(200, { 'content-type': 'application/vnd.any' }).end(body),
  })
  const elastic = transport(context, [one.url])
  const answer = await elastic.request({ method: 'POST', path: '/', body: Readable.from([big]) }, { asStream: true })
  assert.ok(big.equals(Buffer.concat(await answer.toArray())))
})

scenario('fails on an error status, a timeout, an abort and a response above the size limit', async (context) => {
  const one = await service(context, {
    '/missing': json({ error: { type: 'index_not_found_exception' } }, 404),
    '/silent': silent,
    '/large': json('x'.repeat(100_000)),
  })
  const elastic = transport(context, [one.url], { maxRetries: 0 })
  const missing = await failure(elastic.request({ method: 'GET', path: '/missing' }))
  assert.ok(missing instanceof errors.ResponseError)
  assert.equal(missing.statusCode, 404)
  const late = await failure(elastic.request({ method: 'GET', path: '/silent' }, { requestTimeout: 50 }))
  assert.ok(late instanceof errors.TimeoutError, `${late.name}: ${late.message}`)
  const controller = new AbortController()
  const aborted = failure(elastic.request({ method: 'GET', path: '/silent' }, { signal: controller.signal }))
  setImmediate(() => controller.abort())
  assert.ok((await aborted) instanceof errors.RequestAbortedError)
  const large = await failure(elastic.request({ method: 'GET', path: '/large' }, { maxResponseSize: 1000 }))
  assert.ok(large instanceof errors.RequestAbortedError)
  assert.match(large.message, /content length/)
})

scenario('retries on another node if one refuses connections', async (context) => {
  const alive = await service(context, { '/': json({ alive: true }), '/cut': [cut, json({ again: true })] })
  const dead = `http://127.0.0.1:${await closedPort()}`
  const elastic = transport(context, [dead, alive.url], { maxRetries: 3 })
  for (let i = 0; i < 5; i++) assert.deepEqual(await elastic.request({ method: 'GET', path: '/' }), { alive: true })
  assert.deepEqual(await elastic.request({ method: 'POST', path: '/cut' }), { again: true })
  const alone = transport(context, [dead], { maxRetries: 0 })
  assert.ok((await failure(alone.request({ method: 'GET', path: '/' }))) instanceof errors.ConnectionError)
})

scenario('accepts Pool options, or a function that returns a Pool', async (context) => {
  const one = await service(context, { '/': json({ done: true }) })
  const agents = [
    { connections: 2, pipelining: 1, keepAliveTimeout: 1000, keepAliveMaxTimeout: 2000 },
    ({ url }) => new Pool(url.origin, { connections: 1 }),
  ]
  const { Pool } = await import('undici')
  for (const agent of agents) {
    const elastic = transport(context, [one.url], { agent })
    await Promise.all(Array.from({ length: 20 }, () => elastic.request({ method: 'GET', path: '/' })))
  }
  assert.ok(one.connections() <= 3)
})

scenario('verifies the server by a CA certificate or by its fingerprint', async (context) => {
  const one = await listenTls(context, (request, response) => json({ url: request.url })(request, response))
  const { ca } = tls()
  const get = { method: 'GET', path: '/' }
  const caFingerprint = new X509Certificate(ca).fingerprint256
  for (const options of [{ tls: { ca } }, { tls: { rejectUnauthorized: false }, caFingerprint }]) {
    const elastic = transport(context, [one.url], options)
    assert.deepEqual(await elastic.request(get), { url: '/' })
    await Promise.all(Array.from({ length: 5 }, () => elastic.request(get)))
  }
  const wrong = { tls: { rejectUnauthorized: false }, caFingerprint: caFingerprint.replace(/^../, '00'), maxRetries: 0 }
  assert.match((await failure(transport(context, [one.url], wrong).request(get))).message, /fingerprint/)
  const unknown = await failure(transport(context, [one.url], { maxRetries: 0 }).request(get))
  assert.ok(unknown instanceof errors.ConnectionError)
})
