import { randomBytes } from 'node:crypto'
import replyFrom from '@fastify/reply-from'
import fastify from 'fastify'
import t from 'tap'
import { Agent, BalancedPool, type Dispatcher, Pool } from '../../../lib/index.js'
import { freePort } from '../../servers/program.js'
import { type Answer, carry, cut, json, service } from './service.js'

const big = randomBytes(4_000_000)

const mirror: Answer = (request, reply, body) => {
  const { method, url, headers } = request
  json({ method, url, headers, body: body.toString('latin1') })(request, reply, body)
}

function start() {
  return service({
    '/mirror': mirror,
    '/big': (_request, reply) => void reply.writeHead(200, { 'x-kind': 'big', 'content-length': big.length }).end(big),
    '/size': (_request, reply, body) => void reply.end(String(body.length)),
    '/gone': (_request, reply) => void reply.writeHead(204).end(),
    '/moved': (_request, reply) => void reply.writeHead(302, { location: '/mirror' }).end(),
    '/busy': [json({}, 503, { 'retry-after': '0.01' }), json({ done: true })],
    '/cut': [cut, json({ done: true })],
    '/dead': cut,
    '/slow': (_request, reply) => void reply.write('a part'),
  })
}

/** Starts a proxy that sends all requests through the given dispatcher. */
async function proxy(
  base: string | string[],
  dispatcher: Dispatcher,
): Promise<{ url: string; close(): Promise<void> }> {
  // A connection that was opened and never used would prevent it from closing.
  const app = fastify({ forceCloseConnections: true })
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
  await app.register(replyFrom, { base: base as string, undici: dispatcher as never })
  app.all('/*', (request, reply) => void reply.from(request.url, request.url === '/cut' ? { retriesCount: 1 } : {}))
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
}

for (const [kind, open] of Object.entries({
  'a Pool': (url: string) => new Pool(url, { connections: 4 }),
  'an Agent': () => new Agent({ connections: 4 }),
  'a BalancedPool': (url: string) => new BalancedPool(url, { connections: 4 }),
})) {
  t.test(`@fastify/reply-from over ${kind}`, async (t) => {
    const one = await start()
    await carry(t, { service: one, dispatcher: open(one.url), most: 8 }, async (dispatcher) => {
      const front = await proxy(one.url, dispatcher)
      const ask = (path: string, init?: RequestInit) => fetch(front.url + path, init)

      t.match(await (await ask('/mirror?a=b')).json(), { method: 'GET', url: '/mirror?a=b' })
      const body = JSON.stringify({ a: 1 })
      const headers = { 'content-type': 'application/json', 'x-mine': 'kept' }
      const posted = await (await ask('/mirror', { method: 'POST', body, headers })).json()
      t.match(posted, { method: 'POST', headers: { ...headers, host: new URL(one.url).host }, body })
      const octets = { 'content-type': 'application/octet-stream' }
      t.equal(await (await ask('/size', { method: 'PUT', body: big, headers: octets })).text(), String(big.length))
      const stream = new Blob([big]).stream()
      const init = { method: 'PUT', body: stream, headers: octets, duplex: 'half' } as RequestInit
      t.equal(await (await ask('/size', init)).text(), String(big.length))

      const download = await ask('/big')
      t.equal(download.headers.get('x-kind'), 'big')
      t.ok(big.equals(Buffer.from(await download.arrayBuffer())))
      t.equal((await ask('/big', { method: 'HEAD' })).headers.get('content-length'), String(big.length))
      t.equal((await ask('/gone')).status, 204)
      t.equal((await ask('/moved', { redirect: 'manual' })).headers.get('location'), '/mirror')
      t.equal((await ask('/nowhere')).status, 404)
      await Promise.all(Array.from({ length: 40 }, async () => (await ask('/mirror')).text()))

      t.strictSame(await (await ask('/busy')).json(), { done: true }, 'after a 503')
      t.strictSame(await (await ask('/cut')).json(), { done: true }, 'after a lost connection')
      t.ok((await ask('/dead', { method: 'POST' })).status >= 500)

      const lost = one.lost('/slow')
      await (await ask('/slow')).body?.cancel()
      await lost
      await front.close()
    })
  })
}

t.test('@fastify/reply-from over a BalancedPool of three', async (t) => {
  const upstreams = await Promise.all([start(), start(), start()])
  const urls = upstreams.map(({ url }) => url)
  const pool = new BalancedPool(urls, { connections: 2 })
  const front = await proxy(urls, pool)
  for (let i = 0; i < 30; i++) t.equal((await fetch(`${front.url}/mirror`)).status, 200)
  t.strictSame(
    upstreams.map(({ received }) => received.length),
    [10, 10, 10],
  )
  await front.close()
  await pool.close()
  await Promise.all(upstreams.map((one) => one.close()))
})

t.test('@fastify/reply-from reports a refused connection', async (t) => {
  const dead = `http://127.0.0.1:${await freePort()}`
  const pool = new Pool(dead)
  const front = await proxy(dead, pool)
  t.equal((await fetch(front.url)).status, 500)
  await front.close()
  await pool.close()
})
