import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { Agent, BalancedPool, buildConnector, Client, Pool } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { event, httpOrigin, listen, onRequests, rawOrigin, response } from '../servers/origin.js'

async function collect(socket: Duplex): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

t.test('upgrade() returns the socket, with the bytes behind the headers first', async (t) => {
  const server = http.createServer()
  server.on('upgrade', (request, socket: Socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${request.headers.upgrade}\r\n\r\nearly `,
    )
    socket.pipe(socket)
  })
  const origin = await listen(server)
  const client = new Client(origin.url)
  const disconnected = event<[URL, Client[], Error]>(client, 'disconnect')
  const { headers, socket, statusCode, opaque } = await client.upgrade({ path: '/', protocol: 'echo', opaque: 7 })
  t.equal(statusCode, 101)
  t.equal(headers.upgrade, 'echo')
  t.equal(opaque, 7)
  t.equal((await disconnected)[2].message, 'upgrade')
  t.strictSame({ ...client.stats }, { connected: false, pending: 0, running: 0, size: 0 })
  const text = collect(socket)
  const big = 'z'.repeat(1_000_000)
  socket.write('late ')
  socket.end(big)
  t.equal(await text, `early late ${big}`)
  await client.close()
  await origin.close()
})

t.test('an upgraded socket emits close even if it is not read', async (t) => {
  const ca = await authority()
  const accept = (_request: http.IncomingMessage, socket: Duplex) => {
    socket.write('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    socket.resume().on('end', () => socket.end())
  }
  const plain = await listen(http.createServer().on('upgrade', accept))
  const secure = await listen(https.createServer(await serverIdentity(ca)).on('upgrade', accept), {
    protocol: 'https:',
  })
  const connector = buildConnector()
  const clients = [
    new Client(plain.url),
    new Client(secure.url, { connect: { ca: ca.cert } }),
    new Client(plain.url, { connect: (options, callback) => connector(options, callback) }),
  ]
  for (const client of clients) {
    const { socket } = await client.upgrade({ path: '/' })
    const ended = event(socket, 'end')
    t.equal(socket.isPaused(), false)
    socket.end()
    await ended
    await client.close()
  }
  await plain.close()
  await secure.close()
})

t.test('CONNECT opens a tunnel with backpressure both ways', async (t) => {
  const server = http.createServer()
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    t.equal(request.url, 'example.com:443')
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    socket.write(head)
    socket.pipe(socket)
  })
  const origin = await listen(server)
  const client = new Client(origin.url)
  const { socket } = await client.connect({ path: 'example.com:443' })
  let received = 0
  const total = 3_000_000
  socket.write(Buffer.alloc(total))
  socket.end()
  for await (const chunk of socket) {
    received += chunk.length
    await new Promise(setImmediate)
  }
  t.equal(received, total)
  await client.close()
  await origin.close()
})

t.test('reports a refused tunnel or upgrade as a response', async (t) => {
  const origin = await httpOrigin((_request, reply) => {
    reply.statusCode = 403
    reply.end('no')
  })
  const server = http.createServer((_request, reply) => void reply.writeHead(426).end('plain'))
  server.on('connect', (_request, socket: Socket) =>
    socket.end('HTTP/1.1 407 Auth\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno'),
  )
  const proxy = await listen(server)
  const client = new Client(origin.url)
  await t.rejects(client.upgrade({ path: '/' }), {
    code: 'UND_ERR_SOCKET',
    message: /refused the upgrade with status 403/,
  })
  await client.close()
  const tunnel = new Client(proxy.url)
  const refused = await tunnel.connect({ path: 'x:1', opaque: 'mine' })
  t.match(refused, { statusCode: 407, headers: { 'content-length': '2' }, opaque: 'mine' })
  t.equal(await collect(refused.socket), 'no', 'the socket yields the body of the refusal')
  await new Promise<void>((resolve) => {
    tunnel.connect({ path: 'x:1' }, (error, data) => {
      t.equal(error, null)
      t.equal(data.statusCode, 407)
      data.socket.destroy()
      resolve()
    })
  })
  await t.rejects(tunnel.connect(null as never), { code: 'UND_ERR_INVALID_ARG' })
  await t.rejects(tunnel.upgrade(null as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => tunnel.connect({ path: 'x:1' }, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => tunnel.upgrade({ path: '/' }, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  const abort = new AbortController()
  abort.abort(new Error('before'))
  await t.rejects(tunnel.connect({ path: 'x:1', signal: abort.signal }), { message: 'before' })
  await tunnel.close()
  await origin.close()
  await proxy.close()
})

t.test('close() waits for the response to a refused CONNECT, and later requests use another connection', async (t) => {
  let finish = () => {}
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (head.startsWith('GET')) return socket.write(response('ok'))
      socket.write('HTTP/1.1 407 Auth\r\ncontent-length: 4\r\n\r\nno')
      finish = () => socket.write('ne')
    }),
  )
  for (const make of [
    () => new Client(origin.url),
    () => new Pool(origin.url, { connections: 1 }),
    () => new BalancedPool([origin.url]),
    () => new Agent(),
  ]) {
    const dispatcher = make()
    const text: string[] = []
    await new Promise<void>((resolve, reject) => {
      dispatcher.dispatch(
        { path: 'target:1', method: 'CONNECT', origin: origin.url },
        {
          onRequestUpgrade: (_controller, _status, _headers, socket) => void socket.destroy(),
          onResponseStart() {
            dispatcher
              .request({ path: '/', method: 'GET', origin: origin.url })
              .then(({ body }) => body.text())
              .then(async (answer) => {
                t.equal(answer, 'ok')
                const closed = dispatcher.close()
                await new Promise(setImmediate)
                finish()
                await closed
                text.push(' closed')
                resolve()
              })
              .catch(reject)
          },
          onResponseData: (_controller, chunk) => void text.push(String(chunk)),
          onResponseError: (_controller, error) => reject(error),
        },
      )
    })
    t.equal(text.join(''), 'none closed', dispatcher.constructor.name)
  }
  await origin.close()
})

t.test('closes the connection on an unrequested 101', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, () => socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n${response('evil')}`))
  })
  const client = new Client(origin.url)
  await t.rejects(client.request({ path: '/', method: 'GET' }), { code: 'HPE_INVALID_UPGRADE' })
  await client.close()
  await origin.close()
})

