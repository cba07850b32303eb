// Node's server as a process: `node service/node.js '{…}'`. SIGHUP replaces the running worker.
import cluster, { type Worker } from 'node:cluster'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { createSecureContext } from 'node:tls'
import type { Order } from './content.js'
import { listenerOf } from './routes.js'
import { serveTunnels } from './websocket.js'

const order = JSON.parse(process.argv[2] as string) as Order
const { ports, folder, home } = order

let ending = false

function serve(): http.Server[] {
  const file = (name: string) => readFileSync(`${folder}/${name}`, 'utf8')
  const identity = { cert: file('server.pem'), key: file('server.key') }
  const other = createSecureContext({ cert: file('other.pem'), key: file('other.key') })
  const SNICallback: https.ServerOptions['SNICallback'] = (name, done) =>
    done(null, name === 'other.example' ? other : undefined)
  const generation = `generation-${process.env.GENERATION}`
  const listener = listenerOf({ ...order, generation })
  const servers: [http.Server, number | string][] = [
    [http.createServer(), ports.plain],
    [http.createServer(), `${home}/service.sock`],
    [https.createServer({ ...identity, SNICallback }), ports.secure],
    [https.createServer({ ...identity, ca: file('ca.pem'), requestCert: true }), ports.mutual],
    [http.createServer(), ports.short],
  ]
  for (const [server, where] of servers) {
    server.keepAliveTimeout = where === ports.short ? 200 : 60_000
    if (where === ports.short) server.maxRequestsPerSocket = 3
    server.on('request', (request, reply) => {
      // `close` does not close connections that are not idle at that moment.
      if (ending) reply.shouldKeepAlive = false
      listener(request, reply)
    })
    serveTunnels(server)
    if (typeof where === 'string') server.listen(where)
    else server.listen(where, '127.0.0.1')
  }
  return servers.map(([server]) => server)
}

function fork(generation: number): Promise<Worker> {
  const worker = cluster.fork({ GENERATION: String(generation) })
  return new Promise((resolve) => worker.on('message', () => resolve(worker)))
}

async function supervise(): Promise<void> {
  let generation = 0
  let current = await fork(generation)
  net.createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(ports.echo, '127.0.0.1')
  process.on('SIGHUP', async () => {
    const next = await fork(++generation)
    current.send('end')
    current = next
  })
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
    process.exit()
  })
}

if (cluster.isPrimary) await supervise()
else {
  const servers = serve()
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))))
  process.send?.('listening')
  process.on('message', async () => {
    ending = true
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    // Not `process.disconnect`: a connection that the primary passes at this moment would be lost.
    cluster.worker?.disconnect()
  })
}
