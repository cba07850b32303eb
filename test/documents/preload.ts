/**
 * Preloaded before an example: connects the hosts of the documentation to loopback, and blocks all other hosts. Works below
 * TLS, so certificates are checked for the documented names.
 */
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import tls from 'node:tls'

type Options = { host?: string; port?: number | string; path?: string; [name: string]: unknown }
type Found = (error: Error | null, address?: string | { address: string; family: number }[], family?: number) => void

/** Maps `protocol//host:port` to a loopback port, and unix socket paths to paths. */
const addresses = JSON.parse(process.env.EXAMPLE_ADDRESSES ?? '{}') as Record<string, number | string>
const hosts = new Set(Object.keys(addresses).flatMap((name) => (name.includes('//') ? [new URL(name).hostname] : [])))
const { connect } = net.Socket.prototype
const { lookup } = dns

function located(options: Options, secure: boolean): Options {
  if (options.path !== undefined) return { ...options, path: String(addresses[options.path] ?? options.path) }
  const { host = 'localhost', port } = options
  const known = addresses[`${secure ? 'https:' : 'http:'}//${host}:${port}`]
  if (known !== undefined) return { ...options, port: known }
  if (hosts.has(host) || ['localhost', '127.0.0.1', '::1'].includes(host)) return options
  throw new Error(`${host}:${port} is not on loopback`)
}

net.Socket.prototype.connect = function (this: net.Socket, ...call: unknown[]) {
  // `net.connect` passes its arguments in one marked array.
  const list = (Array.isArray(call[0]) ? call[0] : call) as Options[]
  const secure = this instanceof tls.TLSSocket
  if (typeof list[0] === 'object') list[0] = located(list[0], secure)
  return Reflect.apply(connect, this, call) as net.Socket
} as typeof connect

dns.lookup = ((host: string, options: { all?: boolean }, callback: Found) => {
  if (!hosts.has(host)) return Reflect.apply(lookup, dns, [host, options, callback])
  const known = { address: '127.0.0.1', family: 4 }
  process.nextTick(() => (options.all ? callback(null, [known]) : callback(null, known.address, known.family)))
}) as typeof lookup
const { prototype } = dns.promises.Resolver
const found = async (host: string) => (hosts.has(host) ? [{ address: '127.0.0.1', ttl: 5 }] : [])
Object.assign(prototype, { resolve4: found, resolve6: async () => [] })
syncBuiltinESMExports()
