import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { spoil } from './options.js'

/** An embedded origin that counts requests and connections. */
export interface Origin {
  readonly name: string
  readonly url: string
  readonly served: number
  readonly connections: number
  /** Number of requests served by each connection, oldest connection first. */
  readonly perConnection: number[]
  readonly down: boolean
  /** Stops listening and closes all connections at once. */
  kill(): void
  /** Listens again, at the same port. */
  restart(): void
  close(): Promise<void>
}

const CHUNKS = 20

/** Answers `/chunked` with 20 chunks, any other path with method, path and body length of the request as JSON. */
function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  request.on('end', () => {
    if (request.url === '/chunked') {
      for (let line = 0; line < CHUNKS; line++) response.write(`line ${line}\n`)
      return void response.end()
    }
    const body = JSON.stringify({ method: spoil && bytes === 0 ? 'NONE' : request.method, path: request.url, bytes })
    response.setHeader('content-type', 'application/json')
    response.setHeader('content-length', Buffer.byteLength(body))
    response.end(request.method === 'HEAD' ? undefined : body)
  })
}

async function listen(
  name: string,
  server: Server & http.Server,
  address: { protocol: string; path?: string },
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
    if (address.path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(address.path, resolve)
  })
  const { port } = (address.path === undefined ? server.address() : { port: 0 }) as AddressInfo
  const host = address.path === undefined ? `127.0.0.1:${port}` : 'localhost'
  return {
    name,
    url: `${address.protocol}//${host}`,
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
    restart: () => void server.listen(port, '127.0.0.1'),
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

/** Starts an HTTPS origin with a new certificate. Clients must trust `cert`. */
export async function secureOrigin(name: string): Promise<Origin & { cert: string }> {
  const extensions = [{ name: 'subjectAltName' as const, altNames: [{ type: 7 as const, ip: '127.0.0.1' }] }]
  const certificate = await generate([{ name: 'commonName', value: 'demo' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions,
  })
  const server = https.createServer(
    { key: certificate.private, cert: certificate.cert, keepAliveTimeout: 60_000 },
    answer,
  )
  const origin = await listen(name, server as never, { protocol: 'https:' })
  return Object.assign(origin, { cert: certificate.cert })
}

export async function unixOrigin(name: string): Promise<Origin & { path: string }> {
  const path = join(tmpdir(), `sluice-demo-${process.pid}.sock`)
  const origin = await listen(name, http.createServer(answer) as never, { protocol: 'http:', path })
  return Object.assign(origin, { path })
}
