import { randomBytes } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { Client, type ClientOptions } from '../../lib/index.js'
import { authority, clientIdentity, expiredIdentity, type Identity, serverIdentity } from '../servers/certificates.js'
import { listen, type Origin } from '../servers/origin.js'

const big = randomBytes(2_000_000)

/** Number of requests per connection so far. */
const counts = new WeakMap<object, number>()

const routes: Record<string, (request: IncomingMessage, reply: ServerResponse) => void> = {
  '/count': ({ socket }, reply) => {
    counts.set(socket, (counts.get(socket) ?? 0) + 1)
    reply.end(`${socket.remotePort} ${counts.get(socket)}`)
  },
  '/echo': (request, reply) => void request.pipe(reply),
  '/hints': (_request, reply) => {
    reply.writeProcessing()
    reply.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => reply.end('hinted'))
  },
  '/session': ({ socket }, reply) => {
    const { authorized } = socket as TLSSocket
    const reused = (socket as TLSSocket).isSessionReused()
    reply.setHeader('connection', 'close').end(JSON.stringify({ reused, authorized }))
  },
}

const listener: http.RequestListener = (request, reply) =>
  (routes[request.url as string] ?? routes['/count'])?.(request, reply)

/** Adds echo upgrades and tunnels, whose first bytes are in the same packet as the headers. */
function echoTunnels(server: http.Server): void {
  const echo = (head: string) => (_request: IncomingMessage, socket: Socket, rest: Buffer) => {
    socket.write(`${head}\r\n\r\nearly `)
    socket.write(rest)
    socket.pipe(socket)
  }
  server.on('upgrade', echo('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo'))
  server.on('connect', echo('HTTP/1.1 200 Connection established'))
}

/** Starts one kind of server. `open` creates a Client for it. */
type Start = () => Promise<{ origin: Origin; open(options?: ClientOptions): Client }>

const authorities = authority()

function serve(server: http.Server, options: Parameters<typeof listen>[1] = {}): Promise<Origin> {
  server.keepAliveTimeout = 60_000
  server.on('request', listener)
  echoTunnels(server)
  return listen(server, options)
}

async function secureServer(identity: Identity, options: https.ServerOptions = {}): Promise<Origin> {
  return serve(https.createServer({ ...identity, ...options }), { protocol: 'https:' })
}

const kinds: Record<string, Start> = {
  http: async () => {
    const origin = await serve(http.createServer())
    return { origin, open: (options) => new Client(origin.url, options) }
  },
  https: async () => {
    const ca = await authorities
    const origin = await secureServer(await serverIdentity(ca))
    return { origin, open: (options) => new Client(origin.url, { ...options, connect: { ca: ca.cert } }) }
  },
  'unix socket': async () => {
    const path = join(tmpdir(), `sluice-node-${process.pid}.sock`)
    const origin = await serve(http.createServer(), { path })
    return { origin, open: (options) => new Client(origin.url, { ...options, socketPath: path }) }
  },
}

async function text(client: Client, path: string): Promise<string> {
  return (await client.request({ path, method: 'GET' })).body.text()
}

async function collect(socket: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Cases for each kind of Node server. Cases for all servers are in the matrix. */
const cases: Record<string, (t: Test, open: (options?: ClientOptions) => Client) => Promise<void>> = {
  '1xx and expect: 100-continue': async (t, open) => {
    const client = open()
    const infos: [number, unknown][] = []
    const onInfo = (info: { statusCode: number; headers: Record<string, unknown> }) =>
      infos.push([info.statusCode, info.headers.link])
    const hinted = await client.request({ path: '/hints', method: 'GET', onInfo })
    t.equal(await hinted.body.text(), 'hinted')
    const body = big.subarray(0, 100_000)
    const continued = await client.request({ path: '/echo', method: 'POST', body, expectContinue: true, onInfo })
    t.ok(body.equals(await continued.body.bytes()))
    t.strictSame(infos, [
      [102, undefined],
      [103, '</a.css>; rel=preload'],
      [100, undefined],
    ])
    await client.close()
  },

  'upgrade and CONNECT pass on data received with the response headers': async (t, open) => {
    const upgrading = open()
    const upgraded = await upgrading.upgrade({ path: '/', protocol: 'echo' })
    t.equal(upgraded.statusCode, 101)
    t.equal(upgraded.headers.upgrade, 'echo')
    const connecting = open()
    const connected = await connecting.connect({ path: 'example.com:443' })
    t.equal(connected.statusCode, 200)
    for (const { socket } of [upgraded, connected]) {
      const received = collect(socket)
      socket.end(big)
      const bytes = await received
      t.equal(bytes.subarray(0, 6).toString(), 'early ')
      t.ok(bytes.subarray(6).equals(big))
    }
    t.match(await text(upgrading, '/count'), / 1$/, 'the next request uses a new connection')
    await Promise.all([upgrading.close(), connecting.close()])
  },
}

for (const [kind, start] of Object.entries(kinds)) {
  t.test(`Node's server: ${kind}`, async (t) => {
    const { origin, open } = await start()
    for (const [name, run] of Object.entries(cases)) await t.test(name, (t) => run(t, open))
    await origin.close()
  })
}

t.test("Node's server: maxRequestsPerSocket loses no request", async (t) => {
  const server = http.createServer()
  server.maxRequestsPerSocket = 3
  const origin = await serve(server)
  for (const pipelining of [1, 10]) {
    const client = new Client(origin.url, { pipelining })
    const before = origin.connections
    const answers = await Promise.all(Array.from({ length: 60 }, () => text(client, '/count')))
    t.equal(new Set(answers).size, 60, 'each request got its own response')
    t.ok(origin.connections - before >= 20, `${origin.connections - before} connections at pipelining ${pipelining}`)
    await client.close()
  }
  await origin.close()
})

t.test("Node's server: TLS sessions are resumed", async (t) => {
  const ca = await authorities
  const identity = await serverIdentity(ca)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const origin = await secureServer(identity, { minVersion: version, maxVersion: version })
    const client = new Client(origin.url, { connect: { ca: ca.cert } })
    const reused: boolean[] = []
    for (let i = 0; i < 3; i++) reused.push(JSON.parse(await text(client, '/session')).reused)
    t.strictSame(reused, [false, true, true], version)
    t.equal(origin.connections, 3)
    await client.close()
    await origin.close()
  }
})

t.test("Node's server: certificates", async (t) => {
  const ca = await authorities
  const mutual = await secureServer(await serverIdentity(ca), { ca: ca.cert, requestCert: true })
  const known = new Client(mutual.url, { connect: { ca: ca.cert, ...(await clientIdentity(ca)) } })
  t.equal(JSON.parse(await text(known, '/session')).authorized, true)
  await known.close()
  const unknown = new Client(mutual.url, { connect: { ca: ca.cert } })
  await t.rejects(text(unknown, '/count'), Error, 'a client without certificate is rejected')
  await unknown.close()
  await mutual.close()
  const refused = {
    CERT_HAS_EXPIRED: expiredIdentity(ca),
    ERR_TLS_CERT_ALTNAME_INVALID: serverIdentity(ca, 'other.example'),
  }
  for (const [code, identity] of Object.entries(refused)) {
    const origin = await secureServer(await identity)
    const client = new Client(origin.url, { connect: { ca: ca.cert } })
    await t.rejects(text(client, '/count'), { code })
    await client.close()
    await origin.close()
  }
})
