import http from 'node:http'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  buildConnector,
  Client,
  type Dispatcher,
  interceptors,
  Pool,
  RoundRobinPool,
} from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { Listener } from '../servers/listener.js'
import {
  event,
  httpOrigin,
  httpsOrigin,
  listen,
  type Origin,
  onRequests,
  rawOrigin,
  response,
} from '../servers/origin.js'
import { freePort } from '../servers/program.js'
import { Recorder } from '../servers/recorder.js'

/** An origin that answers each request with its own fields. */
function mirror(): Promise<Origin> {
  return httpOrigin((request, reply) => {
    request.resume().on('end', () => {
      reply.sendDate = false
      reply.setHeader('X-Reply', 'yes')
      reply.end(JSON.stringify(request.rawHeaders))
    })
  })
}

const answered = ['request:headers', 'request:bodyChunkReceived', 'request:trailers']
const get = { path: '/', method: 'GET' }

t.test('a GET publishes messages from its creation to its end', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const listener = new Listener()
  const headers = { Accept: '*/*', list: ['1', '2'], number: 5 }
  const { body } = await client.request({ path: '/a', query: { b: 'c' }, method: 'GET', headers })
  const text = await body.text()
  listener.close()
  t.strictSame(listener.channels(), [
    'request:create',
    'client:beforeConnect',
    'client:connected',
    'client:sendHeaders',
    'request:bodySent',
    ...answered,
  ])
  const [{ request }] = listener.of('request:create')
  t.equal(listener.channels(request).length, 6, 'all messages about it hold the same object')
  t.match(request, { origin: origin.url, method: 'GET', path: '/a?b=c', completed: true, aborted: false })
  t.strictSame(request.headers, ['Accept', '*/*', 'list', '1', 'list', '2', 'number', '5'])

  const host = `127.0.0.1:${origin.port}`
  const local = { host, hostname: '127.0.0.1', protocol: 'http:', port: String(origin.port) }
  const connectParams = { ...local, version: undefined, servername: null, localAddress: null }
  const [before] = listener.of('client:beforeConnect')
  const [connected] = listener.of('client:connected')
  const [sent] = listener.of('client:sendHeaders')
  t.strictSame(before.connectParams, connectParams)
  t.strictSame(connected.connectParams, { ...connectParams, version: 'h1' })
  t.type(before.connector, 'function')
  t.equal(connected.connector, before.connector)
  t.type(connected.socket, net.Socket)
  t.equal(sent.socket, connected.socket)
  const fields = [`host: ${host}`, 'connection: keep-alive', 'Accept: */*', 'list: 1', 'list: 2', 'number: 5']
  t.equal(sent.headers, ['GET /a?b=c HTTP/1.1', ...fields, ''].join('\r\n'))
  const [{ response }] = listener.of('request:headers')
  t.match(response, { statusCode: 200, statusText: 'OK' })
  t.ok(response.headers.every(Buffer.isBuffer))
  t.strictSame(response.headers.slice(0, 2).map(String), ['X-Reply', 'yes'])
  t.equal(String(listener.of('request:bodyChunkReceived')[0].chunk), text)
  t.strictSame(listener.of('request:trailers')[0].trailers, [])
  await client.close()
  await origin.close()
})

t.test('messages have the documented keys only', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const refused = new Client(`http://127.0.0.1:${await freePort()}`)
  const listener = new Listener()
  const { body } = await client.request({ path: '/', method: 'POST', body: 'text' })
  await body.dump()
  await t.rejects(refused.request(get))
  listener.close()
  const keys = Object.fromEntries(
    listener.messages.map(({ channel, message }) => [channel, Object.keys(message).sort()]),
  )
  t.strictSame(keys, {
    'request:create': ['request'],
    'request:bodyChunkSent': ['chunk', 'request'],
    'request:bodySent': ['request'],
    'request:headers': ['request', 'response'],
    'request:bodyChunkReceived': ['chunk', 'request'],
    'request:trailers': ['request', 'trailers'],
    'request:error': ['error', 'request'],
    'client:sendHeaders': ['headers', 'request', 'socket'],
    'client:beforeConnect': ['connectParams', 'connector'],
    'client:connected': ['connectParams', 'connector', 'socket'],
    'client:connectError': ['connectParams', 'connector', 'error', 'socket'],
  })
  const [{ request }] = listener.of('request:create')
  t.strictSame(Object.keys(request).sort(), ['aborted', 'completed', 'headers', 'method', 'origin', 'path'])
  await client.close()
  await refused.close()
  await origin.close()
})

