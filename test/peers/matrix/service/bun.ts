// Bun's server as a process: `bun service/bun.js '{…}'`. SIGHUP makes it reload.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { Order } from './content.js'
import { answering } from './web.js'

interface BunServer {
  reload(options: object): void
  upgrade(request: Request): boolean
}
declare const Bun: { serve(options: object): BunServer }

const { ports, folder, home } = JSON.parse(process.argv[2] as string) as Order
const file = (name: string) => readFileSync(`${folder}/${name}`, 'utf8')
const identity = { cert: file('server.pem'), key: file('server.key') }
let generation = 0

const handling = () => {
  const now = `generation-${generation}`
  const answer = answering({ folder, compress: gzipSync, generation: () => now })
  return {
    fetch: (request: Request, server: BunServer) => {
      if (new URL(request.url).pathname === '/websocket' && server.upgrade(request)) return
      return answer(request)
    },
    websocket: { message: (socket: { send(text: string): void }, text: string) => socket.send(text) },
  }
}

const hostname = '127.0.0.1'
const common = { hostname, idleTimeout: 60, maxRequestBodySize: 100_000_000 }
const tls = [
  { ...identity, serverName: 'localhost' },
  { cert: file('other.pem'), key: file('other.key'), serverName: 'other.example' },
]
const servers = [
  { ...common, port: ports.plain },
  { ...common, port: ports.secure, tls },
  {
    ...common,
    port: ports.mutual,
    tls: { ...identity, ca: file('ca.pem'), requestCert: true, rejectUnauthorized: true },
  },
  { ...common, port: ports.short, idleTimeout: 1 },
  { unix: `${home}/service.sock` },
].map((options) => Bun.serve({ ...options, ...handling() }))

process.on('SIGHUP', () => {
  generation++
  for (const server of servers) server.reload(handling())
})
