import http from 'node:http'
import https from 'node:https'
import net, { type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import t from 'tap'
import { buildConnector, Client } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { event, listen, type Origin } from '../servers/origin.js'

const identities = (async () => {
  const ca = await authority()
  return { ca: ca.cert, server: await serverIdentity(ca) }
})()

const BIG = Buffer.alloc(700_000, 'abcdefghij')

/** Accepts upgrades and CONNECT, then runs the server part of the test. */
async function accepting(secure: boolean, then: (socket: Duplex) => void): Promise<Origin> {
  const { server } = await identities
  const listener = (_request: http.IncomingMessage, reply: http.ServerResponse) => void reply.end('x')
  const origin = secure ? https.createServer(server, listener) : http.createServer(listener)
  const accept = (line: string) => (_request: http.IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {})
    socket.write(`${line}\r\n\r\n`)
    then(socket)
  }
  origin.on('upgrade', accept('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x'))
  origin.on('connect', accept('HTTP/1.1 200 OK'))
  return listen(origin, { protocol: secure ? 'https:' : 'http:' })
}

const ways: Record<string, (client: Client) => Promise<Socket>> = {
  upgrade: async (client) => (await client.upgrade({ path: '/' })).socket as Socket,
  connect: async (client) => (await client.connect({ path: 'x:1' })).socket as Socket,
  'connect with timings': async (client) =>
    (await client.connect({ path: 'x:1', timings: true } as never)).socket as Socket,
  'upgrade behind a request': async (client) => {
    await (await client.request({ path: '/', method: 'GET' })).body.dump()
    return (await client.upgrade({ path: '/' })).socket as Socket
  },
}

/** Returns all visible properties of a socket, without addresses and counts. */
function looks(socket: Socket) {
  return {
    own: Reflect.ownKeys(socket).map(String).sort(),
    // Node adds its own listener with the first `session` listener.
    listeners: socket
      .eventNames()
      .filter((name) => name !== 'newListener')
      .flatMap((name) => socket.listeners(name).map(() => String(name)))
      .sort(),
    paused: socket.isPaused(),
    flowing: socket.readableFlowing,
    encoding: socket.readableEncoding,
    length: socket.readableLength,
    allowHalfOpen: socket.allowHalfOpen,
    timeout: socket.timeout,
    destroy: socket.destroy === Object.getPrototypeOf(socket).destroy,
  }
}

async function fresh(origin: Origin, secure: boolean): Promise<Socket> {
  const { ca } = await identities
  const place = { port: origin.port, host: '127.0.0.1' }
  const socket = secure ? tls.connect({ ...place, ca }) : net.connect(place)
  socket.setNoDelay(true).setKeepAlive(true, 60_000)
  await event(socket, secure ? 'secureConnect' : 'connect')
  return socket
}