t.test('each message is published before the callback of the handler', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (_head, index) => {
      if (index > 0) return socket.destroy()
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n',
      )
      socket.write('2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n')
    }),
  )
  const client = new Client(origin.url)
  const order: string[] = []
  const listener = new Listener(({ channel, message }) => {
    const { request } = message
    if (request !== undefined) order.push(`${channel} ${request.completed ? 'completed' : 'open'}`)
  })
  const recorder = new Recorder((name) => order.push(name))
  client.dispatch({ path: '/', method: 'POST', body: 'text' }, recorder)
  await recorder.ended
  t.strictSame(order, [
    'request:create open',
    'start',
    'client:sendHeaders open',
    'request:bodyChunkSent open',
    'request:bodySent open',
    'request:headers open',
    'head 103',
    'request:headers open',
    'head 200',
    'request:bodyChunkReceived open',
    'data',
    'request:trailers completed',
    'end',
  ])
  const heads = listener.of('request:headers').map(({ response }) => [response.statusCode, response.statusText])
  t.strictSame(heads, [
    [103, 'Early Hints'],
    [200, 'Fine'],
  ])
  t.strictSame(listener.of('request:trailers')[0].trailers, [Buffer.from('X-Sum'), Buffer.from('1')])

  order.length = 0
  const lost = new Recorder((name) => order.push(name))
  client.dispatch({ path: '/', method: 'POST' }, lost)
  await lost.ended
  listener.close()
  t.strictSame(order.slice(-2), ['request:error open', 'error'])
  t.equal(listener.of('request:error')[0].error, lost.error)
  await client.close()
  await origin.close()
})

t.test('each chunk of a body is published', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const bodies: [unknown, string[]][] = [
    [null, []],
    ['', []],
    ['héllo', ['héllo']],
    [new TextEncoder().encode('bytes'), ['bytes']],
    [Readable.from([Buffer.from('ab'), Buffer.from('cd')]), ['ab', 'cd']],
    [
      (function* () {
        yield 'ef'
        yield ''
        yield Buffer.from('gh')
      })(),
      ['ef', 'gh'],
    ],
    [new Blob(['blob']), ['blob']],
  ]
  for (const [body, pieces] of bodies) {
    const listener = new Listener()
    const { body: answer } = await client.request({ path: '/', method: 'POST', body: body as Readable })
    await answer.dump()
    listener.close()
    const [{ request }] = listener.of('request:create')
    t.equal(request.body === null, body === null)
    const chunks = pieces.map(() => 'request:bodyChunkSent')
    const sent = ['request:create', 'client:sendHeaders', ...chunks, 'request:bodySent']
    t.strictSame(listener.channels(request), [...sent, ...answered])
    t.strictSame(
      listener.of('request:bodyChunkSent').map(({ chunk }) => Buffer.from(chunk).toString()),
      pieces,
    )
  }
  await client.close()
  await origin.close()
})

t.test('a body that waits for 100 Continue is published when it is sent', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const client = new Client(origin.url)
  const listener = new Listener()
  const { body } = await client.request({ path: '/', method: 'POST', body: 'later', expectContinue: true })
  t.equal(await body.text(), 'later')
  listener.close()
  const [{ request }] = listener.of('request:create')
  const sent = ['request:create', 'client:sendHeaders', 'request:bodyChunkSent', 'request:headers', 'request:bodySent']
  t.strictSame(listener.channels(request).slice(0, 5).sort(), sent.sort())
  t.strictSame(
    listener.of('request:headers').map(({ response }) => response.statusCode),
    [100, 200],
  )
  await client.close()
  await origin.close()
})

