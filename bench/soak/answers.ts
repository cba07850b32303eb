import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { gather } from './gather.js'
import { type Random, seeded } from './random.js'

type Answer = (request: IncomingMessage, reply: ServerResponse, count: number) => void

const HEAD = 'HTTP/1.1 200 OK\r\n'

const all = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, index) => index % 251))

/** Bytes that tell their place, so that a piece that is missing or doubled is seen; 500 000 at most. */
export function pattern(length: number): Buffer {
  return all.subarray(0, length)
}

let random: Random = seeded(1)

/** Answers that differ by chance differ as `seed` says. */
export function seedAnswers(seed: number): void {
  random = seeded(seed)
}

const gzipped = new Map<number, Buffer>()

function gzipOf(length: number): Buffer {
  const known = gzipped.get(length)
  if (known !== undefined) return known
  const made = gzipSync(pattern(length))
  gzipped.set(length, made)
  return made
}

/** By the first part of the path; `count` is the second. Those that do wrong take the socket into their own hands. */
const answers: Record<string, Answer> = {
  id: (_request, reply, count) => void reply.end(String(count)),
  echo: (request, reply) => void request.pipe(reply),
  bytes: (_request, reply, count) => void reply.end(pattern(count)),
  chunks(_request, reply, count) {
    for (let piece = 0; piece < count; piece++) reply.write(`${piece}\n`)
    reply.end()
  },
  gzip(_request, reply, count) {
    reply.setHeader('content-encoding', 'gzip')
    reply.end(gzipOf(count))
  },
  hop(_request, reply, count) {
    if (count === 0) return void reply.end('landed')
    reply.writeHead(302, { location: `/hop/${count - 1}` }).end('on the way')
  },
  flaky(_request, reply, count) {
    reply.writeHead(random() < 0.5 ? 503 : 200).end(String(count))
  },
  gather: (request, reply) => gather(request.url as string, reply),
  slow: (_request, reply, count) => void setTimeout(() => reply.end(String(count)), count),
  drip(_request, reply, count) {
    reply.write('x')
    setTimeout(() => reply.end('y'), count)
  },
  interim(_request, reply, count) {
    reply.writeEarlyHints({ link: '</a>; rel=preload' })
    reply.end(String(count))
  },
  last: (_request, reply, count) => void reply.setHeader('connection', 'close').end(String(count)),
  stall() {},
  'stall-body': (_request, reply) => void reply.writeHead(200, { 'content-length': '10' }).write('12345'),
  reset: (_request, reply) => inTurn(reply, reset),
  cut: (_request, reply) => inTurn(reply, (socket) => socket.end()),
  garbage: (_request, reply) => raw(reply, '\x16\x03\x01 not a response at all\r\n\r\n', 'end'),
  early: (_request, reply) => raw(reply, `${HEAD}content-length: 5\r\nconnection: close\r\n\r\nearly`, 'end'),
  'reset-body': (_request, reply) => raw(reply, `${HEAD}content-length: 10\r\n\r\n12345`, 'reset'),
  'cut-body': (_request, reply) => raw(reply, `${HEAD}content-length: 10\r\n\r\n12345`, 'end'),
  'bad-chunk': (_request, reply) => raw(reply, `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n`, 'end'),
  'long-head': (_request, reply) => raw(reply, `${HEAD}x: ${'y'.repeat(20_000)}\r\n\r\n`, 'end'),
  'late-garbage': (_request, reply) => raw(reply, `${HEAD}content-length: 2\r\n\r\noklate`, 'end'),
}

/** When all requests before on the connection are answered: then a response gets its socket. */
function inTurn(reply: ServerResponse, act: (socket: Socket) => void): void {
  if (reply.socket !== null) act(reply.socket)
  else reply.once('socket', act)
}

/** TCP alone has RST. */
function reset(socket: Socket): void {
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}

function raw(reply: ServerResponse, bytes: string, then: 'reset' | 'end'): void {
  inTurn(reply, (socket) => {
    socket.write(bytes, 'latin1', () => (then === 'end' ? socket.end() : reset(socket)))
  })
}

export function answer(request: IncomingMessage, reply: ServerResponse): void {
  const [, name = '', count = '0'] = (request.url as string).replace(/^https?:\/\/[^/]+/, '').split('/')
  reply.on('error', () => {})
  request.on('error', () => {})
  const found = answers[name]
  if (found === undefined) return void reply.writeHead(404).end(name)
  found(request, reply, Number(count))
}
