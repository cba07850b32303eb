import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import t from 'tap'
import { Dispatcher, type DispatchHandler, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin, listen, rawOrigin } from '../servers/origin.js'
import { proxyServer, tunnel } from '../servers/proxy.js'

const ca = await authority()
const identity = await serverIdentity(ca)
const tls = { requestTls: { ca: ca.cert }, proxyTls: { ca: ca.cert } }

async function origins() {
  const plain = await httpOrigin((_request, reply) => reply.end('plain'))
  const secure = await httpsOrigin((_request, reply) => reply.end('secure'), identity)
  return { plain, secure, close: () => Promise.all([plain.close(), secure.close()]) }
}

async function get(agent: Dispatcher, origin: string): Promise<string> {
  return (await agent.request({ origin, path: '/', method: 'GET' })).body.text()
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => null,
    (error) => error,
  )
}

/** A proxy that answers each CONNECT in such words, and then is a tunnel. */
function wordy(words: string) {
  return rawOrigin((socket) => {
    socket.once('data', (chunk) => {
      const port = Number(/^CONNECT \S+:(\d+)/.exec(String(chunk))?.[1])
      const upstream = net.connect(port, '127.0.0.1', () => {
        socket.write(words)
        socket.pipe(upstream).pipe(socket)
      })
      upstream.on('error', () => {})
      socket.on('close', () => upstream.destroy())
    })
  })
}

t.test('every form of a 2xx response to CONNECT establishes a tunnel', async (t) => {
  const all = await origins()
  const yes = [
    'HTTP/1.0 200 Connection established\r\n\r\n',
    'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n',
    // RFC 9110 §9.3.6: what frames a body does not count.
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
  ]
  for (const words of yes) {
    const proxy = await wordy(words)
    const agent = new ProxyAgent({ uri: proxy.url, ...tls, proxyTunnel: true })
    t.equal(await get(agent, all.plain.url), 'plain', words)
    t.equal(await get(agent, all.secure.url), 'secure', words)
    await agent.close()
    await proxy.close()
  }
  await all.close()
})

t.test('other responses and invalid ones fail the tunnel', async (t) => {
  const all = await origins()
  const no: [string, object][] = [
    ['HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', { code: 'UND_ERR_PRX_CONN' }],
    ['HTTP/2 200\r\n\r\n', { code: 'UND_ERR_PRX_CONN' }],
    [`HTTP/1.1 200 OK\r\na: ${'x'.repeat(20_000)}\r\n\r\n`, { code: 'UND_ERR_PRX_CONN' }],
    ['HTTP/1.1 300 Which\r\ncontent-length: 0\r\n\r\n', { code: 'UND_ERR_ABORTED', statusCode: 300 }],
    ['HTTP/1.1 503 No\r\n\r\nuntil the end', { code: 'UND_ERR_ABORTED', statusCode: 503 }],
  ]
  for (const [words, expected] of no) {
    const proxy = await wordy(words)
    const agent = new ProxyAgent({ uri: proxy.url, ...tls, proxyTunnel: true })
    for (const origin of [all.plain.url, all.secure.url]) {
      t.match(await failure(get(agent, origin)), { ...expected, proxy: proxy.url, origin }, words.slice(0, 30))
    }
    while (proxy.sockets.size > 0) await new Promise(setImmediate)
    await agent.close()
    await proxy.close()
  }
  await all.close()
})

t.test('a refusal fails the tunnel even if a foreign dispatcher passes the socket', async (t) => {
  const socket = new PassThrough()
  class Eager extends Dispatcher {
    override dispatch(_options: unknown, handler: DispatchHandler): boolean {
      const controller = { abort() {}, pause() {}, resume() {} } as never
      handler.onRequestStart?.(controller, null)
      handler.onRequestUpgrade?.(controller, 407, { 'proxy-authenticate': 'Basic' }, socket)
      return true
    }
  }
  const agent = new ProxyAgent({ uri: 'http://proxy.test', proxyTunnel: true, clientFactory: () => new Eager() })
  t.match(await failure(get(agent, 'http://origin.test')), { code: 'UND_ERR_ABORTED', statusCode: 407 })
  t.ok(socket.destroyed, 'the socket is destroyed')
  await agent.destroy().catch(() => {})
})