t.test('a request that cannot be dispatched is not published', async (t) => {
  const client = new Client('http://127.0.0.1:1')
  const listener = new Listener()
  for (const options of [{ path: 'none' }, { headers: { 'a b': 'c' } }, { method: 5 }, { body: 5 }]) {
    await t.rejects(client.request({ ...get, ...options } as never), { code: /UND_ERR/ })
  }
  t.throws(() => client.dispatch(get, {} as never))
  await client.destroy()
  await t.rejects(client.request(get), { code: 'UND_ERR_DESTROYED' })
  listener.close()
  t.strictSame(listener.messages, [])
})

t.test('a failed connection is published, then each request that was queued for it', async (t) => {
  const port = await freePort()
  const client = new Client(`http://127.0.0.1:${port}`)
  const listener = new Listener()
  await Promise.all([1, 2].map(() => t.rejects(client.request(get), { code: 'ECONNREFUSED' })))
  listener.close()
  t.strictSame(listener.channels(), [
    'request:create',
    'client:beforeConnect',
    'request:create',
    'client:connectError',
    'request:error',
    'request:error',
  ])
  const [{ error, socket, connectParams, connector }] = listener.of('client:connectError')
  t.equal(error.code, 'ECONNREFUSED')
  t.type(socket, net.Socket)
  t.equal(connectParams.port, String(port))
  t.ok('version' in connectParams && connectParams.version === undefined)
  t.equal(connector, listener.of('client:beforeConnect')[0].connector)
  const created = listener.of('request:create').map(({ request }) => request)
  const failed = listener.of('request:error').map(({ request }) => request)
  t.strictSame(failed, created)
  t.ok(failed.every(({ completed, aborted }) => !completed && !aborted))
  await client.close()
})

t.test('an abort is published once, before and after the request was sent and during the response', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    if (request.url === '/answered') reply.write('the beginning')
  })
  const reason = new Error('enough')
  const last = { '/queued': 'request:create', '/sent': 'request:bodySent', '/answered': 'request:bodyChunkReceived' }
  for (const [path, channel] of Object.entries(last)) {
    const client = new Client(origin.url)
    const abort = new AbortController()
    const listener = new Listener((published) => {
      if (published.channel === channel) process.nextTick(() => abort.abort(reason))
    })
    const response = client.request({ path, method: 'GET', signal: abort.signal })
    await t.rejects(
      response.then(({ body }) => body.text()),
      reason,
    )
    await client.destroy()
    listener.close()
    const [{ request }] = listener.of('request:create')
    t.strictSame(listener.channels(request).slice(-2), [channel, 'request:error'])
    const errors = listener.of('request:error')
    t.equal(errors.length, 1)
    t.equal(errors[0].error, reason)
    t.match(request, { completed: false, aborted: true })
  }
  await origin.close()
})

t.test('requests failed by destroy() are published', async (t) => {
  const origin = await httpOrigin(() => {})
  const client = new Client(origin.url)
  const listener = new Listener()
  const rejected = [client.request(get), client.request(get)].map((request) =>
    t.rejects(request, { message: 'the end' }),
  )
  await event(client as never, 'connect')
  await client.destroy(new Error('the end'))
  await Promise.all(rejected)
  listener.close()
  t.equal(listener.of('request:error').length, 2)
  t.ok(listener.of('request:error').every(({ error }) => error.message === 'the end'))
  await origin.close()
})

t.test('an exception of a handler is published, at the end after the trailers', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  for (const place of ['start', 'head 200', 'data', 'end']) {
    const listener = new Listener()
    const recorder = new Recorder((name) => {
      if (name === place) throw new Error('thrown')
    })
    client.dispatch(get, recorder)
    const failed = new Promise((resolve) => {
      recorder.onResponseError = (_controller, error) => resolve(error)
    })
    const error = await failed
    listener.close()
    const [{ request }] = listener.of('request:create')
    t.equal(listener.of('request:error')[0].error, error, place)
    const expected = place === 'end' ? ['request:trailers', 'request:error'] : ['request:error']
    t.strictSame(listener.channels(request).slice(-expected.length), expected)
    t.equal(request.completed, place === 'end')
  }
  await client.destroy()
  await origin.close()
})

