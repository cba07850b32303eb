import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Agent, Client, getGlobalDispatcher, interceptors, Pool, request, setGlobalDispatcher, stream } from 'undici'
import {
  EventSource,
  FormData,
  Headers,
  MockAgent,
  MockPool,
  interceptors as originals,
  fetch as undiciFetch,
  WebSocket,
} from 'undici-original'
import { failure, json, mirror, scenario, service } from './harness.mjs'

const origin = 'http://mocked.example'

function open(context) {
  const mock = new MockAgent()
  context.after(() => mock.close())
  return mock
}

scenario('MockAgent is accepted as dispatcher by each function', async (context) => {
  const mock = open(context)
  mock.disableNetConnect()
  const pool = mock.get(origin)
  assert.ok(pool instanceof MockPool)
  pool.intercept({ path: '/a?b=c', method: 'GET' }).reply(200, { mocked: true }, { headers: { 'x-by': 'mock' } })
  pool.intercept({ path: '/a', method: 'POST', body: 'text' }).reply(201, 'made')
  pool.intercept({ path: '/s', method: 'GET' }).reply(200, 'streamed')
  const get = await request(`${origin}/a?b=c`, { dispatcher: mock })
  assert.deepEqual([get.statusCode, get.headers['x-by'], await get.body.json()], [200, 'mock', { mocked: true }])
  const post = await request(`${origin}/a`, { method: 'POST', body: 'text', dispatcher: mock })
  assert.deepEqual([post.statusCode, await post.body.text()], [201, 'made'])
  const chunks = []
  const { Writable } = process.getBuiltinModule('node:stream')
  const sink = () => new Writable({ write: (chunk, _encoding, done) => done(null, chunks.push(chunk)) })
  await stream(`${origin}/s`, { method: 'GET', dispatcher: mock }, sink)
  assert.equal(Buffer.concat(chunks).toString(), 'streamed')
  mock.assertNoPendingInterceptors()
})

scenario('MockAgent replies with the configured errors, delays and statuses', async (context) => {
  const mock = open(context)
  mock.disableNetConnect()
  const pool = mock.get(origin)
  pool.intercept({ path: '/fails', method: 'GET' }).replyWithError(new Error('broken'))
  pool.intercept({ path: '/slow', method: 'GET' }).reply(200, 'slow').delay(20)
  pool.intercept({ path: '/busy', method: 'GET' }).reply(503, 'busy')
  pool.intercept({ path: '/busy', method: 'GET' }).reply(200, 'done')
  assert.equal((await failure(request(`${origin}/fails`, { dispatcher: mock }))).message, 'broken')
  assert.equal(await (await request(`${origin}/slow`, { dispatcher: mock })).body.text(), 'slow')
  const unknown = await failure(request(`${origin}/unknown`, { dispatcher: mock }))
  assert.equal(unknown.code, 'UND_MOCK_ERR_MOCK_NOT_MATCHED')
  const retrying = mock.compose(interceptors.retry({ minTimeout: 1, timeoutFactor: 1 }))
  assert.equal(await (await request(`${origin}/busy`, { dispatcher: retrying })).body.text(), 'done')
})

scenario('MockAgent sends requests that are not mocked to the server', async (context) => {
  const one = await service(context, { '/real': mirror })
  const mock = open(context)
  mock.enableNetConnect(/^127\.0\.0\.1/)
  mock.get(one.url).intercept({ path: '/mocked', method: 'GET' }).reply(200, 'mocked')
  const answer = await request(`${one.url}/mocked`, { dispatcher: mock })
  assert.equal(await answer.body.text(), 'mocked')
  const real = await request(`${one.url}/real`, { method: 'PUT', body: 'text', dispatcher: mock })
  assert.equal((await real.body.json()).body, 'text')
  assert.equal(one.received.length, 1)
})

scenario('MockAgent works as the global dispatcher of the functions and of fetch', async (context) => {
  const before = getGlobalDispatcher()
  context.after(() => setGlobalDispatcher(before))
  const mock = open(context)
  mock.disableNetConnect()
  setGlobalDispatcher(mock)
  mock.get(origin).intercept({ path: '/', method: 'GET' }).reply(200, 'mocked').times(2)
  assert.equal(await (await request(origin)).body.text(), 'mocked')
  assert.equal(await (await fetch(origin)).text(), 'mocked')
})

