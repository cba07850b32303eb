import { createSocket } from 'node:dgram'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { authority, serverIdentity } from '../servers/certificates.js'
import { bytes } from './bytes.js'
import { responseTo, type Zone } from './dns.js'

/** A command from the test to the servers of the far side. */
export type Command =
  | { do: 'release' }
  | { do: 'counts' }
  /** Closes idle connections. */
  | { do: 'hang up' }
  | { do: 'names'; zone: Zone }

/** Callbacks that release delayed responses. */
const held: (() => void)[] = []
/** Number of executions by path. A POST is executed when its body is complete. */
const counts: Record<string, number> = {}

function answer(request: IncomingMessage, reply: ServerResponse): void {
  const [, name, count = '0'] = (request.url as string).split('/')
  const pieces: Buffer[] = []
  request.on('error', () => {})
  reply.on('error', () => {})
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', () => {
    const path = `${request.method} ${request.url}`
    counts[path] = (counts[path] ?? 0) + 1
    if (name === 'bytes') return void reply.end(bytes(Number(count)))
    if (name === 'echo') return void reply.end(Buffer.concat(pieces))
    if (name === 'where') return void reply.end(request.socket.localAddress)
    if (name === 'hold') return void held.push(() => reply.end('held'))
    if (name === 'paced') return sendSlowly(reply, Number(count))
    // Sends half a body, and the rest when it is released.
    const half = bytes(2000)
    reply.writeHead(200, { 'content-length': half.length })
    reply.write(half.subarray(0, 1000))
    held.push(() => reply.end(half.subarray(1000)))
  })
}

/** Sends `count` bytes in chunks of 1000, about one per ms. */
function sendSlowly(reply: ServerResponse, count: number): void {
  const body = bytes(count)
  const next = (at: number) => {
    if (at >= count) return void reply.end()
    reply.write(body.subarray(at, at + 1000))
    setTimeout(next, 1, at + 1000)
  }
  next(0)
}

async function main(): Promise<void> {
  const ca = await authority()
  const options = { keepAliveTimeout: 60_000 }
  const plain = http.createServer(options, answer)
  const secure = https.createServer({ ...options, ...(await serverIdentity(ca, 'far.test')) }, answer)
  const port = Number(process.argv[2] ?? 0)
  const listen = (server: http.Server | https.Server, on: number) =>
    new Promise<number>((resolve) => {
      server.listen(on, '::', () => resolve((server.address() as { port: number }).port))
    })
  let zone: Zone = {}
  const resolver = createSocket('udp4', (query, from) => {
    const response = responseTo(query, zone)
    if (response !== null) resolver.send(response, from.port, from.address)
  })
  await new Promise<void>((resolve) => resolver.bind(53, resolve))
  process.on('message', (command: Command) => {
    if (command.do === 'release') for (const release of held.splice(0)) release()
    if (command.do === 'hang up') plain.closeIdleConnections()
    if (command.do === 'names') zone = command.zone
    process.send?.({ ...counts })
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ port: await listen(plain, port), securePort: await listen(secure, 0), ca: ca.cert })
}

await main()