t.test('a replayed request has the same object, and publishes its headers again', async (t) => {
  const origin = await rawOrigin((socket, connection) =>
    onRequests(socket, (_head, index) => {
      if (connection === 0 && index === 1) socket.destroy()
      else socket.write(response('ok'))
    }),
  )
  const client = new Client(origin.url)
  await (await client.request(get)).body.dump()
  const listener = new Listener()
  await (await client.request({ path: '/again', method: 'GET' })).body.dump()
  listener.close()
  t.strictSame(listener.channels(), [
    'request:create',
    'client:sendHeaders',
    'request:bodySent',
    'client:beforeConnect',
    'client:connected',
    'client:sendHeaders',
    'request:bodySent',
    ...answered,
  ])
  const [{ request }] = listener.of('request:create')
  t.equal(listener.channels(request).length, 8)
  const [first, second] = listener.of('client:sendHeaders')
  t.equal(first.headers, second.headers)
  t.not(first.socket, second.socket)
  await client.close()
  await origin.close()
})

t.test('each attempt of an interceptor is published as a request', async (t) => {
  let requestCount = 0
  const origin = await httpOrigin((_request, reply) => {
    reply.statusCode = requestCount++ === 0 ? 503 : 200
    reply.end()
  })
  const client = new Client(origin.url)
  const retrying = client.compose(interceptors.retry({ minTimeout: 1 }))
  const listener = new Listener()
  await (await retrying.request(get)).body.dump()
  listener.close()
  const created = listener.of('request:create').map(({ request }) => request)
  t.equal(created.length, 2)
  t.not(created[0], created[1])
  t.strictSame(
    listener.of('request:headers').map(({ response }) => response.statusCode),
    [503, 200],
  )
  await client.close()
  await origin.close()
})

t.test('messages of pipelined requests have the object of their request', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url, { pipelining: 3 })
  const listener = new Listener()
  const responses = ['/1', '/2', '/3'].map((path) => client.request({ path, method: 'GET' }))
  for (const { body } of await Promise.all(responses)) await body.dump()
  listener.close()
  const created = listener.of('request:create').map(({ request }) => request)
  t.strictSame(
    created.map(({ path }) => path),
    ['/1', '/2', '/3'],
  )
  for (const request of created) {
    t.strictSame(listener.channels(request), ['request:create', 'client:sendHeaders', 'request:bodySent', ...answered])
  }
  t.strictSame(new Set(listener.of('client:sendHeaders').map(({ socket }) => socket)).size, 1)
  await client.close()
  await origin.close()
})

t.test('a pool publishes the creation of a request at dispatch, even if it is queued', async (t) => {
  const origin = await mirror()
  const pools: Dispatcher[] = [
    new Pool(origin.url, { connections: 1 }),
    new RoundRobinPool(origin.url, { connections: 1 }),
    new BalancedPool([origin.url], { connections: 1 }),
    new Agent({ connections: 1 }),
  ]
  for (const pool of pools) {
    const listener = new Listener()
    const responses = [1, 2, 3].map((index) => pool.request({ origin: origin.url, path: `/${index}`, method: 'GET' }))
    t.equal(listener.of('request:create').length, 3, pool.constructor.name)
    for (const { body } of await Promise.all(responses)) await body.dump()
    listener.close()
    const created = listener.of('request:create').map(({ request }) => request)
    t.equal(created.length, 3)
    t.ok(created.every((request) => listener.channels(request).length === 6 && request.completed))
    t.strictSame(
      created.map((request) => request.origin),
      [origin.url, origin.url, origin.url],
    )
    t.equal(listener.of('client:connected').length, 1)
    await pool.close()
  }
  await origin.close()
})