scenario('MockAgent works with interceptors, and does not affect pools of sluice', async (context) => {
  const one = await service(context, { '/': mirror })
  const mock = open(context)
  mock.disableNetConnect()
  mock
    .get(origin)
    .intercept({ path: '/moved', method: 'GET' })
    .reply(302, '', { headers: { location: '/there' } })
  mock.get(origin).intercept({ path: '/there', method: 'GET' }).reply(200, 'there')
  const following = mock.compose(interceptors.redirect({ maxRedirections: 2 }))
  assert.equal(await (await request(`${origin}/moved`, { dispatcher: following })).body.text(), 'there')
  for (const dispatcher of [new Client(one.url), new Pool(one.url)]) {
    assert.equal((await request(one.url, { dispatcher })).statusCode, 200)
    await dispatcher.destroy()
  }
})

/** An agent whose connections are all that the service accepts. */
function agentOf(context, one) {
  let connects = 0
  const agent = new Agent({ connections: 3 }).on('connect', () => connects++)
  context.after(async () => {
    await agent.destroy()
    assert.equal(one.connections(), connects)
  })
  return agent
}

scenario("undici's fetch sends requests through an Agent", async (context) => {
  const big = randomBytes(1_000_000)
  const one = await service(context, {
    '/mirror': mirror,
    '/echo': (_request, response, body) => response.end(body),
    '/moved': (_request, response) => response.writeHead(303, { location: '/mirror' }).end(),
  })
  const dispatcher = agentOf(context, one)
  const ask = (path, init) => undiciFetch(one.url + path, { dispatcher, ...init })
  assert.equal((await (await ask('/moved', { method: 'POST', body: 'text' })).json()).method, 'GET')
  for (const body of [big, new Blob([big]).stream()]) {
    const response = await ask('/echo', { method: 'PUT', body, duplex: 'half' })
    assert.ok(big.equals(Buffer.from(await response.arrayBuffer())))
  }
  const form = new FormData()
  form.append('a', 'b')
  assert.match((await (await ask('/mirror', { method: 'POST', body: form })).json()).body, /name="a"/)
  const controller = new AbortController()
  const aborted = failure(ask('/mirror', { signal: controller.signal }))
  controller.abort()
  assert.equal((await aborted).name, 'AbortError')
})

scenario("undici's WebSocket and EventSource connect through an Agent", async (context) => {
  const one = await service(context, {
    '/events': (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n')
    },
  })
  one.server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}`
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n\r\n`)
    socket.write(Buffer.concat([Buffer.of(0x81, 5), Buffer.from('hello')]))
    socket.on('error', () => {})
  })
  const dispatcher = agentOf(context, one)
  const message = (source) =>
    new Promise((resolve, reject) => {
      source.onmessage = ({ data }) => resolve(data)
      source.onerror = reject
    })
  const socket = new WebSocket(one.url.replace('http', 'ws'), { dispatcher })
  assert.equal(await message(socket), 'hello')
  socket.close()
  const events = new EventSource(`${one.url}/events`, { node: { dispatcher } })
  assert.equal(await message(events), 'hello')
  events.close()
})

scenario("undici's cache interceptor stores responses of an Agent", async (context) => {
  const one = await service(context, { '/': json({ kept: true }, 200, { 'cache-control': 'max-age=60' }) })
  const dispatcher = agentOf(context, one).compose(originals.cache())
  for (let i = 0; i < 3; i++) {
    const { statusCode, body } = await request(one.url, { dispatcher })
    assert.deepEqual([statusCode, await body.json()], [200, { kept: true }])
  }
  assert.equal(one.received.length, 1)
})

scenario("undici's Headers and FormData are accepted in a request", async (context) => {
  const one = await service(context, { '/': mirror })
  const dispatcher = agentOf(context, one)
  const headers = new Headers({ 'x-mine': 'kept' })
  const body = new FormData()
  body.append('a', 'b')
  body.append('file', new Blob(['text']), 'c.txt')
  const options = { method: 'POST', headers, body, dispatcher, signal: AbortSignal.timeout(5_000) }
  const answer = await (await request(one.url, options)).body.json()
  assert.equal(answer.headers['x-mine'], 'kept')
  assert.match(answer.headers['content-type'], /^multipart\/form-data; boundary=/)
  assert.match(answer.body, /name="a"[\s\S]*filename="c.txt"/)
})