t.test('a proxy that disconnects after 200 fails the request', async (t) => {
  const all = await origins()
  for (const way of ['end', 'destroy'] as const) {
    const proxy = await rawOrigin((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n', () => socket[way]()))
    })
    const agent = new ProxyAgent({ uri: proxy.url, ...tls, proxyTunnel: true })
    t.match(await failure(get(agent, all.plain.url)), { code: /UND_ERR_SOCKET|ECONNRESET/ }, way)
    t.match(await failure(get(agent, all.secure.url)), { code: /ECONNRESET|EPIPE/, proxy: proxy.url }, way)
    await agent.close()
    await proxy.close()
  }
  await all.close()
})

t.test('a tunnel that closes while idle fails no request', async (t) => {
  const all = await origins()
  for (const secured of [false, true]) {
    const proxy = await proxyServer(secured ? { tls: identity } : {})
    const agent = new ProxyAgent({ uri: proxy.url, ...tls, proxyTunnel: true })
    for (const origin of [all.plain.url, all.secure.url]) {
      await get(agent, origin)
      for (const socket of proxy.sockets) socket.destroy()
      t.match(await get(agent, origin), /plain|secure/, 'sent again through another tunnel')
    }
    t.equal(proxy.connects.length, 4)
    await agent.close()
    await proxy.close()
  }
  await all.close()
})

t.test('tunnels open concurrently', async (t) => {
  const all = await origins()
  const held: (() => void)[] = []
  const proxy = await proxyServer({
    onConnect: (_request, socket) => {
      held.push(() => tunnel(socket, { port: all.plain.port }))
      if (held.length === 5) for (const open of held) open()
      return true
    },
  })
  const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: true, connections: 1, pipelining: 10 })
  const hosts = ['a', 'b', 'c', 'd', 'e'].map((name) => get(agent, `http://${name}.test`))
  t.strictSame(await Promise.all(hosts), Array(5).fill('plain'))
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('a proxy may listen on a unix socket', async (t) => {
  const all = await origins()
  const server = http.createServer((request, reply) => reply.end(`forwarded ${request.url}`))
  server.on('connect', (request, socket) => tunnel(socket, { port: Number(request.url?.split(':')[1]) }))
  const path = join(tmpdir(), `sluice-proxy-${process.pid}.sock`)
  const proxy = await listen(server, { path })
  const agent = new ProxyAgent({ uri: 'http://localhost', socketPath: path, ...tls })
  t.equal(await get(agent, 'http://a.test'), 'forwarded http://a.test/')
  t.equal(await get(agent, all.secure.url), 'secure')
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('an aborted signal of proxyTls or requestTls closes the connections and fails requests', async (t) => {
  const all = await origins()
  for (const secured of [false, true]) {
    const proxy = await proxyServer(secured ? { tls: identity } : {})
    for (const which of ['proxyTls', 'requestTls'] as const) {
      const abort = new AbortController()
      const signalled = { ca: ca.cert, signal: abort.signal }
      const agent = new ProxyAgent({ uri: proxy.url, ...tls, [which]: signalled })
      t.equal(await get(agent, all.secure.url), 'secure')
      const disconnected = once(agent, 'disconnect')
      abort.abort()
      await disconnected
      t.match(await failure(get(agent, all.secure.url)), { name: 'AbortError' }, `${which}, ${secured}`)
      await agent.close()
    }
    while (proxy.sockets.size > 0) await new Promise(setImmediate)
    await proxy.close()
  }
  await all.close()
})

t.test('inspecting an agent does not show its credentials', async (t) => {
  const agent = new ProxyAgent({
    uri: 'http://user:secret@proxy.test',
    token: 'Bearer secret',
    headers: { a: 'secret' },
  })
  t.notMatch(inspect(agent, { depth: 10, showHidden: true }) + JSON.stringify(agent), /secret/)
  await agent.close()
})

for (const way of ['reports', 'throws'] as const) {
  t.test(`an error that a dispatcher of clientFactory ${way} before CONNECT is copied for each request`, async (t) => {
    const shared = new Error('shared')
    class Failing extends Dispatcher {
      override dispatch(_options: Dispatcher.DispatchOptions, handler: DispatchHandler): boolean {
        if (way === 'throws') throw shared
        queueMicrotask(() => handler.onResponseError?.({ abort() {} } as never, shared))
        return true
      }
    }
    const uri = 'http://127.0.0.1:1'
    const agent = new ProxyAgent({ uri, clientFactory: () => new Failing() as never, proxyTunnel: true })
    for (const name of ['a', 'b']) {
      const origin = `http://${name}.test`
      const error = await failure(get(agent, origin))
      t.match(error, { message: 'shared', cause: shared, origin, phase: 'connect' })
    }
    t.strictSame(Object.keys(shared), [], 'the shared error is not modified')
    await agent.destroy()
  })
}
