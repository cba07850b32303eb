import { createHash, randomBytes } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { authority, serverIdentity } from '../../servers/certificates.js'
import { httpOrigin, httpsOrigin, listen, type Origin } from '../../servers/origin.js'

/** Text of the compressed responses. */
export const TEXT = 'the same words again and again. '.repeat(200)
/** Maximum length of `/endless` in bytes, far more than sockets buffer. */
export const ENDLESS = 256 * 1024 * 1024

const piece = randomBytes(64 * 1024)

/** Outcome of a request with a `?key`. */
export interface RequestState {
  /** Whether the connection closed before the response was complete. */
  closed: boolean
  /** Written bytes of the response. */
  sent: number
  /** Received bytes of the request body. */
  received: number
}

type Answer = (request: IncomingMessage, reply: ServerResponse, requestState: RequestState) => void

const encoded = (encoding: string, bytes: Buffer): Answer => {
  return (_request, reply) => void reply.setHeader('content-encoding', encoding).end(bytes)
}

const redirect = (status: number, location: string): Answer => {
  return (request, reply) => {
    request.resume()
    request.on('end', () => reply.writeHead(status, { location }).end('elsewhere'))
  }
}

const answers: Record<string, Answer> = {
  '/hello': (_request, reply) => {
    const fields = [
      'content-type',
      'text/plain',
      'x-name',
      'a',
      'X-Name',
      'b',
      'set-cookie',
      'a=1',
      'set-cookie',
      'b=2',
    ]
    reply.writeHead(200, 'Fine', fields).end('hello')
  },
  '/echo': (request, reply) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, rawHeaders } = request
      const body = Buffer.concat(chunks)
      reply.setHeader('content-type', 'application/json')
      reply.end(JSON.stringify({ method, url, rawHeaders, length: body.length, body: body.toString('latin1') }))
    })
  },
  '/form': async (request, reply) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const type = String(request.headers['content-type'])
    const form = await new Response(Buffer.concat(chunks), { headers: { 'content-type': type } }).formData()
    const fields: unknown[] = []
    for (const [name, value] of form) {
      fields.push(typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()])
    }
    reply.end(JSON.stringify(fields))
  },
  '/mirror': (request, reply) => void request.pipe(reply),
  '/gzip': encoded('gzip', gzipSync(TEXT)),
  '/deflate': encoded('deflate', deflateSync(TEXT)),
  '/deflate-raw': encoded('deflate', deflateRawSync(TEXT)),
  '/br': encoded('br', brotliCompressSync(TEXT)),
  '/br-gzip': encoded('br, gzip', gzipSync(brotliCompressSync(TEXT))),
  '/not-gzip': encoded('gzip', Buffer.from(TEXT)),
  '/length': (_request, reply) => void reply.setHeader('content-length', 1000).end(Buffer.alloc(1000, 'x')),
  '/204': (_request, reply) => void reply.writeHead(204).end(),
  '/304': (request, reply) => {
    const fresh = request.headers['if-none-match'] === '"1"'
    reply.writeHead(fresh ? 304 : 200, { etag: '"1"' }).end(fresh ? undefined : 'anew')
  },
  '/418': (_request, reply) => void reply.writeHead(418).end('short and stout'),
  '/hints': (_request, reply) => {
    reply.writeProcessing()
    reply.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => reply.end('hinted'))
  },
  '/trailers': (_request, reply) => {
    reply.setHeader('trailer', 'x-sum')
    reply.write('with ')
    reply.addTrailers({ 'x-sum': '1' })
    reply.end('trailers')
  },
  '/latin': (_request, reply) => void reply.setHeader('x-latin', 'caf\xe9').end(Buffer.from('latin')),
  '/301': redirect(301, '/echo?after=301'),
  '/302': redirect(302, '/echo?after=302'),
  '/303': redirect(303, '/echo?after=303'),
  '/307': redirect(307, '/echo?after=307'),
  '/308': redirect(308, 'hops/2'),
  '/hops/2': redirect(302, '../echo?after=hops#there'),
  '/loop': redirect(302, '/loop'),
  '/away': (request, reply) => {
    const { port } = request.socket.address() as AddressInfo
    reply.writeHead(302, { location: `http://localhost:${port}/echo` }).end()
  },
  '/hang': () => {},
  '/break-head': (request) => void request.socket.destroy(),
  '/break-body': (request, reply) => {
    reply.setHeader('content-length', 1000)
    reply.write('a part', () => request.socket.destroy())
  },
  '/nonsense': (request) => void request.socket.end('this is not HTTP\r\n\r\n'),
  '/stall': (_request, reply) => void reply.setHeader('content-length', 10).write('a part'),
  '/endless': (_request, reply, requestState) => {
    reply.setHeader('content-length', ENDLESS)
    const go = () => {
      while (requestState.sent < ENDLESS) {
        requestState.sent += piece.length
        if (requestState.sent === ENDLESS) reply.end(piece)
        else if (!reply.write(piece)) return
      }
    }
    reply.on('drain', go)
    go()
  },
}