t.test('a 101 without an upgrade header fails the upgrade', async (t) => {
  const heads: [string, boolean][] = [
    ['HTTP/1.1 101\r\nhello: world\r\nconnection: upgrade\r\n\r\n', false],
    ['HTTP/1.1 101 S\r\nconnection: upgrade\r\n\r\n', false],
    ['HTTP/1.1 101\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', true],
    ['HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', true],
  ]
  for (const parser of ['wasm', 'js'] as const) {
    for (const [head, upgrades] of heads) {
      for (let split = 0; split < head.length; split++) {
        const origin = await rawOrigin((socket) =>
          onRequests(socket, () => {
            socket.write(head.slice(0, split))
            setImmediate(() => socket.end(`${head.slice(split)}early`))
          }),
        )
        const client = new Client(origin.url, { parser })
        const answer = client.upgrade({ path: '/', protocol: 'x' })
        if (upgrades) t.equal(await collect((await answer).socket), 'early', `${head} at ${split}`)
        else await t.rejects(answer, { code: 'UND_ERR_SOCKET', message: /upgrade/ }, `${head} at ${split}`)
        await client.destroy()
        await origin.close()
      }
    }
  }
})

t.test('HEAD can request an upgrade, and has no body if it is refused', async (t) => {
  const server = http.createServer()
  server.on('upgrade', (request, socket: Socket) => {
    if (request.url === '/refuse') return void socket.write('HTTP/1.1 426 No\r\ncontent-length: 5\r\n\r\n')
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n${request.method}`)
  })
  const origin = await listen(server)
  for (const parser of ['wasm', 'js'] as const) {
    const client = new Client(origin.url, { parser })
    const { socket } = await client.upgrade({ path: '/', method: 'HEAD', protocol: 'echo' })
    t.equal(await collect(socket), 'HEAD')
    const received: unknown[] = []
    await new Promise<void>((resolve) => {
      const handler = {
        onRequestUpgrade() {},
        onResponseStart: (_: unknown, statusCode: number) => void received.push(statusCode),
        onResponseData: (_: unknown, chunk: Buffer) => void received.push(chunk),
        onResponseEnd: () => resolve(),
        onResponseError: (_: unknown, error: Error) => resolve(void received.push(error)),
      }
      client.dispatch({ path: '/refuse', method: 'HEAD', upgrade: 'echo' }, handler)
    })
    t.strictSame(received, [426], 'completes without waiting for a body')
    await client.destroy()
  }
  await origin.close()
})

t.test('upgrade() supports raw headers and a callback, and can be aborted while queued', async (t) => {
  const server = http.createServer()
  const sockets: Duplex[] = []
  server.on('upgrade', (_request, socket: Socket) => {
    sockets.push(socket)
    if (sockets.length === 1) socket.write('HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n')
  })
  const origin = await listen(server)
  const client = new Client(origin.url)
  await new Promise<void>((resolve) => {
    client.upgrade({ path: '/', responseHeaders: 'raw' }, (error, data) => {
      t.equal(error, null)
      t.strictSame(data.headers, ['Upgrade', 'x'])
      data.socket.destroy()
      resolve()
    })
  })
  const abort = new AbortController()
  const waiting = client.upgrade({ path: '/', signal: abort.signal })
  setImmediate(() => abort.abort(new Error('changed my mind')))
  await t.rejects(waiting, { message: 'changed my mind' })
  await client.close()
  await origin.close()
})

t.test('another client works over a tunnel', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      if (head.startsWith('CONNECT')) socket.write('HTTP/1.1 200 OK\r\n\r\n')
      else socket.write(response(head.split(' ')[1] as string))
    })
  })
  const outer = new Client(origin.url)
  const { socket } = await outer.connect({ path: 'inside:80' })
  const inner = new Client('http://inside', { connect: (_options, callback) => callback(null, socket) })
  for (const path of ['/a', '/b']) {
    const { body } = await inner.request({ path, method: 'GET' })
    t.equal(await body.text(), path)
  }
  await Promise.all([inner.close(), outer.close()])
  await origin.close()
})