t.test('CONNECT and upgrades publish empty trailers after the socket', async (t) => {
  const server = http.createServer()
  server.on('connect', (_request, socket: Duplex) => socket.end('HTTP/1.1 200 Connected\r\nx-y: z\r\n\r\n'))
  server.on('upgrade', (_request, socket: Duplex) =>
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'),
  )
  const origin = await listen(server)
  const client = new Client(origin.url)
  const cases = [
    { options: { path: 'example.com:443', method: 'CONNECT' }, statusCode: 200, connection: 'keep-alive' },
    { options: { path: '/', method: 'GET', upgrade: 'echo' }, statusCode: 101, connection: 'upgrade' },
  ]
  for (const { options, statusCode, connection } of cases) {
    const order: string[] = []
    const listener = new Listener(({ channel }) => order.push(channel))
    const trailers = new Promise<void>((resolve) => {
      const recorder = new Recorder((name) => {
        order.push(name)
        if (name === 'upgrade') recorder.socket?.on('close', () => resolve()).destroy()
      })
      client.dispatch(options, recorder)
    })
    await trailers
    listener.close()
    t.strictSame(order.slice(-3), ['request:headers', 'upgrade', 'request:trailers'])
    const [{ response, request }] = listener.of('request:headers')
    t.equal(response.statusCode, statusCode)
    t.ok(response.headers.every(Buffer.isBuffer))
    t.equal(request.completed, true)
    t.strictSame(listener.of('request:trailers')[0].trailers, [])
    t.match(listener.of('client:sendHeaders')[0].headers, `connection: ${connection}\r\n`)
  }
  await client.close()
  await origin.close()
})

t.test('connect messages have the options of a TLS connection', async (t) => {
  const ca = await authority()
  const origin = await httpsOrigin((_request, reply) => reply.end('ok'), await serverIdentity(ca))
  const ip = `https://127.0.0.1:${origin.port}`
  const trusting = { ca: ca.cert }
  const cases: [string, object, Record<string, string>, string | null][] = [
    [`https://localhost:${origin.port}`, trusting, {}, 'localhost'],
    [ip, trusting, {}, null],
    [ip, trusting, { host: 'localhost:8443' }, 'localhost'],
    [ip, { ...trusting, servername: 'localhost' }, {}, 'localhost'],
  ]
  for (const [url, connect, headers, servername] of cases) {
    const client = new Client(url, { connect })
    const listener = new Listener()
    await (await client.request({ ...get, headers })).body.dump()
    listener.close()
    const [{ connectParams, socket }] = listener.of('client:connected')
    t.match(connectParams, { protocol: 'https:', host: new URL(url).host, servername })
    t.type(socket, TLSSocket)
    t.equal(socket.servername || null, servername, 'servername is the name that was sent')
    await client.close()
  }
  const distrusting = new Client(ip)
  const listener = new Listener()
  await t.rejects(distrusting.request(get))
  listener.close()
  t.type(listener.of('client:connectError')[0].socket, TLSSocket)
  await distrusting.close()
  await origin.close()
})

t.test('connect messages contain the connector of the caller unchanged', async (t) => {
  const origin = await mirror()
  const build = buildConnector()
  const quiet: typeof build = (options, callback) => void build(options, callback)
  const failing: typeof build = (_options, callback) => callback(new Error('no way'), null)
  const client = new Client(origin.url, { connect: quiet })
  const listener = new Listener()
  await (await client.request(get)).body.dump()
  await client.close()
  t.equal(listener.of('client:connected')[0].connector, quiet)
  const lost = new Client('http://[::1]', { connect: failing })
  await t.rejects(lost.request(get), { message: 'no way' })
  await lost.close()
  listener.close()
  const [failed] = listener.of('client:connectError')
  t.equal(failed.connector, failing)
  t.equal('socket' in failed, false)
  t.match(failed.connectParams, { host: '[::1]', hostname: '::1', port: '' })
  await origin.close()
})
