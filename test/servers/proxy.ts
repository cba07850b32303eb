import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import type { Identity } from './certificates.js'
import { listen, type Origin } from './origin.js'

/** A request that a proxy received. */
export interface ProxiedRequest {
  readonly method: string
  readonly target: string
  readonly headers: Record<string, string | string[] | undefined>
}

/** A proxy on loopback that resolves all names to 127.0.0.1. */
export interface ProxyServer extends Origin {
  /** Requests to forward, in order. */
  readonly forwards: readonly ProxiedRequest[]
  /** CONNECTs, in order. */
  readonly connects: readonly ProxiedRequest[]
}

export interface ProxyPart {
  /** Certificate for TLS to the proxy itself. */
  tls?: Identity
  /** The only accepted `proxy-authorization`. Default: all are accepted. */
  authorization?: string
  /** Responds to CONNECT itself if it returns true. */
  onConnect?(request: IncomingMessage, socket: Duplex): boolean
}

/** Starts a proxy that forwards requests in absolute form and opens tunnels. */
export async function proxyServer(part: ProxyPart = {}): Promise<ProxyServer> {
  const forwards: ProxiedRequest[] = []
  const connects: ProxiedRequest[] = []
  const server = part.tls === undefined ? http.createServer() : https.createServer(part.tls)
  const allowed = ({ headers }: IncomingMessage) =>
    part.authorization === undefined || headers['proxy-authorization'] === part.authorization
  server.on('request', (request: IncomingMessage, reply: http.ServerResponse) => {
    forwards.push(describe(request))
    if (!allowed(request)) return void reply.writeHead(407, { 'proxy-authenticate': 'Basic realm="test"' }).end('no')
    forward(request, reply)
  })
  server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    connects.push(describe(request))
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.resume()
    if (part.onConnect?.(request, socket)) return
    if (!allowed(request)) {
      return void socket.end('HTTP/1.1 407 No\r\nproxy-authenticate: Basic realm="test"\r\ncontent-length: 2\r\n\r\nno')
    }
    tunnel(socket, { port: Number(/:(\d+)$/.exec(request.url as string)?.[1]), head, greeting: '' })
  })
  const origin = await listen(server, part.tls === undefined ? {} : { protocol: 'https:' })
  return Object.assign(Object.create(origin, { connections: { get: () => origin.connections } }) as Origin, {
    forwards,
    connects,
  }) as ProxyServer
}

function describe(request: IncomingMessage): ProxiedRequest {
  return { method: request.method as string, target: request.url as string, headers: request.headers }
}

/** Connects a client to a port. `greeting` is sent right behind the response to CONNECT. */
export function tunnel(client: Duplex, part: { port: number; head?: Buffer; greeting?: string }): void {
  const upstream = net.connect(part.port, '127.0.0.1', () => {
    client.write(`HTTP/1.1 200 Connection established\r\n\r\n${part.greeting ?? ''}`)
    if (part.head !== undefined) upstream.write(part.head)
    client.pipe(upstream).pipe(client)
  })
  upstream.on('error', () => client.destroy())
  upstream.on('close', () => client.destroy())
  client.on('close', () => upstream.destroy())
  client.on('error', () => {})
}

const HOP_BY_HOP = ['connection', 'proxy-authorization', 'proxy-connection', 'keep-alive']

function forward(request: IncomingMessage, reply: http.ServerResponse): void {
  const url = new URL(request.url as string)
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !HOP_BY_HOP.includes(name)))
  const options = {
    host: '127.0.0.1',
    port: url.port,
    path: url.pathname + url.search,
    method: request.method,
    headers,
  }
  const upstream = http.request(options as http.RequestOptions, (answer) => {
    reply.writeHead(answer.statusCode as number, answer.headers)
    answer.pipe(reply)
  })
  upstream.on('error', () => reply.writeHead(502).end())
  request.pipe(upstream)
}
