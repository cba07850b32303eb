import type dns from 'node:dns'
import type http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls, { type TLSSocket } from 'node:tls'
import t from 'tap'
import { buildConnector, Client } from '../../lib/index.js'
import { SessionCache } from '../../lib/transport/session-cache.js'
import { authority, clientIdentity, serverIdentity } from '../servers/certificates.js'
import { event, httpOrigin, httpsOrigin, listen, rawOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }
const identities = (async () => {
  const ca = await authority()
  return {
    ca,
    server: await serverIdentity(ca),
    other: await serverIdentity(ca, 'other.example'),
    client: await clientIdentity(ca),
  }
})()

async function text(client: Client): Promise<string> {
  return (await client.request(get)).body.text()
}

t.test('verifies TLS server names and authorities, and sends client certificates', async (t) => {
  const { ca, server, other, client: identity } = await identities
  const origin = await httpsOrigin(
    (request, reply) => {
      const socket = request.socket as TLSSocket
      reply.end(
        JSON.stringify([socket.authorized, socket.alpnProtocol, (socket as { servername?: string }).servername]),
      )
    },
    { ...server, ca: ca.cert, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
  )
  const named = `https://localhost:${origin.port}`
  const lookup = {
    lookup: (_: string, options: dns.LookupOptions, callback: (...result: never[]) => void) => {
      const answer = options.all ? [null, [{ address: '127.0.0.1', family: 4 }]] : [null, '127.0.0.1', 4]
      callback(...(answer as never[]))
    },
  }
  const strict = new Client(origin.url)
  await t.rejects(text(strict), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })
  await strict.close()
  const trusting = new Client(named, { connect: { ca: ca.cert, ...lookup }, allowH2: true })
  t.equal(await text(trusting), '[false,"http/1.1","localhost"]')
  await trusting.close()
  const address = new Client(origin.url, { connect: { ca: ca.cert } })
  t.equal(await text(address), '[false,"http/1.1",false]', 'no server name is sent for an IP address')
  await address.close()
  const loose = new Client(origin.url, { connect: { rejectUnauthorized: false, ...identity } })
  t.equal(JSON.parse(await text(loose))[0], true, 'the client certificate was accepted')
  await loose.close()
  await origin.close()
  const wrong = await httpsOrigin((_request, reply) => void reply.end('x'), other)
  const misled = new Client(`https://localhost:${wrong.port}`, { connect: { ca: ca.cert, ...lookup } })
  await t.rejects(text(misled), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  await misled.close()
  const renamed = new Client(wrong.url, { connect: { ca: ca.cert, servername: 'other.example' } })
  t.equal(await text(renamed), 'x')
  await renamed.close()
  await wrong.close()
})

t.test('reuses TLS sessions unless maxCachedSessions is 0', async (t) => {
  const { ca, server } = await identities
  const reused: boolean[] = []
  const origin = await httpsOrigin((request, reply) => {
    reused.push((request.socket as TLSSocket).isSessionReused())
    reply.setHeader('connection', 'close')
    reply.end('x'.repeat(100))
  }, server)
  for (const options of [{}, { maxCachedSessions: 0 }]) {
    const client = new Client(origin.url, { connect: { ca: ca.cert, ...options } })
    await text(client)
    await text(client)
    await client.close()
  }
  t.strictSame(reused, [false, true, false, false])
  await origin.close()
  const cache = new SessionCache(2)
  for (const key of ['a', 'b']) cache.set(key, Buffer.from(key))
  cache.get('a')
  cache.set('c', Buffer.from('c'))
  t.equal(cache.get('b'), undefined, 'the least recently used session is removed')
  t.equal(String(cache.get('a')), 'a')
  cache.delete('a')
  t.equal(cache.get('a'), undefined)
})

t.test('reports connect timeouts and connection errors', async (t) => {
  const silent = await rawOrigin(() => {})
  const client = new Client(silent.url.replace('http:', 'https:'), { connectTimeout: 50 })
  await t.rejects(text(client), {
    code: 'UND_ERR_CONNECT_TIMEOUT',
    message: /127.0.0.1:\d+ not established within 50 ms/,
    phase: 'connect',
  })
  await client.close()
  const closing = await rawOrigin((socket) => socket.destroy())
  const dropped = new Client(closing.url.replace('http:', 'https:'))
  await t.rejects(text(dropped), { code: 'ECONNRESET' })
  await dropped.close()
  await silent.close()
  await closing.close()
  const nowhere = new Client('http://unknown.invalid', {
    connect: {
      lookup: (_name: string, _options: object, callback: (error: Error) => void) =>
        callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })),
    },
  } as never)
  await t.rejects(text(nowhere), { code: 'ENOTFOUND' })
  await nowhere.close()
  const dying = new Client(silent.url.replace('http:', 'https:'), { connectTimeout: 0 })
  await Promise.all([t.rejects(text(dying)), dying.destroy()])
})

t.test('reports one ConnectTimeoutError if several addresses time out', async (t) => {
  const connect = buildConnector()
  const late = Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' })
  const error = await new Promise<Error | null>((resolve) => {
    const socket = connect({ hostname: '127.0.0.1', protocol: 'http:', port: '1' }, (...result) =>
      resolve(result[0]),
    ) as unknown as net.Socket
    socket.destroy(new AggregateError([late, late]))
  })
  t.match(error, { code: 'UND_ERR_CONNECT_TIMEOUT', cause: AggregateError })
})

