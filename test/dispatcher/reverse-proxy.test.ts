import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { listen, onRequests, rawOrigin } from '../servers/origin.js'

const LENGTH = 100_000

type Send = (request: http.IncomingMessage) => Promise<number>

/** What a reverse proxy does with a request: hands it on as a body, and answers what comes, or 502. */
async function reverseProxy(send: Send): Promise<{ port: number; close(): Promise<void> }> {
  const server = http.createServer(async (request, reply) => {
    if (request.method === 'GET') return void reply.end('next')
    reply.statusCode = await send(request).catch(() => 502)
    reply.end('answered')
  })
  const { url, close } = await listen(server)
  return { port: Number(new URL(url).port), close }
}

function post(dispatcher: Dispatcher, options: object = {}): Send {
  return async (request) => {
    const headers = { 'content-length': request.headers['content-length'] as string }
    const upstreamOptions = { path: '/', method: 'POST', headers, body: request, ...options }
    const { statusCode, body } = await dispatcher.request(upstreamOptions as never)
    await body.dump()
    return statusCode
  }
}

/** Sends the head and a byte, the rest once it was answered, and another request on the same connection. */
async function answersTo(port: number): Promise<(string | undefined)[]> {
  const socket = net.connect(port, '127.0.0.1')
  let received = ''
  socket.on('data', (piece) => {
    received += piece
  })
  const until = async (text: string) => {
    while (!received.includes(text))
      await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => (received += text))])
  }
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${LENGTH}\r\n\r\na`)
  await until('answered')
  socket.write('b'.repeat(LENGTH - 1))
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('next')
  socket.destroy()
  return received.match(/HTTP\/1.1 \d+/g) as string[]
}

async function origin(respond: (socket: Socket) => void): Promise<{ url: string; close(): Promise<void> }> {
  return rawOrigin((socket) => onRequests(socket, () => respond(socket)))
}

const ways: Record<string, { status: number; respond: (socket: Socket) => void; options?: () => object }> = {
  'is answered early': {
    status: 413,
    respond: (socket) => socket.write('HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n'),
  },
  'loses its connection': { status: 502, respond: (socket) => socket.resetAndDestroy() },
  'is answered by garbage': { status: 502, respond: (socket) => socket.write('nonsense\r\n\r\n') },
  'runs out of time': { status: 502, respond: () => {}, options: () => ({ timeouts: { total: 50 } }) },
  'is aborted': { status: 502, respond: () => {}, options: () => ({ signal: AbortSignal.timeout(50) }) },
  'has bad options': { status: 502, respond: () => {}, options: () => ({ path: 'no path' }) },
  'has another length': { status: 502, respond: () => {}, options: () => ({ headers: { 'content-length': '0' } }) },
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  'Pool with a factory': (url) => new Pool(url, { factory: (at) => new Client(at) }),
  'Pool with interceptors': (url) =>
    new Pool(url).compose(interceptors.retry({ maxRetries: 1, minTimeout: 1 }), interceptors.redirect()),
}

for (const [way, { status, respond, options = () => ({}) }] of Object.entries(ways)) {
  t.test(`the proxy responds, also to a next request on the connection, when a body ${way}`, async (t) => {
    const { url, close } = await origin(respond)
    for (const [name, make] of Object.entries(dispatchers)) {
      const dispatcher = make(url)
      const proxy = await reverseProxy((request) => post(dispatcher, options())(request))
      t.strictSame(await answersTo(proxy.port), [`HTTP/1.1 ${status}`, 'HTTP/1.1 200'], name)
      await proxy.close()
      await dispatcher.destroy()
    }
    await close()
  })
}

t.test('the proxy responds when nothing was sent: no connection, a closed client', async (t) => {
  const unbound = net.createServer().listen(0, '127.0.0.1')
  await once(unbound, 'listening')
  const { port } = unbound.address() as AddressInfo
  unbound.close()
  const closed = new Client('http://localhost')
  await closed.close()
  for (const dispatcher of [new Client(`http://127.0.0.1:${port}`), new Pool(`http://127.0.0.1:${port}`), closed]) {
    const proxy = await reverseProxy(post(dispatcher))
    t.strictSame(await answersTo(proxy.port), ['HTTP/1.1 502', 'HTTP/1.1 200'])
    await proxy.close()
    await dispatcher.destroy()
  }
})
