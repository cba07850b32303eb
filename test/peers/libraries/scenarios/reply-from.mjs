import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { createGzip } from 'node:zlib'
import replyFrom from '@fastify/reply-from'
import fastify from 'fastify'
import { Agent, Client, getGlobalDispatcher, Pool, setGlobalDispatcher } from 'undici'
import { closedPort, cut, json, mirror, scenario, service, silent, until } from './harness.mjs'

const big = randomBytes(3_000_000)

/** A proxy in front of a base URL. */
async function proxy(context, options, from = () => ({})) {
  const app = fastify({ forceCloseConnections: true })
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
  await app.register(replyFrom, options)
  app.all('/*', (request, reply) => reply.from(request.url, from(request, reply)))
  context.after(() => app.close())
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), app }
}

const octets = { 'content-type': 'application/octet-stream' }

scenario('forwards methods, queries, headers and bodies', async (context) => {
  const one = await service(context, { '/mirror': mirror })
  const { url } = await proxy(context, { base: one.url })
  const get = await (await fetch(`${url}/mirror?a=b&c=d%20e`)).json()
  assert.equal(get.url, '/mirror?a=b&c=d%20e')
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const headers = { 'content-type': 'application/json', 'x-mine': 'kept' }
    const sent = await (await fetch(`${url}/mirror`, { method, headers, body: '{"a":1}' })).json()
    assert.deepEqual([sent.method, sent.body, sent.headers['x-mine']], [method, '{"a":1}', 'kept'])
    assert.equal(sent.headers.host, `127.0.0.1:${one.port}`)
    assert.equal(sent.headers['content-length'], '7')
  }
  assert.equal((await fetch(`${url}/mirror`, { method: 'HEAD' })).status, 200)
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
})

scenario('streams request and response bodies', async (context) => {
  const one = await service(context, { '/echo': (_request, response, body) => response.end(body) })
  const { url } = await proxy(context, { base: one.url })
  for (const body of [big, new Blob([big]).stream()]) {
    const response = await fetch(`${url}/echo`, { method: 'PUT', headers: octets, body, duplex: 'half' })
    assert.ok(big.equals(Buffer.from(await response.arrayBuffer())))
  }
})

scenario('forwards a compressed response unchanged', async (context) => {
  const one = await service(context, {
    '/': (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      const gzip = createGzip()
      gzip.pipe(response)
      gzip.end('hello')
    },
  })
  const { url } = await proxy(context, { base: one.url })
  assert.equal(await (await fetch(url)).text(), 'hello')
})

scenario('rewrites requests and responses', async (context) => {
  const one = await service(context, { '/mirror': mirror, '/other': mirror })
  const { url } = await proxy(context, { base: one.url }, (request) => ({
    queryString: { q: 'new' },
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, 'x-added': request.method }),
    rewriteHeaders: (headers) => ({ ...headers, 'x-answer': 'changed' }),
    onResponse: (_request, reply, response) => reply.send(response.stream),
    ...(request.url === '/other' && { body: { a: 'replaced' } }),
  }))
  const response = await fetch(`${url}/mirror?q=old`)
  assert.equal(response.headers.get('x-answer'), 'changed')
  const seen = await response.json()
  assert.deepEqual([seen.url, seen.headers['x-added']], ['/mirror?q=new', 'GET'])
  const replaced = await (await fetch(`${url}/other`, { method: 'POST', body: 'text' })).json()
  assert.equal(replaced.body, '{"a":"replaced"}')
})

scenario('retries after a 503 and after a lost connection', async (context) => {
  const one = await service(context, {
    '/busy': [json({}, 503, { 'retry-after': '0.01' }), json({ done: true })],
    '/cut': [cut, json({ done: true })],
    '/dead': cut,
  })
  const { url } = await proxy(context, { base: one.url }, ({ url }) => (url === '/cut' ? { retriesCount: 1 } : {}))
  assert.deepEqual(await (await fetch(`${url}/busy`)).json(), { done: true })
  assert.deepEqual(await (await fetch(`${url}/cut`)).json(), { done: true })
  assert.equal((await fetch(`${url}/dead`, { method: 'POST' })).status, 500)
  assert.equal(one.received.filter(({ url }) => url === '/dead').length, 1)
})

scenario('responds with 504 after a timeout, and with 500 if the connection is refused', async (context) => {
  const one = await service(context, { '/': silent, '/part': (_request, response) => response.write('part') })
  const { url } = await proxy(context, { base: one.url, undici: { headersTimeout: 60, bodyTimeout: 60 } })
  assert.equal((await fetch(url)).status, 504)
  const part = await fetch(`${url}/part`)
  await assert.rejects(part.text())
  const dead = await proxy(context, { base: `http://127.0.0.1:${await closedPort()}` })
  assert.equal((await fetch(dead.url)).status, 500)
})

scenario('aborts the upstream request when the client closes its connection', async (context) => {
  let closedCount = 0
  const one = await service(context, {
    '/slow': (_request, response) => {
      response.on('close', () => closedCount++)
      response.write('a part')
    },
  })
  const { url } = await proxy(context, { base: one.url })
  await (await fetch(`${url}/slow`)).body.cancel()
  await until(() => closedCount === 1)
})

scenario('balances over several upstreams', async (context) => {
  const services = await Promise.all([0, 1, 2].map(() => service(context, { '/mirror': mirror })))
  const { url } = await proxy(context, { base: services.map(({ url }) => url) })
  for (let i = 0; i < 30; i++) assert.equal((await fetch(`${url}/mirror`)).status, 200)
  assert.deepEqual(
    services.map(({ received }) => received.length),
    [10, 10, 10],
  )
})

scenario('accepts a dispatcher, the global dispatcher or a proxy', async (context) => {
  const one = await service(context, { '/mirror': mirror })
  for (const undici of [
    new Pool(one.url),
    new Client(one.url),
    new Agent(),
    new Agent().compose((dispatch) => dispatch),
  ]) {
    const { url } = await proxy(context, { base: one.url, undici, destroyAgent: true })
    assert.equal((await fetch(`${url}/mirror`)).status, 200)
  }
  const before = getGlobalDispatcher()
  const agent = new Agent()
  let connects = 0
  agent.on('connect', () => connects++)
  setGlobalDispatcher(agent)
  const globally = await proxy(context, { base: one.url, globalAgent: true })
  // `node:http`, as the runtime's own fetch may now be over that agent too.
  const request = http.get(`${globally.url}/mirror`, { agent: false })
  const [response] = await once(request, 'response')
  response.resume()
  assert.equal(response.statusCode, 200)
  assert.ok(connects >= 1)
  setGlobalDispatcher(before)
  let tunnels = 0
  const forward = await service(context, { '/mirror': mirror })
  forward.server.on('connect', (request, socket) => {
    tunnels++
    const to = http.request({ port: one.port, host: '127.0.0.1' }).on('error', () => {})
    to.destroy()
    assert.equal(request.url, `127.0.0.1:${one.port}`)
    import('node:net').then(({ connect }) => {
      const upstream = connect(one.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(socket).pipe(upstream)
      })
      upstream.on('error', () => socket.destroy())
      socket.on('error', () => upstream.destroy())
    })
  })
  const through = await proxy(context, { base: one.url, undici: { proxy: { uri: forward.url, proxyTunnel: true } } })
  assert.equal((await fetch(`${through.url}/mirror`)).status, 200)
  assert.equal(tunnels, 1)
})
