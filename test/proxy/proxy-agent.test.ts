import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { Agent, Client, type Dispatcher, errors, Pool, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { proxyServer, tunnel } from '../servers/proxy.js'
import { Recorder, refusal } from '../servers/recorder.js'

const ca = await authority()
const identity = await serverIdentity(ca)
const requestTls = { ca: ca.cert }
const proxyTls = { ca: ca.cert }

/** Two origins that respond with the request they received. */
async function origins() {
  const echo = (request: import('node:http').IncomingMessage, reply: import('node:http').ServerResponse) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      reply.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }))
    })
  }
  const plain = await httpOrigin(echo)
  const secure = await httpsOrigin(echo, identity)
  const close = () => Promise.all([plain.close(), secure.close()])
  return { plain, secure: { ...secure, url: `https://localhost:${secure.port}` }, close }
}

interface EchoedRequest {
  method: string
  url: string
  headers: Record<string, string>
  body: string
}

async function ask(agent: Dispatcher, url: string, options: object = {}): Promise<EchoedRequest> {
  const { origin, pathname, search } = new URL(url)
  const { body } = await agent.request({ origin, path: pathname + search, method: 'GET', ...options })
  return (await body.json()) as EchoedRequest
}

async function failure(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('it did not fail')
}

const idle = (proxy: { sockets: ReadonlySet<unknown> }) => async () => {
  while (proxy.sockets.size > 0) await new Promise(setImmediate)
}

t.test('the proxy is given as string, URL or object', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  for (const options of [proxy.url, new URL(proxy.url), { uri: proxy.url }, { uri: new URL(proxy.url) }]) {
    const agent = new ProxyAgent(options)
    t.equal((await ask(agent, `${all.plain.url}/a?b=c`)).url, '/a?b=c')
    await agent.close()
  }
  t.equal(proxy.forwards.length, 4)
  await Promise.all([proxy.close(), all.close()])
})