/** WebSocket server (RFC 6455): sends a greeting, echoes one short text, and ends at a masked close frame. */
function speakWebSocket(request: IncomingMessage, socket: Duplex): void {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  const head = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: upgrade']
  socket.write(`${[...head, `sec-websocket-accept: ${accept}`].join('\r\n')}\r\n\r\n`)
  const frame = (opcode: number, payload: Buffer) => Buffer.from([0x80 | opcode, payload.length, ...payload])
  socket.write(frame(1, Buffer.from('welcome')))
  socket.on('data', (bytes: Buffer) => {
    const mask = bytes.subarray(2, 6)
    const payload = bytes.subarray(6).map((byte, index) => byte ^ (mask[index % 4] as number))
    const opcode = (bytes[0] as number) & 0x0f
    if (opcode === 8) socket.end(frame(8, Buffer.from(payload)))
    else socket.write(frame(1, Buffer.from(payload)))
  })
}

/** State of the origin, as the control server reports it. */
export interface State {
  /** Number of accepted connections, plain and TLS. */
  connections: number
  /** URL of the origin over TLS, and its CA. */
  secure: string
  ca: string
}

export interface FetchOrigin extends Origin {
  /** Control server: `/request-state?key=` returns the outcome of a request, all other paths the state. */
  readonly control: Origin
}

/** Starts an origin with the routes of the program. */
export async function fetchOrigin(): Promise<FetchOrigin> {
  const requestStates = new Map<string, RequestState>()
  const listener: http.RequestListener = (request, reply) => {
    const { pathname, searchParams } = new URL(request.url as string, 'http://localhost')
    const requestState: RequestState = { closed: false, sent: 0, received: 0 }
    const key = searchParams.get('key')
    if (key !== null) requestStates.set(key, requestState)
    request.on('data', (chunk) => {
      requestState.received += chunk.length
    })
    reply.on('close', () => {
      requestState.closed = !reply.writableFinished
    })
    const answer = answers[pathname]
    if (answer === undefined) reply.writeHead(404).end()
    else answer(request, reply, requestState)
  }
  const server = http.createServer({ keepAliveTimeout: 60_000 }, listener)
  server.on('upgrade', speakWebSocket)
  const origin = await listen(server)
  const ca = await authority()
  const secure = await httpsOrigin(listener, await serverIdentity(ca))
  const control = await httpOrigin((request, reply) => {
    const { pathname, searchParams } = new URL(request.url as string, 'http://localhost')
    const connections = origin.connections + secure.connections
    const state: State = { connections, secure: secure.url, ca: ca.cert }
    reply.end(
      JSON.stringify(
        pathname === '/request-state' ? (requestStates.get(searchParams.get('key') ?? '') ?? null) : state,
      ),
    )
  })
  const close = async () => {
    await Promise.all([origin.close(), secure.close(), control.close()])
  }
  return Object.create(origin, { control: { value: control }, close: { value: close } })
}
