import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import zlib from 'node:zlib'
import type { Identity } from '../servers/certificates.js'
import { listen, type Origin } from '../servers/origin.js'

type Route = (request: IncomingMessage, reply: ServerResponse, url: URL) => void

const numbers = new WeakMap<object, number>()
const failures = new Map<string, number>()
let connections = 0

const text = (reply: ServerResponse, body: string) => {
  reply.setHeader('content-length', Buffer.byteLength(body))
  reply.end(body)
}

const routes: Record<string, Route> = {
  '/hello': (_request, reply) => text(reply, 'hello'),
  '/json': (_request, reply) => text(reply, '{"a":[1,2,3]}'),
  '/close': (_request, reply) => text(reply.setHeader('connection', 'close'), 'bye'),
  '/none': (_request, reply) => void reply.writeHead(204).end(),
  '/echo': echo,
  '/bytes': (_request, reply, url) => void reply.end(Buffer.alloc(Number(url.searchParams.get('n')), 'sluice-')),
  '/trailers': (_request, reply) => {
    reply.writeHead(200, { trailer: 'x-sum' })
    reply.write('one ')
    reply.addTrailers({ 'x-sum': '42' })
    reply.end('two')
  },
  '/hints': (_request, reply) => reply.writeEarlyHints({ link: '</a>; rel=preload' }, () => text(reply, 'hinted')),
  '/gzip': (_request, reply) =>
    void reply.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync('unpacked '.repeat(1000))),
  '/brotli': (_request, reply) =>
    void reply.writeHead(200, { 'content-encoding': 'br' }).end(zlib.brotliCompressSync('unpacked '.repeat(1000))),
  '/redirect': (_request, reply) => void reply.writeHead(302, { location: '/hello' }).end('elsewhere'),
  '/missing': (_request, reply) => void reply.writeHead(404, { 'content-type': 'text/plain' }).end('no such page'),
  '/flaky': flaky,
  '/hang': () => {},
  '/hang-body': (_request, reply) => void reply.writeHead(200, { 'content-length': '10' }).write('half '),
  '/cut': (request, reply) => {
    reply.writeHead(200, { 'content-length': '100' }).write('short', () => request.socket.destroySoon())
  },
  '/drop': (request) => void request.socket.destroy(),
  '/malformed': (request) => void request.socket.end('HTTP/1.1 2x0 What\r\n\r\n'),
  '/smuggle': (request) =>
    void request.socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
}

function echo(request: IncomingMessage, reply: ServerResponse): void {
  const { 'content-type': type, 'content-length': length, 'transfer-encoding': coding } = request.headers
  reply.setHeader('x-content-type', type ?? '')
  reply.setHeader('x-framing', length ?? coding ?? '')
  reply.setHeader('x-method', request.method as string)
  request.pipe(reply)
}

/** Responds with errors as many times as requested, then succeeds. */
function flaky(_request: IncomingMessage, reply: ServerResponse, url: URL): void {
  const left = (failures.get(url.search) ?? Number(url.searchParams.get('times'))) - 1
  failures.set(url.search, left)
  if (left >= 0) reply.writeHead(503, { 'retry-after': '0' }).end('not yet')
  else text(reply, 'at last')
}

/** Adds the routes and upgrade listeners to a server. */
function serve(server: http.Server | https.Server): void {
  server.on('connection', (socket: object) => numbers.set(socket, ++connections))
  server.on('secureConnection', (socket: object) => numbers.set(socket, ++connections))
  server.on('request', (request: IncomingMessage, reply: ServerResponse) => {
    request.on('error', () => {})
    const url = new URL(request.url as string, 'http://origin')
    reply.setHeader('x-connection', String(numbers.get(request.socket)))
    const route = routes[url.pathname]
    if (route === undefined) reply.writeHead(404).end(`no route ${url.pathname}`)
    else route(request, reply, url)
  })
  const echoing = (answer: string) => (_request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    socket.write(`${answer}\r\n\r\nwelcome `)
    socket.write(head)
    socket.pipe(socket)
  }
  server.on('upgrade', echoing('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo'))
  server.on('connect', echoing('HTTP/1.1 200 Connected'))
}

/** Starts an origin on TCP, on TLS if it has a certificate, or on a unix socket. */
export function startOrigin(part: { tls?: Identity; path?: string } = {}): Promise<Origin> {
  const options = { keepAliveTimeout: 60_000 }
  const server = part.tls === undefined ? http.createServer(options) : https.createServer({ ...options, ...part.tls })
  serve(server)
  return listen(server, {
    ...(part.tls === undefined ? {} : { protocol: 'https:' }),
    ...(part.path === undefined ? {} : { path: part.path }),
  })
}
