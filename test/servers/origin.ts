import type { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'

/** A server on loopback. `close` also closes all its sockets. */
export interface Origin {
  /** `http://127.0.0.1:…` */
  readonly url: string
  readonly port: number
  /** Connections accepted so far. */
  readonly connections: number
  /** Connections open now. */
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

/** Starts listening: on a free port of loopback, or on a unix socket. */
export async function listen(server: Server, options: { protocol?: string; path?: string } = {}): Promise<Origin> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (options.path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(options.path, resolve)
  })
  const port = options.path === undefined ? (server.address() as AddressInfo).port : 0
  return {
    url: `${options.protocol ?? 'http:'}//${options.path === undefined ? `127.0.0.1:${port}` : 'localhost'}`,
    port,
    get connections() {
      return connections
    },
    sockets,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

export function httpOrigin(listener: http.RequestListener, options: { path?: string } = {}): Promise<Origin> {
  return listen(http.createServer({ keepAliveTimeout: 60_000 }, listener), options)
}

export function httpsOrigin(listener: http.RequestListener, options: https.ServerOptions): Promise<Origin> {
  return listen(https.createServer({ keepAliveTimeout: 60_000, ...options }, listener), { protocol: 'https:' })
}

/** Starts a TCP server with a listener for connections. */
export function rawOrigin(onConnection: (socket: Socket, index: number) => void): Promise<Origin> {
  let index = 0
  return listen(net.createServer((socket) => onConnection(socket, index++)))
}

/** Calls back with each complete header section on a connection. Request bodies are not supported. */
export function onRequests(socket: Socket, callback: (head: string, index: number) => void): void {
  let text = ''
  let index = 0
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end)
      text = text.slice(end + 4)
      callback(head, index++)
    }
  })
}

/** Returns a complete response. */
export function response(body: string, fields: Record<string, string> = {}): string {
  const lines = Object.entries({ 'content-length': String(body.length), ...fields })
  return `HTTP/1.1 200 OK\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

/** Resolves with the arguments of the next event `name`. */
export function event<Arguments extends unknown[]>(emitter: EventEmitter, name: string): Promise<Arguments> {
  return new Promise((resolve) => emitter.once(name, (...values: Arguments) => resolve(values)))
}
