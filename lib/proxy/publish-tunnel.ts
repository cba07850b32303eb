import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { proxyConnected } from '../diagnostics/channels.js'

/** Publishes on `undici:proxy:connected` that a tunnel to `path` was established. `headers`: those of CONNECT, flat. */
export function traceTunnel(tunnel: Duplex, part: { proxy: string; path: string; headers: readonly string[] }): void {
  if (!proxyConnected.hasSubscribers) return
  const { proxy: origin, path } = part
  const fields = ['host', path, ...part.headers]
  const pairs = fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1]]] : []))
  const socket = tunnel as TLSSocket
  const servername = socket.servername || undefined
  const { port } = new URL(origin)
  const connectParams = { origin, port, path, signal: undefined, headers: Object.fromEntries(pairs), servername }
  proxyConnected.publish({ socket, connectParams })
}