for (const secure of [false, true]) {
  const protocol = secure ? 'https' : 'http'

  t.test(`a socket passed to the caller has no listener or property of sluice (${protocol})`, async (t) => {
    const { ca } = await identities
    const origin = await accepting(secure, (socket) => socket.pipe(socket))
    const model = await fresh(origin, secure)
    model.on('error', () => {})
    const base = buildConnector({ ca })
    for (const [name, open] of Object.entries(ways)) {
      for (const connect of [{ ca }, (options: never, callback: never) => base(options, callback)]) {
        const client = new Client(origin.url, { connect: connect as never })
        const socket = await open(client)
        // Before the caller adds an error listener, an error must not be an uncaught exception.
        socket.on('error', () => {})
        t.strictSame(looks(socket), looks(model), `${name}, ${typeof connect}`)
        socket.destroy()
        await client.close()
      }
    }
    model.destroy()
    await origin.close()
  })

  t.test(`a socket passed to the caller reads like a new one (${protocol})`, async (t) => {
    const { ca } = await identities
    const origin = await accepting(secure, (socket) => socket.pipe(socket))
    const readers: Record<string, (socket: Socket) => Promise<string>> = {
      async iterated(socket) {
        let text = ''
        for await (const chunk of socket) text += chunk
        return text
      },
      async 'iterated in text'(socket) {
        let text = ''
        for await (const chunk of socket.setEncoding('latin1')) {
          if (typeof chunk !== 'string') throw new Error('no text')
          text += chunk
        }
        return text
      },
      async 'read by hand'(socket) {
        let text = ''
        socket.on('readable', () => {
          for (
            let chunk = socket.read(1000) ?? socket.read();
            chunk !== null;
            chunk = socket.read(1000) ?? socket.read()
          )
            text += chunk
        })
        await event(socket, 'end')
        return text
      },
      async 'paused in between'(socket) {
        let text = ''
        socket.pause()
        await new Promise(setImmediate)
        socket.on('data', (chunk) => {
          text += chunk
          socket.pause()
          setImmediate(() => socket.resume())
        })
        socket.resume()
        await event(socket, 'end')
        return text
      },
      async piped(socket) {
        let text = ''
        const { PassThrough } = await import('node:stream')
        for await (const chunk of socket.pipe(new PassThrough({ highWaterMark: 1 }))) text += chunk
        return text
      },
    }
    for (const [name, read] of Object.entries(readers)) {
      for (const [way, open] of Object.entries(ways)) {
        const client = new Client(origin.url, { connect: { ca } })
        const socket = await open(client)
        const text = read(socket)
        socket.end(BIG)
        t.ok((await text) === BIG.toString(), `${way}, ${name}`)
        await client.close()
      }
    }
    await origin.close()
  })

  t.test(`chunks read from a socket passed to the caller belong to the caller (${protocol})`, async (t) => {
    const { ca } = await identities
    const origin = await accepting(secure, (socket) => socket.pipe(socket))
    const client = new Client(origin.url, { connect: { ca } })
    const { socket } = await client.upgrade({ path: '/' })
    for (const text of ['one', 'two', 'three']) {
      socket.write(text)
      const [chunk] = await event<[Buffer]>(socket, 'data')
      t.equal(String(chunk), text)
      structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] })
      t.equal(String(Buffer.from('as ever')), 'as ever')
      t.equal(chunk.length, 0)
    }
    socket.destroy()
    await client.close()
    await origin.close()
  })

  t.test(`TLS, an HTTP client and an HTTP server work over a socket passed to the caller (${protocol})`, async (t) => {
    const { ca, server } = await identities
    const serve: http.RequestListener = (request, reply) => void reply.end(`${request.url} ${BIG}`)
    const inner = { http: http.createServer(serve), https: https.createServer(server, serve) }
    let kind: 'http' | 'https' | 'asks' = 'http'
    const responses: Promise<string>[] = []
    const origin = await accepting(secure, (socket) => {
      if (kind !== 'asks') return void inner[kind].emit('connection', socket)
      const request = http.get({ createConnection: () => socket as Socket, path: '/asked' })
      responses.push(textOf(request))
    })
    for (const [way, open] of Object.entries(ways)) {
      const client = new Client(origin.url, { connect: { ca } })
      kind = 'https'
      const over = tls.connect({ socket: await open(client), ca, servername: 'localhost' })
      const secured = http.get({ createConnection: () => over, path: '/secured' })
      t.ok((await textOf(secured)) === `/secured ${BIG}`, `TLS, ${way}`)
      kind = 'http'
      const socket = await open(client)
      t.ok(
        (await textOf(http.get({ createConnection: () => socket, path: '/plain' }))) === `/plain ${BIG}`,
        `HTTP, ${way}`,
      )
      kind = 'asks'
      http.createServer(serve).emit('connection', await open(client))
      t.ok((await responses.pop()) === `/asked ${BIG}`, `a server, ${way}`)
      await client.close()
    }
    await origin.close()
  })
}

async function textOf(request: http.ClientRequest): Promise<string> {
  const [response] = await event<[http.IncomingMessage]>(request, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  request.destroy()
  return text
}

t.test('a failed write destroys a socket passed to the caller', async (t) => {
  const origin = await accepting(false, (socket) => socket.pipe(socket))
  const client = new Client(origin.url)
  const { socket } = await client.upgrade({ path: '/' })
  socket.on('error', () => {})
  socket.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))
  t.equal(socket.destroyed, true)
  await client.close()
  await origin.close()
})
