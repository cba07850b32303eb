import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { spoil } from './settings.js'

/** An embedded origin that counts what it served. */
export interface Origin {
  readonly name: string
  readonly url: string
  readonly served: number
  readonly connections: number
  /** Requests served over each connection, in the order in which they were opened. */
  readonly perConnection: number[]
  readonly down: boolean
  /** It is gone at once, with all connections. */
  kill(): void
  /** It is there again, at the same port. */
  revive(): void
  close(): Promise<void>
}

const LINES = 20

/** Answers with what it got: `/chunked` in pieces, everything else with method, path and length of the body. */
function answer(request: http.IncomingMessage, reply: http.ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  request.on('end', () => {
    if (request.url === '/chunked') {
      for (let line = 0; line < LINES; line++) reply.write(`line ${line}\n`)
      return void reply.end()
    }
    const body = JSON.stringify({ method: spoil && bytes === 0 ? 'NONE' : request.method, path: request.url, bytes })
    reply.setHeader('content-type', 'application/json')
    reply.setHeader('content-length', Buffer.byteLength(body))
    reply.end(request.method === 'HEAD' ? undefined : body)
  })
}

async function listen(
  name: string,
  server: Server & http.Server,
  where: { protocol: string; path?: string },
): Promise<Origin> {
  let served = 0
  let connections = 0
  const bySocket = new Map<object, number>()
  server.on('request', (request) => {
    served++
    bySocket.set(request.socket, (bySocket.get(request.socket) ?? 0) + 1)
  })
  server.on('connection', (socket) => {
    connections++
    bySocket.set(socket, 0)
  })
  await new Promise<void>((resolve) => {
    if (where.path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(where.path, resolve)
  })
  const { port } = (where.path === undefined ? server.address() : { port: 0 }) as AddressInfo
  const host = where.path === undefined ? `127.0.0.1:${port}` : 'localhost'
  return {
    name,
    url: `${where.protocol}//${host}`,
    get served() {
      return served
    },
    get connections() {
      return connections
    },
    get perConnection() {
      return [...bySocket.values()]
    },
    get down() {
      return !server.listening
    },
    kill: () => {
      server.close()
      server.closeAllConnections()
    },
    revive: () => void server.listen(port, '127.0.0.1'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function plainOrigin(name: string): Promise<Origin> {
  return listen(name, http.createServer({ keepAliveTimeout: 60_000 }, answer) as never, { protocol: 'http:' })
}

/** With a certificate made for this run; `cert` is what a client has to trust. */
export async function secureOrigin(name: string): Promise<Origin & { cert: string }> {
  const extensions = [{ name: 'subjectAltName' as const, altNames: [{ type: 7 as const, ip: '127.0.0.1' }] }]
  const made = await generate([{ name: 'commonName', value: 'demo' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions,
  })
  const server = https.createServer({ key: made.private, cert: made.cert, keepAliveTimeout: 60_000 }, answer)
  const origin = await listen(name, server as never, { protocol: 'https:' })
  return Object.assign(origin, { cert: made.cert })
}

export async function unixOrigin(name: string): Promise<Origin & { path: string }> {
  const path = join(tmpdir(), `sluice-demo-${process.pid}.sock`)
  const origin = await listen(name, http.createServer(answer) as never, { protocol: 'http:', path })
  return Object.assign(origin, { path })
}
