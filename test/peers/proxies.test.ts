import { randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { type Dispatcher, EnvHttpProxyAgent, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { haproxyOf } from '../servers/haproxy.js'
import { httpOrigin, httpsOrigin } from '../servers/origin.js'
import { freePort, missing } from '../servers/program.js'
import { squid } from '../servers/squid.js'

const skip = missing('squid') || missing('haproxy')
const big = randomBytes(2_000_000)
const credentials = `Basic ${Buffer.from('user:secret').toString('base64')}`

const echo: RequestListener = (request, reply) => {
  reply.setHeader('x-fields', Object.keys(request.headers).sort().join(' '))
  reply.setHeader('x-target', request.url as string)
  reply.setHeader('x-via', request.headers.via ?? '')
  request.pipe(reply)
}

/** Squid with a password, HAProxy with TLS in front of it, and HAProxy as a forwarding proxy. */
async function setUp() {
  const ca = await authority()
  const identity = await serverIdentity(ca)
  const plain = await httpOrigin(echo)
  const secure = await httpsOrigin(echo, identity)
  const [squidPort, tlsPort, forwardPort] = [await freePort(), await freePort(), await freePort()]
  const first = await squid(squidPort)
  const second = await haproxyOf({
    ports: [tlsPort, forwardPort],
    files: { 'proxy.pem': `${identity.cert}\n${identity.key}\n` },
    sections: [
      'frontend tls',
      `    bind 127.0.0.1:${tlsPort} ssl crt FOLDER/proxy.pem`,
      '    default_backend squid',
      'backend squid',
      `    server squid 127.0.0.1:${squidPort}`,
      'frontend forward',
      '    mode http',
      `    bind 127.0.0.1:${forwardPort}`,
      '    http-request deny deny_status 405 if METH_CONNECT',
      `    http-request deny deny_status 407 unless { req.hdr(proxy-authorization) "${credentials}" }`,
      '    http-request del-header proxy-authorization',
      '    default_backend next',
      'backend next',
      '    mode http',
      '    http-request set-dst url_ip',
      '    http-request set-dst-port url_port',
      '    server origin 0.0.0.0:0',
    ],
  })
  const uris = {
    squid: `http://user:secret@127.0.0.1:${squidPort}`,
    'squid behind TLS': `https://user:secret@localhost:${tlsPort}`,
    haproxy: `http://user:secret@127.0.0.1:${forwardPort}`,
  }
  const tls = { requestTls: { ca: ca.cert }, proxyTls: { ca: ca.cert } }
  const tearDown = async () => {
    await Promise.all([first.stop(), second.stop()])
    await Promise.all([plain.close(), secure.close()])
  }
  return { plain, secure, uris, tls, squid: first, tearDown }
}

type Peer = Awaited<ReturnType<typeof setUp>>

async function send(agent: Dispatcher, origin: string, options: object = {}) {
  const answer = await agent.request({ origin, path: '/p?q', method: 'GET', ...options })
  return { ...answer, bytes: Buffer.from(await answer.body.bytes()) }
}

async function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return promise.then(
    () => ({}),
    (error) => error,
  )
}

/** Sends requests of all kinds to one origin. */
async function converse(t: Test, agent: Dispatcher, origin: string): Promise<void> {
  const first = await send(agent, origin)
  t.equal(first.statusCode, 200)
  t.notMatch(first.headers['x-fields'], /proxy/, 'proxy headers are not forwarded to the origin')
  const up = await send(agent, origin, { method: 'POST', body: big })
  t.ok(big.equals(up.bytes), '2 MB there and back')
  const head = await send(agent, origin, { method: 'HEAD' })
  t.equal(head.statusCode, 200)
  const many = await Promise.all(
    Array.from({ length: 100 }, (_, i) => send(agent, origin, { method: 'PUT', body: `body ${i}`, path: `/${i}` })),
  )
  many.forEach(({ bytes }, i) => {
    if (String(bytes) !== `body ${i}`) t.fail(`request ${i} was answered with ${bytes}`)
  })
}

t.test('requests through Squid and HAProxy', { skip }, async (t) => {
  const peer = await setUp()
  t.teardown(peer.tearDown)
  await t.test('forwards and tunnels', (t) => everyWay(t, peer))
  await t.test('missing or wrong credentials', (t) => strangers(t, peer))
  await t.test('destinations that the proxy refuses', (t) => refusals(t, peer))
  await t.test('fetch, and proxies from environment variables', (t) => others(t, peer))
  await t.test('a proxy that stops', (t) => away(t, peer))
})

async function everyWay(t: Test, { uris, tls, plain, secure }: Peer): Promise<void> {
  for (const [name, uri] of Object.entries(uris)) {
    for (const proxyTunnel of name === 'haproxy' ? [false] : [false, true]) {
      const agent = new ProxyAgent({ uri, ...tls, proxyTunnel, connections: 10 })
      await t.test(`${name}: ${proxyTunnel ? 'tunnel' : 'forward'} to a plain origin`, async (t) => {
        await converse(t, agent, plain.url)
        const { headers } = await send(agent, plain.url)
        if (name !== 'haproxy')
          t.equal(headers['x-via'] === '', proxyTunnel, 'Squid adds a via header when it forwards')
        t.match(agent.stats[plain.url], { connected: 10, free: 10 })
      })
      if (name !== 'haproxy') {
        await t.test(`${name}: tunnel to a secure origin`, async (t) => {
          const before = secure.connections
          await converse(t, agent, secure.url)
          t.ok(secure.connections - before <= 11, 'tunnels are reused, except after a HEAD')
          t.match(agent.stats[secure.url], { connected: 10, free: 10 })
        })
      }
      await agent.close()
    }
  }
}

async function strangers(t: Test, { uris, tls, plain, secure }: Peer): Promise<void> {
  for (const [name, uri] of Object.entries(uris)) {
    for (const change of ['', 'user:wrong@']) {
      const agent = new ProxyAgent({ uri: uri.replace('user:secret@', change), ...tls })
      const proxy = uri.replace('user:secret@', '')
      const forwarded = await failure(send(agent, plain.url))
      t.match(forwarded, { code: 'UND_ERR_INVALID_ARG', statusCode: 407, proxy, origin: plain.url }, name)
      const tunnelled = await failure(send(agent, secure.url))
      const statusCode = name === 'haproxy' ? 405 : 407
      t.match(tunnelled, { code: 'UND_ERR_ABORTED', statusCode, proxy, origin: secure.url }, name)
      t.notMatch(JSON.stringify([forwarded, tunnelled, String(forwarded), String(tunnelled)]), /wrong|dXNlcjp/)
      await agent.close()
    }
  }
}

async function refusals(t: Test, { uris, tls, secure }: Peer): Promise<void> {
  for (const uri of [uris.squid, uris['squid behind TLS']]) {
    const agent = new ProxyAgent({ uri, ...tls })
    t.equal((await send(agent, 'http://forbidden.test')).statusCode, 403)
    t.match(await failure(send(agent, 'https://forbidden.test')), { statusCode: 403, origin: 'https://forbidden.test' })
    t.equal((await send(agent, 'http://127.0.0.1:1')).statusCode, 503)
    t.match(await failure(send(agent, 'https://127.0.0.1:1')), { statusCode: 503, code: 'UND_ERR_ABORTED' })
    t.equal((await send(agent, secure.url)).statusCode, 200, 'the next request completes')
    await agent.close()
  }
  const { proxyTls } = tls
  const distrustful = new ProxyAgent({ uri: uris['squid behind TLS'], proxyTls })
  t.match(await failure(send(distrustful, secure.url)), { code: /UNABLE_TO_VERIFY|SELF_SIGNED/ })
  await distrustful.close()
  const stranger = new ProxyAgent({ uri: uris['squid behind TLS'] })
  t.match(await failure(send(stranger, secure.url)), { code: 'UND_ERR_PRX_TLS' })
  await stranger.close()
}

async function others(t: Test, { uris, tls, plain, secure }: Peer): Promise<void> {
  const agent = new ProxyAgent({ uri: uris['squid behind TLS'], ...tls })
  for (const { url } of [plain, secure]) {
    const answer = await fetch(url, { dispatcher: agent, method: 'POST', body: 'fetched' } as unknown as RequestInit)
    t.equal(await answer.text(), 'fetched')
  }
  await agent.close()
  const options = {
    httpProxy: uris.haproxy,
    httpsProxy: uris.squid,
    noProxy: 'localhost',
    ...tls,
    connect: tls.requestTls,
  }
  const environment = new EnvHttpProxyAgent(options)
  t.equal(
    (await send(environment, plain.url)).headers['x-target'],
    `${plain.url}/p?q`,
    'HAProxy forwards the target unchanged',
  )
  t.equal((await send(environment, secure.url)).headers['x-target'], '/p?q')
  for (const origin of [`http://localhost:${plain.port}`, `https://localhost:${secure.port}`]) {
    t.equal((await send(environment, origin)).headers['x-target'], '/p?q')
  }
  await environment.close()
}

/** Stops the proxy. Must be the last test. */
async function away(t: Test, { uris, tls, plain, secure, squid }: Peer): Promise<void> {
  const agent = new ProxyAgent({ uri: uris.squid, ...tls })
  const behind = new ProxyAgent({ uri: uris['squid behind TLS'], ...tls })
  for (const { url } of [plain, secure]) await send(agent, url)
  await send(behind, secure.url)
  await squid.stop()
  for (const { url } of [plain, secure]) {
    t.match(await failure(send(agent, url)), { code: 'ECONNREFUSED', proxy: uris.squid.replace('user:secret@', '') })
  }
  t.match(await failure(send(behind, secure.url)), { code: 'UND_ERR_PRX_CONN', origin: secure.url })
  await Promise.all([agent.close(), behind.close()])
}