t.test('connects to the second address if the first does not respond', async (t) => {
  const { ca, server } = await identities
  const addresses = ['127.0.0.9', '127.0.0.1'].map((address) => ({ address, family: 4 }))
  const lookup = (_name: string, _options: dns.LookupOptions, done: (error: null, all: dns.LookupAddress[]) => void) =>
    done(null, addresses)
  const connect = { lookup, autoSelectFamily: true, ca: ca.cert, checkServerIdentity: () => undefined }
  const reply: http.RequestListener = (request, reply) => void reply.end(`${request.url} is here`)
  for (const origin of [await httpOrigin(reply), await httpsOrigin(reply, server)]) {
    const client = new Client(origin.url.replace('127.0.0.1', 'several.example'), { connect: connect as never })
    for (const path of ['/one', '/two']) {
      const { body } = await client.request({ path, method: 'GET' })
      t.equal(await body.text(), `${path} is here`, origin.url)
    }
    t.equal(origin.connections, 1)
    await client.close()
    await origin.close()
  }
})

t.test('uses connect functions of the caller', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'.repeat(200_000)))
  let seen: object | null = null
  const own = new Client(origin.url, {
    localAddress: '127.0.0.1',
    connect(options, callback) {
      seen = options
      const socket = net.connect({ host: options.hostname, port: Number(options.port) })
      socket.once('connect', () => callback(null, socket)).once('error', (error) => callback(error, null as never))
    },
  })
  t.equal((await text(own)).length, 200_000, 'accepts a socket of the caller')
  t.match(seen, { hostname: '127.0.0.1', protocol: 'http:', port: String(origin.port), localAddress: '127.0.0.1' })
  await own.close()
  const build = buildConnector({ keepAlive: false, typeOfService: 0, timeout: 0, socketPath: null })
  const wrapped = new Client(origin.url, { connect: (options, callback) => build(options, callback) })
  t.equal((await text(wrapped)).length, 200_000)
  await wrapped.close()
  const refusing = new Client(origin.url, {
    connect: (_options, callback) => callback(new Error('not today'), null as never),
  })
  await t.rejects(text(refusing), { message: 'not today' })
  await refusing.close()
  await origin.close()
})

t.test('opens TLS over an existing socket (httpSocket)', async (t) => {
  const { ca, server } = await identities
  const secure = await httpsOrigin((_request, reply) => void reply.end('y'.repeat(300_000)), server)
  const client = new Client(secure.url, {
    connect(options, callback) {
      const plain = net.connect(secure.port, '127.0.0.1', () => {
        buildConnector({ ca: ca.cert })({ ...options, httpSocket: plain }, callback)
      })
    },
  })
  t.equal((await text(client)).length, 300_000)
  await client.close()
  t.throws(
    () => buildConnector()({ hostname: 'x', protocol: 'http:', port: '1', httpSocket: new net.Socket() }, () => {}),
    {
      code: 'UND_ERR_INVALID_ARG',
    },
  )
  await secure.close()
})

t.test('validates the options of buildConnector', async (t) => {
  for (const options of [
    null,
    { maxCachedSessions: -1 },
    { maxCachedSessions: 1.5 },
    { timeout: 'x' },
    { keepAliveInitialDelay: -1 },
    { typeOfService: Number.NaN },
    { onread: { buffer: new Uint8Array(1), callback: () => true } },
  ]) {
    t.throws(() => buildConnector(options as never), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(options))
  }
  const path = join(tmpdir(), `sluice-connector-${process.pid}.sock`)
  const server = await listen(net.createServer(), { path })
  const socket = await new Promise<net.Socket>((resolve, reject) => {
    buildConnector({ socketPath: path })({ hostname: 'x', protocol: 'http:', port: '' }, (error, made) => {
      if (error === null) resolve(made as net.Socket)
      else reject(error)
    })
  })
  socket.destroy()
  await server.close()
  const origin = await rawOrigin(() => {})
  const byPort = buildConnector({ port: origin.port })(
    { hostname: '127.0.0.1', protocol: 'http:', port: '' },
    () => {},
  ) as unknown as net.Socket
  await event(byPort, 'connect')
  t.equal(byPort.remotePort, origin.port)
  byPort.destroy()
  await origin.close()
  t.equal(typeof tls.connect, 'function')
})

t.test('fails the connection if its signal is aborted before or while connecting', async (t) => {
  const { ca, server } = await identities
  const plain = await httpOrigin((_request, reply) => reply.end('plain'))
  const secure = await httpsOrigin((_request, reply) => reply.end('secure'), server)
  for (const origin of [plain, secure]) {
    const abort = new AbortController()
    const client = new Client(origin.url, { connect: { ca: ca.cert, signal: abort.signal } })
    t.match(await text(client), /plain|secure/)
    const disconnected = event(client, 'disconnect')
    abort.abort(new Error('enough'))
    await disconnected
    await t.rejects(text(client), { name: 'AbortError', code: 'ABORT_ERR', cause: { message: 'enough' } })
    t.equal(origin.connections, 1)
    await client.close()
  }
  await Promise.all([plain.close(), secure.close()])
})
