import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { authority, serverIdentity } from '../../test/servers/certificates.js'
import { tunnel } from '../../test/servers/proxy.js'
import { respond, seedResponses } from './responses.js'

/** Addresses of all servers. */
export interface Addresses {
  /** Three plain origins. */
  readonly plain: readonly string[]
  readonly secure: string
  readonly ca: string
  /** Path of a unix socket. */
  readonly unix: string
  readonly proxy: string
}

/** Inactivity timeout in ms, longer than any timeout of a client. */
const INACTIVITY_TIMEOUT = 30_000

function set(server: http.Server | https.Server): void {
  server.keepAliveTimeout = 60_000
  server.headersTimeout = 0
  server.requestTimeout = 0
  // A server that has stopped reading a request does not notice that its client is gone: 20 000 descriptors in half an hour.
  server.timeout = INACTIVITY_TIMEOUT
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    // Upgraded and tunneled sockets need their own timeout.
    socket.setTimeout(INACTIVITY_TIMEOUT, () => socket.destroy())
  })
  server.on('clientError', (_error, socket) => socket.destroy())
}

async function listening(server: http.Server | https.Server, path?: string): Promise<number> {
  set(server)
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(path, resolve)
  })
  return path === undefined ? (server.address() as AddressInfo).port : 0
}

function plain(): http.Server {
  const server = http.createServer(respond)
  server.on('upgrade', (_request, socket: Socket, head) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.write(head)
    socket.pipe(socket)
  })
  return server
}

function proxy(): http.Server {
  // Requests in absolute form are for origins that respond alike, so the proxy responds itself.
  const server = http.createServer(respond)
  server.on('connect', (request, socket: Socket, head) => {
    socket.on('error', () => {})
    tunnel(socket, { port: Number(/:(\d+)$/.exec(request.url as string)?.[1]), head })
  })
  return server
}

async function main(): Promise<void> {
  seedResponses(Number(process.argv[2]))
  const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  process.on('disconnect', () => process.exit())
  const ca = await authority()
  const unix = join(folder, 'origin.sock')
  const ports = [await listening(plain()), await listening(plain()), await listening(plain())]
  const secure = await listening(https.createServer(await serverIdentity(ca), respond))
  await listening(plain(), unix)
  const addresses: Addresses = {
    plain: ports.map((port) => `http://127.0.0.1:${port}`),
    secure: `https://localhost:${secure}`,
    ca: ca.cert,
    unix,
    proxy: `http://127.0.0.1:${await listening(proxy())}`,
  }
  process.send?.(addresses)
}

await main()