t.test('a request to an http: origin is sent in absolute form', async (t) => {
  const all = await origins()
  const proxy = await proxyServer({ authorization: 'Bearer x' })
  const agent = new ProxyAgent({
    uri: proxy.url,
    token: 'Bearer x',
    headers: { 'X-For-Proxy': '1', 'x-both': 'proxy' },
  })
  const headers = { 'X-Both': 'own', 'x-own': '2' }
  const echo = await ask(agent, `${all.plain.url}/a?b=c`, { method: 'POST', body: 'hello', headers })
  t.match(echo, { method: 'POST', url: '/a?b=c', body: 'hello', headers: { 'x-both': 'own', 'x-own': '2' } })
  const [forwarded] = proxy.forwards
  t.equal(forwarded?.target, `${all.plain.url}/a?b=c`)
  t.match(forwarded?.headers, {
    host: new URL(all.plain.url).host,
    'x-for-proxy': '1',
    'proxy-authorization': 'Bearer x',
  })
  t.notOk('proxy-authorization' in echo.headers)

  await ask(agent, all.plain.url, { headers: ['Host', 'other.example'] })
  t.equal(proxy.forwards[1]?.headers.host, 'other.example')
  await ask(agent, all.plain.url, { path: '/q', query: { a: [1, 2] } })
  t.equal(proxy.forwards[2]?.target, `${all.plain.url}/q?a=1&a=2`)
  await ask(agent, all.plain.url, { path: `${all.plain.url}/whole` })
  t.equal(proxy.forwards[3]?.target, `${all.plain.url}/whole`)
  await ask(agent, 'http://127.0.0.1:80', { origin: all.plain.url, path: '*', method: 'OPTIONS' })
  t.equal(proxy.forwards[4]?.target, all.plain.url)
  t.equal(proxy.connections, 1, 'reuses one connection')
  t.equal(proxy.connects.length, 0)
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('an absolute target with another origin is rejected', async (t) => {
  const agent = new ProxyAgent('http://127.0.0.1:1')
  const origin = 'http://a.test'
  for (const path of ['http://b.test/', 'https://a.test/', 'http://a.test:81/', 'http://u:p@a.test/', 'x', 'http://']) {
    await t.rejects(agent.request({ origin, path, method: 'GET' }), errors.InvalidArgumentError, path)
  }
  await t.rejects(agent.connect({ origin, path: 'b.test:443' }), {
    code: 'UND_ERR_INVALID_ARG',
    message: /proxyTunnel/,
  })
  await t.rejects(agent.request({ origin: 'ftp://a.test', path: '/', method: 'GET' }), errors.InvalidArgumentError)
  await t.rejects(agent.request({ path: '/', method: 'GET' }), errors.InvalidArgumentError)
  await agent.close()
})

t.test('a request to an https: origin is sent through a tunnel', async (t) => {
  const all = await origins()
  const proxy = await proxyServer({ authorization: 'Basic dTpw' })
  const agent = new ProxyAgent({
    uri: proxy.url,
    auth: 'dTpw',
    requestTls,
    headers: { 'x-for-proxy': '1', host: 'no' },
  })
  for (let i = 0; i < 3; i++) {
    const echo = await ask(agent, `${all.secure.url}/a`, { headers: { 'x-own': '2' } })
    t.match(echo, { url: '/a', headers: { host: `localhost:${all.secure.port}`, 'x-own': '2' } })
    for (const name of ['proxy-authorization', 'proxy-connection', 'x-for-proxy']) t.notOk(name in echo.headers, name)
  }
  t.equal(proxy.connects.length, 1, 'the tunnel is kept')
  const authority = `localhost:${all.secure.port}`
  t.equal(proxy.connects[0]?.target, authority)
  t.match(proxy.connects[0]?.headers, {
    host: authority,
    'x-for-proxy': '1',
    'proxy-authorization': 'Basic dTpw',
    'proxy-connection': 'keep-alive',
    'x-own': undefined,
  })
  t.match(agent.stats[all.secure.url], { connected: 1, free: 1 })
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('proxyTunnel opens a tunnel to an http: origin', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: true, connections: 0 })
  const echoes = await Promise.all(
    [1, 2, 3].map((i) => ask(agent, `${all.plain.url}/${i}`, { method: 'PUT', body: 'x'.repeat(9) })),
  )
  t.strictSame(
    echoes.map(({ url }) => url),
    ['/1', '/2', '/3'],
  )
  t.equal(proxy.connects.length, 3)
  t.notOk('proxy-connection' in (proxy.connects[0]?.headers ?? {}), 'no proxy-connection header with connections: 0')
  await ask(agent, all.plain.url)
  t.equal(proxy.connects.length, 3, 'tunnels are reused')
  t.match(agent.stats[all.plain.url], { connected: 3, free: 3 })
  t.equal(proxy.forwards.length, 0)
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('a proxy over TLS supports forwarding, tunnels and TLS in TLS', async (t) => {
  const all = await origins()
  const proxy = await proxyServer({ tls: identity })
  for (const proxyTunnel of [false, true]) {
    const agent = new ProxyAgent({ uri: `https://u:p@localhost:${proxy.port}`, proxyTls, requestTls, proxyTunnel })
    t.equal((await ask(agent, `${all.plain.url}/plain`)).url, '/plain')
    const body = 'x'.repeat(300_000)
    t.equal((await ask(agent, `${all.secure.url}/secure`, { method: 'POST', body })).body, body)
    t.equal((await ask(agent, `${all.secure.url}/again`)).url, '/again')
    await agent.close()
  }
  t.strictSame(
    [...proxy.forwards, ...proxy.connects].map(({ method }) => method),
    ['GET', 'CONNECT', 'CONNECT', 'CONNECT'],
  )
  for (const { headers } of [...proxy.forwards, ...proxy.connects])
    t.equal(headers['proxy-authorization'], 'Basic dTpw')
  await Promise.all([proxy.close(), all.close()])
})

t.test('the TLS server names are those of the proxy and of the origin', async (t) => {
  const names: (string | false | null)[] = []
  const all = await origins()
  const proxy = await proxyServer({
    tls: identity,
    onConnect: (request) => {
      names.push((request.socket as import('node:tls').TLSSocket & { servername: string }).servername)
      return false
    },
  })
  const agent = new ProxyAgent({ uri: proxy.url, proxyTls: { ...proxyTls, servername: 'localhost' }, requestTls })
  await ask(agent, all.secure.url)
  t.strictSame(names, ['localhost'])
  const wrong = new ProxyAgent({ uri: proxy.url, proxyTls: { ...proxyTls, servername: 'other.test' }, requestTls })
  const error = await failure(ask(wrong, all.secure.url))
  t.ok(error instanceof errors.SecureProxyConnectionError)
  t.match(error, { code: 'UND_ERR_PRX_TLS', proxy: proxy.url, cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } })
  await Promise.all([agent.close(), wrong.close()])
  await Promise.all([proxy.close(), all.close()])
})

t.test('failed TLS to the proxy and to the origin has different errors', async (t) => {
  const all = await origins()
  const proxy = await proxyServer({ tls: identity })
  const stranger = new ProxyAgent({ uri: proxy.url })
  for (const origin of [all.plain.url, all.secure.url]) {
    const error = await failure(ask(stranger, origin))
    t.match(error, { code: 'UND_ERR_PRX_TLS', name: 'SecureProxyConnectionError', cause: Error, proxy: proxy.url })
  }
  await stranger.close()
  const plain = await proxyServer()
  const confused = new ProxyAgent({ uri: `https://localhost:${plain.port}` })
  t.match(await failure(ask(confused, all.secure.url)), { code: 'UND_ERR_PRX_TLS' })
  await confused.close()
  const distrustful = new ProxyAgent({ uri: plain.url })
  const error = await failure(ask(distrustful, all.secure.url))
  t.match(error, { code: /SELF_SIGNED|UNABLE_TO/, proxy: plain.url, origin: all.secure.url, phase: 'connect' })
  await distrustful.close()
  await idle(plain)()
  await idle(proxy)()
  await Promise.all([plain.close(), proxy.close(), all.close()])
})

t.test('proxies and origins may be IPv6 addresses', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const agent = new ProxyAgent({ uri: proxy.url, requestTls: { ...requestTls, servername: 'localhost' } })
  await ask(agent, `http://[::1]:${all.plain.port}/six`)
  await ask(agent, `https://[::1]:${all.secure.port}/six`)
  t.equal(proxy.forwards[0]?.target, `http://[::1]:${all.plain.port}/six`)
  t.equal(proxy.forwards[0]?.headers.host, `[::1]:${all.plain.port}`)
  t.equal(proxy.connects[0]?.target, `[::1]:${all.secure.port}`)
  t.equal(proxy.connects[0]?.headers.host, `[::1]:${all.secure.port}`)
  const to = await proxyServer({ onConnect: (_request, socket) => socket.end('HTTP/1.1 500 No\r\n\r\n') !== null })
  const ports = new ProxyAgent({ uri: to.url, proxyTunnel: true })
  await failure(ask(ports, 'http://a.test/'))
  await failure(ask(ports, 'https://a.test/'))
  t.strictSame(
    to.connects.map(({ target }) => target),
    ['a.test:80', 'a.test:443'],
    'CONNECT always has a port',
  )
  await Promise.all([agent.close(), ports.close()])
  await Promise.all([proxy.close(), to.close(), all.close()])
})

t.test('credentials are taken from token, auth or uri, in this order', async (t) => {
  const proxy = await proxyServer({ onConnect: (_request, socket) => socket.end('HTTP/1.1 500 No\r\n\r\n') !== null })
  const { port } = proxy
  const uri = `http://us%20er:p%40%C3%A9@127.0.0.1:${port}`
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const cases: [object | string, string | undefined][] = [
    [uri, basic('us er:p@é')],
    [`http://user@127.0.0.1:${port}`, basic('user:')],
    [{ uri, auth: 'abc=' }, 'Basic abc='],
    [{ uri, token: 'Bearer t' }, 'Bearer t'],
    [{ uri, headers: { 'Proxy-Authorization': 'x' } }, basic('us er:p@é')],
    [{ uri: proxy.url, headers: { 'Proxy-Authorization': 'x' } }, 'x'],
    [proxy.url, undefined],
  ]
  for (const [index, [options, expected]] of cases.entries()) {
    const agent = new ProxyAgent(options as string)
    await failure(ask(agent, 'https://a.test'))
    t.equal(proxy.connects[index]?.headers['proxy-authorization'], expected)
    await agent.close()
  }
  await proxy.close()
})

t.test('a request with the header proxy-authorization is rejected', async (t) => {
  const agent = new ProxyAgent('http://127.0.0.1:1')
  const name = 'Proxy-Authorization'
  for (const headers of [{ [name]: 'x' }, [name, 'x'], new Map([[name, 'x']]), new Headers({ [name]: 'x' })]) {
    const options = { origin: 'http://a.test', path: '/', method: 'GET', headers: headers as Record<string, string> }
    t.match(refusal(agent, options), { code: 'UND_ERR_INVALID_ARG' })
    await t.rejects(agent.request(options), { code: 'UND_ERR_INVALID_ARG' })
  }
  await agent.close()
})

t.test('a refused tunnel fails the request with status and headers of the proxy', async (t) => {
  const all = await origins()
  for (const statusCode of [407, 502, 302, 400]) {
    const proxy = await proxyServer({
      onConnect: (_, socket) =>
        socket.end(`HTTP/1.1 ${statusCode} No\r\nx-why: 1\r\ncontent-length: 2\r\n\r\nno`) !== null,
    })
    const agent = new ProxyAgent({ uri: `http://user:secret@127.0.0.1:${proxy.port}`, requestTls })
    const error = await failure(ask(agent, all.secure.url))
    t.ok(error instanceof errors.RequestAbortedError)
    t.match(error, {
      code: 'UND_ERR_ABORTED',
      message: new RegExp(`^Proxy response \\(${statusCode}\\) !== 200 when HTTP Tunneling`),
      statusCode,
      headers: { 'x-why': '1' },
      proxy: proxy.url,
      origin: all.secure.url,
      phase: 'connect',
    })
    t.notMatch(JSON.stringify([error, error.message, error.stack]), /secret|dXNlcjpzZWNyZXQ/)
    await idle(proxy)()
    while (Object.keys(agent.stats).length > 0) await new Promise(setImmediate)
    await agent.close()
    await proxy.close()
  }
  await all.close()
})

t.test('a refused tunnel fails each request that was queued for it', async (t) => {
  const proxy = await proxyServer({ authorization: 'x' })
  const agent = new ProxyAgent({ uri: proxy.url, factory: (origin, options) => new Client(origin, options) })
  const errors = await Promise.all([1, 2, 3].map(() => failure(ask(agent, 'https://a.test'))))
  for (const error of errors) t.match(error, { statusCode: 407, proxy: proxy.url, code: 'UND_ERR_ABORTED' })
  t.equal(new Set(errors).size, 3)
  t.equal(proxy.connects.length, 1)
  await agent.close()
  await proxy.close()
})

t.test('a 407 for a forwarded request fails it with InvalidArgumentError', async (t) => {
  const all = await origins()
  const proxy = await proxyServer({ authorization: 'Bearer right' })
  const agent = new ProxyAgent({ uri: proxy.url, token: 'Bearer wrong' })
  const error = await failure(ask(agent, `${all.plain.url}/a`))
  t.match(error, {
    code: 'UND_ERR_INVALID_ARG',
    message: /^Proxy Authentication Required \(407\)/,
    statusCode: 407,
    headers: { 'proxy-authenticate': 'Basic realm="test"' },
    proxy: proxy.url,
    origin: all.plain.url,
  })
  t.notMatch(JSON.stringify([error, error.message]), /wrong/)
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('other status codes of a forwarding proxy are responses', async (t) => {
  const proxy = await proxyServer()
  const agent = new ProxyAgent(proxy.url)
  const { statusCode, body } = await agent.request({ origin: 'http://127.0.0.1:1', path: '/', method: 'GET' })
  t.equal(statusCode, 502)
  await body.dump()
  await agent.close()
  await proxy.close()
})

t.test('a proxy that is unreachable or disconnects fails the request', async (t) => {
  const away = new ProxyAgent({ uri: 'http://127.0.0.1:1' })
  t.match(await failure(ask(away, 'https://a.test')), {
    code: 'ECONNREFUSED',
    proxy: 'http://127.0.0.1:1',
    origin: 'https://a.test',
    method: 'GET',
    path: '/',
  })
  t.match(await failure(ask(away, 'http://a.test/x')), { code: 'ECONNREFUSED', origin: 'http://a.test', path: '/x' })
  await away.close()
  for (const end of [
    (socket: Duplex) => socket.end(),
    (socket: Duplex) => socket.destroy(),
    (s: Duplex) => s.end('HTTP/1.'),
  ]) {
    const proxy = await proxyServer({ onConnect: (_, socket) => end(socket) !== null })
    const agent = new ProxyAgent(proxy.url)
    const error = await failure(ask(agent, 'https://a.test'))
    t.ok(error instanceof errors.ProxyConnectionError)
    t.match(error, { code: 'UND_ERR_PRX_CONN', cause: Error, proxy: proxy.url, origin: 'https://a.test' })
    await agent.close()
    await proxy.close()
  }
  const garbage = await rawOrigin((socket) => socket.on('data', () => socket.write('SSH-2.0-x\r\n')))
  const agent = new ProxyAgent(garbage.url)
  t.match(await failure(ask(agent, 'https://a.test')), { code: 'UND_ERR_PRX_CONN', cause: errors.HTTPParserError })
  await agent.close()
  await garbage.close()
})

t.test('a proxy that dies during the TLS handshake with the origin', async (t) => {
  const proxy = await proxyServer({
    onConnect: (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.once('data', () => socket.destroy())
      return true
    },
  })
  const agent = new ProxyAgent(proxy.url)
  const error = await failure(ask(agent, 'https://a.test'))
  t.match(error, { code: 'ECONNRESET', proxy: proxy.url, origin: 'https://a.test', phase: 'connect' })
  await idle(proxy)()
  await agent.close()
  await proxy.close()
})

t.test('bytes after the response to CONNECT belong to the tunnel', async (t) => {
  const all = await origins()
  // A server that speaks first: to a secure origin these are the first bytes of its handshake, and wrong ones.
  const proxy = await proxyServer({
    onConnect: (_, socket) => {
      tunnel(socket, { port: all.secure.port, greeting: 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil' })
      return true
    },
  })
  const agent = new ProxyAgent({ uri: proxy.url, requestTls, proxyTunnel: true })
  t.match(await failure(ask(agent, all.secure.url)), { code: /ERR_SSL|EPROTO/ })
  const error = await failure(ask(agent, all.plain.url))
  t.match(error, { code: /HPE_|UND_ERR_SOCKET/ }, "an answer without a request is nobody's")
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('connectTimeout covers the connection to the proxy, CONNECT and TLS', async (t) => {
  const silent = await rawOrigin((socket) => socket.resume())
  const mute = await proxyServer({ onConnect: (_, socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n') })
  const cases: [string, object][] = [
    [silent.url, { connectTimeout: 40 }],
    [silent.url.replace('http:', 'https:'), { connectTimeout: 40 }],
    [silent.url, { proxyTls: { timeout: 40 }, connectTimeout: 60_000 }],
    [mute.url, { connectTimeout: 40 }],
    [mute.url, { requestTls: { timeout: 40 } }],
  ]
  for (const [uri, options] of cases) {
    const agent = new ProxyAgent({ uri, ...options })
    const error = await failure(ask(agent, 'https://a.test'))
    t.match(error, { code: 'UND_ERR_CONNECT_TIMEOUT', proxy: uri, origin: 'https://a.test' }, JSON.stringify(options))
    await agent.close()
  }
  await idle(silent)()
  await idle(mute)()
  await Promise.all([silent.close(), mute.close()])
})

t.test('an abort while the tunnel opens fails the request', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const agent = new ProxyAgent({ uri: proxy.url, requestTls })
  const abort = new AbortController()
  const request = ask(agent, all.secure.url, { signal: abort.signal })
  abort.abort()
  t.match(await failure(request), { name: 'AbortError' })
  t.equal((await ask(agent, `${all.secure.url}/next`)).url, '/next')
  await agent.close()
  await idle(proxy)()
  await Promise.all([proxy.close(), all.close()])
})

t.test('close() lets requests complete, and closes all connections', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const agent = new ProxyAgent({ uri: proxy.url, requestTls })
  const responses = [all.plain.url, all.secure.url, all.secure.url].map((url) => ask(agent, url))
  t.equal(agent.closed, false)
  const closed = agent.close()
  t.equal(agent.closed, true)
  t.equal((await Promise.all(responses)).length, 3)
  await closed
  t.equal(agent.destroyed, true)
  await idle(proxy)()
  t.match(await failure(ask(agent, all.plain.url)), { code: 'UND_ERR_DESTROYED' })
  await Promise.all([proxy.close(), all.close()])
})

t.test('destroy() closes tunnels that are established, opening or in the TLS handshake', async (t) => {
  const all = await origins()
  const silent = await rawOrigin((socket) => socket.resume())
  const mute = await proxyServer({ onConnect: (_, socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n') })
  const proxy = await proxyServer()
  for (const peer of [silent, mute, proxy]) {
    const agent = new ProxyAgent({ uri: peer.url, requestTls })
    if (peer === proxy) await ask(agent, all.secure.url)
    const failed = failure(ask(agent, all.secure.url, { path: '/x' }))
    if (peer !== proxy) while (peer.sockets.size === 0) await new Promise(setImmediate)
    if (peer === mute) while (mute.connects.length === 0) await new Promise(setImmediate)
    const reason = new Error('enough')
    await agent.destroy(reason)
    t.equal(await failed, reason)
    await idle(peer)()
  }
  // An aborted request must not delay close().
  const agent = new ProxyAgent(silent.url)
  const abort = new AbortController()
  const failed = failure(ask(agent, 'https://a.test', { signal: abort.signal }))
  while (silent.sockets.size === 0) await new Promise(setImmediate)
  abort.abort()
  await failed
  await agent.close()
  await idle(silent)()
  await Promise.all([silent.close(), mute.close(), proxy.close(), all.close()])
})

t.test('clientFactory and factory create the dispatchers', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const calls: string[] = []
  const agent = new ProxyAgent({
    uri: `http://u:p@127.0.0.1:${proxy.port}`,
    requestTls,
    keepAliveTimeout: 1000,
    clientFactory(origin, options) {
      calls.push(`client ${origin.href} ${(options as { keepAliveTimeout: number }).keepAliveTimeout}`)
      return new Pool(origin, options)
    },
  })
  await ask(agent, all.secure.url)
  await ask(agent, all.plain.url)
  t.strictSame(calls, Array(2).fill(`client ${proxy.url}/ 1000`), 'called for tunnels and for forwarded requests')
  await agent.close()
  calls.length = 0
  const other = new ProxyAgent({
    uri: proxy.url,
    requestTls,
    factory(origin, options) {
      calls.push(String(origin))
      return new Pool(origin, options)
    },
  })
  await ask(other, all.secure.url)
  await ask(other, all.plain.url)
  t.strictSame(calls, [`${all.secure.url}/`, `${proxy.url}/`])
  await other.close()
  t.throws(() => new ProxyAgent({ uri: proxy.url, clientFactory: () => null as never }), errors.InvalidArgumentError)
  await Promise.all([proxy.close(), all.close()])
})

t.test('a clientFactory may return a composed dispatcher', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const agent = new ProxyAgent({
    uri: proxy.url,
    requestTls,
    proxyTunnel: true,
    clientFactory: (origin) =>
      new Agent().compose((dispatch) => (options, handler) => dispatch({ ...options, origin }, handler)),
  })
  t.equal((await ask(agent, `${all.plain.url}/a`)).url, '/a')
  t.equal((await ask(agent, `${all.secure.url}/b`)).url, '/b')
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('emits the events of its dispatchers, and reports them busy', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  for (const origin of [all.plain.url, all.secure.url]) {
    const agent = new ProxyAgent({ uri: proxy.url, requestTls, connections: 1 })
    const events: string[] = []
    agent.on('drain', (url) => events.push(`drain ${url.origin}`))
    agent.on('connect', (url, targets) => events.push(`connect ${url.origin} ${targets[0] === agent}`))
    agent.on('disconnect', (url, targets) => events.push(`disconnect ${url.origin} ${targets[0] === agent}`))
    agent.on('connectionError', (url, targets) => events.push(`connectionError ${url.origin} ${targets[0] === agent}`))
    const drained = once(agent, 'drain')
    const recorder = new Recorder()
    t.equal(agent.dispatch({ origin, path: '/', method: 'GET' }, recorder), false)
    await recorder.ended
    await drained
    t.equal(recorder.statusCode, 200)
    await agent.close()
    t.strictSame(events, [`connect ${origin} true`, `drain ${origin}`, `disconnect ${origin} true`])
  }
  const agent = new ProxyAgent('http://127.0.0.1:1')
  const failed = once(agent, 'connectionError')
  await failure(ask(agent, 'https://a.test'))
  const [url, targets, error] = await failed
  t.equal((url as URL).href, 'https://a.test/')
  t.equal(targets[0], agent)
  t.match(error, { code: 'ECONNREFUSED' })
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('upgrades work through a tunnel and forwarded', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, () => socket.write('HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nrest'))
  })
  const proxy = await proxyServer()
  const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: true })
  const { socket } = await agent.upgrade({ origin: origin.url, path: '/', protocol: 'x' })
  const [chunk] = await once(socket, 'data')
  t.equal(String(chunk), 'rest')
  socket.destroy()
  const forwarding = new ProxyAgent(origin.url)
  const second = await forwarding.upgrade({ origin: 'http://a.test', path: '/', protocol: 'x' })
  t.equal(String((await once(second.socket, 'data'))[0]), 'rest')
  second.socket.destroy()
  await Promise.all([agent.close(), forwarding.close()])
  await Promise.all([proxy.close(), origin.close()])
})

t.test('modern and legacy handlers and fetch work', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  const agent = new ProxyAgent({ uri: proxy.url, requestTls })
  for (const url of [all.plain.url, all.secure.url]) {
    const answer = await fetch(`${url}/f`, { dispatcher: agent, method: 'POST', body: 'b' } as unknown as RequestInit)
    t.match(await answer.json(), { url: '/f', body: 'b' })
  }
  t.equal(proxy.forwards.length + proxy.connects.length, 2)
  await agent.close()
  await Promise.all([proxy.close(), all.close()])
})

t.test('bodies of all kinds, their errors, and early responses work', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) =>
      socket.write(`HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n${response(head.split(' ')[1] as string)}`),
    )
  })
  const agent = new ProxyAgent(origin.url)
  const infos: number[] = []
  const { body } = await agent.request({
    origin: 'http://a.test',
    path: '/p',
    method: 'GET',
    onInfo: ({ statusCode }) => infos.push(statusCode),
  })
  t.equal(await body.text(), 'http://a.test/p')
  t.strictSame(infos, [103])
  await agent.close()
  await origin.close()
})

