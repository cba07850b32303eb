import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { gather } from './gather.js'
import { type Random, seeded } from './seeded-random.js'

type Responder = (request: IncomingMessage, response: ServerResponse, count: number) => void

const HEAD = 'HTTP/1.1 200 OK\r\n'

const patternBytes = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, index) => index % 251))

/** Returns bytes that depend on their position, so that missing or doubled chunks are detected. At most 500 000. */
export function pattern(length: number): Buffer {
  return patternBytes.subarray(0, length)
}

let random: Random = seeded(1)

/** Seeds the random choices of responses. */
export function seedResponses(seed: number): void {
  random = seeded(seed)
}

const gzipped = new Map<number, Buffer>()

function gzipOf(length: number): Buffer {
  const cached = gzipped.get(length)
  if (cached !== undefined) return cached
  const bytes = gzipSync(pattern(length))
  gzipped.set(length, bytes)
  return bytes
}

/** Responders by the first segment of the path. `count` is the second. Faulty ones write to the socket directly. */
const responders: Record<string, Responder> = {
  id: (_request, response, count) => void response.end(String(count)),
  echo: (request, response) => void request.pipe(response),
  bytes: (_request, response, count) => void response.end(pattern(count)),
  chunks(_request, response, count) {
    for (let chunk = 0; chunk < count; chunk++) response.write(`${chunk}\n`)
    response.end()
  },
  gzip(_request, response, count) {
    response.setHeader('content-encoding', 'gzip')
    response.end(gzipOf(count))
  },
  hop(_request, response, count) {
    if (count === 0) return void response.end('landed')
    response.writeHead(302, { location: `/hop/${count - 1}` }).end('on the way')
  },
  flaky(_request, response, count) {
    response.writeHead(random() < 0.5 ? 503 : 200).end(String(count))
  },
  gather: (request, response) => gather(request.url as string, response),
  slow: (_request, response, count) => void setTimeout(() => response.end(String(count)), count),
  drip(_request, response, count) {
    response.write('x')
    setTimeout(() => response.end('y'), count)
  },
  interim(_request, response, count) {
    response.writeEarlyHints({ link: '</a>; rel=preload' })
    response.end(String(count))
  },
  last: (_request, response, count) => void response.setHeader('connection', 'close').end(String(count)),
  stall() {},
  'stall-body': (_request, response) => void response.writeHead(200, { 'content-length': '10' }).write('12345'),
  reset: (_request, response) => onSocket(response, reset),
  cut: (_request, response) => onSocket(response, (socket) => socket.end()),
  garbage: (_request, response) => raw(response, '\x16\x03\x01 not a response at all\r\n\r\n', 'end'),
  early: (_request, response) => raw(response, `${HEAD}content-length: 5\r\nconnection: close\r\n\r\nearly`, 'end'),
  'reset-body': (_request, response) => raw(response, `${HEAD}content-length: 10\r\n\r\n12345`, 'reset'),
  'cut-body': (_request, response) => raw(response, `${HEAD}content-length: 10\r\n\r\n12345`, 'end'),
  'bad-chunk': (_request, response) =>
    raw(response, `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n`, 'end'),
  'long-head': (_request, response) => raw(response, `${HEAD}x: ${'y'.repeat(20_000)}\r\n\r\n`, 'end'),
  'late-garbage': (_request, response) => raw(response, `${HEAD}content-length: 2\r\n\r\noklate`, 'end'),
}

/** Calls `act` once the response is the next on its connection: node:http assigns the socket then. */
function onSocket(response: ServerResponse, act: (socket: Socket) => void): void {
  if (response.socket !== null) act(response.socket)
  else response.once('socket', act)
}

/** Resets the connection. A TLS socket is destroyed, as it has no resetAndDestroy. */
function reset(socket: Socket): void {
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}

function raw(response: ServerResponse, bytes: string, action: 'reset' | 'end'): void {
  onSocket(response, (socket) => {
    socket.write(bytes, 'latin1', () => (action === 'end' ? socket.end() : reset(socket)))
  })
}

/** Responds to a request by the first segment of its path. */
export function respond(request: IncomingMessage, response: ServerResponse): void {
  const [, name = '', count = '0'] = (request.url as string).replace(/^https?:\/\/[^/]+/, '').split('/')
  response.on('error', () => {})
  request.on('error', () => {})
  const responder = responders[name]
  if (responder === undefined) return void response.writeHead(404).end(name)
  responder(request, response, Number(count))
}
