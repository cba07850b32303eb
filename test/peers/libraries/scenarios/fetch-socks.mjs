import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { socksConnector, socksDispatcher } from 'fetch-socks'
import { Agent, Client, Pool, request } from 'undici'
import { failure, listenTls, mirror, scenario, service, tls } from './harness.mjs'

/** A SOCKS5 proxy (RFC 1928, 1929) for TCP, by names and by addresses; all names are loopback. */
async function socksProxy(context, user) {
  const connects = []
  const sockets = new Set()
  const server = net.createServer(async (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const read = reader(socket)
    const [, count] = await read(2)
    await read(count)
    socket.write(Buffer.of(5, user === undefined ? 0 : 2))
    if (user !== undefined) {
      const [, length] = await read(2)
      const name = String(await read(length))
      const password = String(await read((await read(1))[0]))
      const known = `${name}:${password}` === user
      socket.write(Buffer.of(1, known ? 0 : 1))
      if (!known) return socket.end()
    }
    const [, , , type] = await read(4)
    const host = type === 3 ? String(await read((await read(1))[0])) : (await read(4)).join('.')
    const port = (await read(2)).readUInt16BE()
    connects.push(`${host}:${port}`)
    const upstream = net.connect(port, '127.0.0.1')
    upstream.on('error', () => socket.destroy())
    upstream.on('connect', () => {
      socket.write(Buffer.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 0))
      socket.pipe(upstream).pipe(socket)
    })
    socket.on('close', () => upstream.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  context.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { connects, options: { type: 5, host: '127.0.0.1', port: server.address().port } }
}

/** Reads so many bytes from a socket, and leaves the rest in it. */
function reader(socket) {
  return async (length) => {
    for (;;) {
      const bytes = length === 0 ? Buffer.alloc(0) : socket.read(length)
      if (bytes !== null) return bytes
      await once(socket, 'readable')
    }
  }
}

const big = randomBytes(1_000_000)

scenario('sends requests through a SOCKS proxy', async (context) => {
  const one = await service(context, { '/': mirror, '/size': (_q, response, body) => response.end(`${body.length}`) })
  const proxy = await socksProxy(context)
  const dispatcher = socksDispatcher(proxy.options, { connections: 2 })
  context.after(() => dispatcher.destroy())
  assert.equal((await (await request(one.url, { dispatcher })).body.json()).method, 'GET')
  const { body } = await request(`${one.url}/size`, { method: 'PUT', body: big, dispatcher })
  assert.equal(await body.text(), String(big.length))
  assert.equal((await (await fetch(one.url, { dispatcher })).json()).method, 'GET')
  assert.ok(proxy.connects.every((one_) => one_ === `127.0.0.1:${one.port}`))
  assert.equal(proxy.connects.length, one.connections())
})

scenario('resolves names in the proxy, and authenticates', async (context) => {
  const one = await service(context, { '/': mirror })
  const proxy = await socksProxy(context, 'me:secret')
  const dispatcher = socksDispatcher({ ...proxy.options, userId: 'me', password: 'secret' })
  context.after(() => dispatcher.destroy())
  const { body } = await request(`http://name.example:${one.port}/`, { dispatcher })
  assert.equal((await body.json()).headers.host, `name.example:${one.port}`)
  assert.deepEqual(proxy.connects, [`name.example:${one.port}`])
  const wrong = socksDispatcher({ ...proxy.options, userId: 'me', password: 'wrong' })
  context.after(() => wrong.destroy())
  assert.match((await failure(request(one.url, { dispatcher: wrong }))).message, /authentication/i)
})

scenario('chains two proxies, and works as connector of each dispatcher', async (context) => {
  const one = await service(context, { '/': mirror })
  const [first, second] = [await socksProxy(context), await socksProxy(context)]
  const connect = socksConnector([first.options, second.options])
  for (const dispatcher of [
    new Client(one.url, { connect }),
    new Pool(one.url, { connect, connections: 2 }),
    new Agent({ connect }),
  ]) {
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => (await request(one.url, { dispatcher })).body.json()),
    )
    assert.equal(answers.length, 5)
    await dispatcher.close()
  }
  assert.deepEqual([...new Set(first.connects)], [`127.0.0.1:${second.options.port}`])
  assert.deepEqual([...new Set(second.connects)], [`127.0.0.1:${one.port}`])
})

scenario('connects directly without a proxy', async (context) => {
  const one = await service(context, { '/': mirror })
  const dispatcher = socksDispatcher([])
  context.after(() => dispatcher.destroy())
  assert.equal((await request(one.url, { dispatcher })).statusCode, 200)
})

scenario('connects with TLS through the tunnel', async (context) => {
  const one = await listenTls(context, (request, response) => response.end(`${request.method} ${request.url}`))
  const proxy = await socksProxy(context)
  const { ca } = tls()
  const dispatcher = socksDispatcher(proxy.options, { connect: { ca } })
  context.after(() => dispatcher.destroy())
  for (const url of [one.url, one.url.replace('127.0.0.1', 'localhost')]) {
    const { body } = await request(`${url}/a`, { dispatcher })
    assert.equal(await body.text(), 'GET /a')
    assert.equal(await (await fetch(`${url}/b`, { dispatcher })).text(), 'GET /b')
  }
  assert.deepEqual([...new Set(proxy.connects)].sort(), [`127.0.0.1:${one.port}`, `localhost:${one.port}`])
  const other = request(one.url.replace('127.0.0.1', 'other.example'), { dispatcher })
  assert.equal((await failure(other)).code, 'ERR_TLS_CERT_ALTNAME_INVALID')
  const distrusting = socksDispatcher(proxy.options)
  context.after(() => distrusting.destroy())
  assert.match((await failure(request(one.url, { dispatcher: distrusting }))).code, /CERT|ISSUER/)
})

scenario('connects through an HTTP proxy first', async (context) => {
  const one = await service(context, { '/': mirror })
  const proxy = await socksProxy(context)
  const tunnels = []
  const http = await service(context, {})
  http.server.on('connect', (request, socket, head) => {
    tunnels.push(request.url)
    const upstream = net.connect(Number(request.url.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
  })
  const through = socksConnector(proxy.options)
  const client = new Client(http.url)
  context.after(() => client.destroy())
  const connect = async (options, callback) => {
    const { socket, statusCode } = await client.connect({ path: `127.0.0.1:${proxy.options.port}` })
    assert.equal(statusCode, 200)
    through({ ...options, httpSocket: socket }, callback)
  }
  const dispatcher = new Agent({ connect })
  context.after(() => dispatcher.destroy())
  assert.equal((await (await request(one.url, { dispatcher })).body.json()).method, 'GET')
  assert.deepEqual(tunnels, [`127.0.0.1:${proxy.options.port}`])
  assert.deepEqual(proxy.connects, [`127.0.0.1:${one.port}`])
})