t.test('rejects invalid options', async (t) => {
  const uri = 'http://user:secret@proxy.test:3128'
  const bad: unknown[] = [
    undefined,
    null,
    '',
    {},
    5,
    { uri: '' },
    { uri: 5 },
    'no url with secret in it',
    'localhost:8000',
    { uri: 'ftp://user:secret@x' },
    `${uri}/path`,
    `${uri}?query`,
    'http://%ff:secret@x',
    { uri, auth: 'a', token: 'secret' },
    { uri, token: 5 },
    { uri, token: 'secret\r\nx: y' },
    { uri, auth: 'secret\n' },
    { uri, headers: 5 },
    { uri, headers: { a: 'b\r\nc: d' } },
    { uri, headers: { 'a b': 'c' } },
    { uri, clientFactory: 5 },
    { uri, factory: 5 },
    { uri, proxyTunnel: 'yes' },
    { uri, requestTls: 5 },
    { uri, proxyTls: 'x' },
    { uri, proxyTls: { timeout: -1 } },
    { uri, requestTls: { timeout: 'x' } },
    { uri, connectTimeout: -1 },
    { uri, connections: -1 },
    { uri, maxOrigins: 0 },
    { uri, pipelining: -1 },
  ]
  for (const options of bad) {
    try {
      new ProxyAgent(options as string)
      t.fail(`${JSON.stringify(options)} was taken`)
    } catch (error) {
      t.match(error, { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(options))
      t.notMatch((error as Error).message, /secret/)
    }
  }
  t.throws(() => new ProxyAgent('socks5://user:secret@x:1080'), { code: 'UND_ERR_NOT_SUPPORTED' })
  await new ProxyAgent({ uri, connect: { ca: 'ignored' }, connections: 0, proxyTls: { allowH2: true } }).close()
})

t.test('maxTotalConnections limits the connections of a ProxyAgent to its proxy', async (t) => {
  for (const proxyTunnel of [false, true]) {
    const all = await origins()
    const proxy = await proxyServer()
    const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel, maxTotalConnections: 2 })
    const responses = Array.from({ length: 8 }, (_, index) => ask(agent, `${all.plain.url}/${index}`))
    await Promise.all(responses)
    t.equal(proxy.connections, 2, `proxyTunnel ${proxyTunnel}`)
    await agent.close()
    await proxy.close()
    await all.close()
  }
})

t.test('closeIdle() of a ProxyAgent closes idle connections, and inspect() shows its connections', async (t) => {
  const all = await origins()
  const proxy = await proxyServer()
  for (const url of [all.plain.url, all.secure.url]) {
    const agent = new ProxyAgent({ uri: proxy.url, requestTls })
    await ask(agent, url)
    t.match(
      agent.inspect(),
      /ProxyAgent, origins: 1\n {2}Agent, origins: 1\n {4}Pool http.*connected: 1.*\n {6}Client.*\n {8}#\d+ idle/,
    )
    agent.closeIdle()
    t.equal(Object.values(agent.stats)[0]?.connected ?? 0, 0)
    t.equal((await ask(agent, url)).method, 'GET')
    await agent.close()
  }
  await proxy.close()
  await all.close()
})

t.test('each request through a failing proxy gets its own error with its origin and path', async (t) => {
  const agent = new ProxyAgent('http://127.0.0.1:1')
  const failed = await Promise.all(['a', 'b'].map((name) => failure(ask(agent, `http://${name}.test/${name}`))))
  t.match(failed, [
    { origin: 'http://a.test', path: '/a', proxy: 'http://127.0.0.1:1' },
    { origin: 'http://b.test', path: '/b', proxy: 'http://127.0.0.1:1' },
  ])
  t.not(failed[0], failed[1])
  await agent.close()
})
