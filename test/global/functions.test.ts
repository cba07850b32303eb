import { once } from 'node:events'
import http from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { pipeline as pump } from 'node:stream/promises'
import t from 'tap'
import {
  Agent,
  Client,
  connect,
  type Dispatcher,
  getGlobalDispatcher,
  pipeline,
  request,
  setGlobalDispatcher,
  stream,
  upgrade,
} from '../../lib/index.js'
import { httpOrigin, listen } from '../servers/origin.js'

function teller() {
  return httpOrigin((request, reply) => {
    reply.setHeader('x-line', `${request.method} ${request.url} ${request.headers.host}`)
    request.pipe(reply)
  })
}

async function lineOf(response: Promise<Dispatcher.ResponseData>): Promise<string> {
  const { headers, body } = await response
  await body.dump()
  return String(headers['x-line'])
}

t.afterEach(async () => {
  await getGlobalDispatcher().close()
  setGlobalDispatcher(new Agent())
})

t.test('request accepts a string, a URL or its parts', async (t) => {
  const origin = await teller()
  const { host, hostname, port } = new URL(origin.url)
  const root = `http://${host}`
  const parts = { protocol: 'http:', hostname, port }
  t.equal(await lineOf(request(`${root}/a?b=c#d`)), `GET /a?b=c ${host}`)
  t.equal(await lineOf(request(new URL(`${root}/a`))), `GET /a ${host}`)
  t.equal(await lineOf(request({ ...parts, path: '/p?q' })), `GET /p?q ${host}`)
  t.equal(await lineOf(request({ ...parts, port: Number(port), pathname: '/p', search: '?q' })), `GET /p?q ${host}`)
  t.equal(await lineOf(request({ origin: root, path: 'p' })), `GET /p ${host}`)
  t.equal(await lineOf(request({ origin: `${root}/` }, { query: { a: 1 } })), `GET /?a=1 ${host}`)
  t.equal(await lineOf(request(root, null)), `GET / ${host}`)
  t.equal(await lineOf(request(root, { body: 'x' })), `PUT / ${host}`, 'PUT with a body')
  t.equal(await lineOf(request(root, { body: 'x', method: 'POST' })), `POST / ${host}`)
  await origin.close()
})

t.test('interceptors receive the dispatcher in their options', async (t) => {
  const origin = await teller()
  const seen: unknown[] = []
  const agent = new Agent()
  const dispatcher = agent.compose((dispatch) => (options, handler) => {
    seen.push((options as { dispatcher?: unknown }).dispatcher)
    return dispatch(options, handler)
  })
  await lineOf(request(origin.url, { dispatcher }))
  await stream(origin.url, { dispatcher }, () => new PassThrough().resume())
  await lineOf(dispatcher.request({ origin: origin.url, path: '/', method: 'GET' }))
  t.strictSame(
    seen.map((one) => one === dispatcher),
    [true, true, false],
  )
  await agent.close()
  await origin.close()
})

t.test('one object may contain all options and the URL or its parts', async (t) => {
  const origin = await teller()
  const { host, hostname, port } = new URL(origin.url)
  const url = { origin: `http://${host}`, path: '/p' }
  const { statusCode, headers, body } = await request({
    ...url,
    method: 'POST',
    body: 'hi',
    headers: { a: 'b' },
  } as never)
  t.strictSame([statusCode, headers['x-line'], await body.text()], [200, `POST /p ${host}`, 'hi'])
  const closed = new Agent()
  await closed.close()
  for (const one of [url, { protocol: 'http:', hostname, port, path: '/p' }]) {
    await t.rejects(request({ ...one, dispatcher: closed } as never), { code: 'UND_ERR_DESTROYED' })
    await t.rejects(request({ ...one, signal: AbortSignal.abort() } as never), { name: 'AbortError' })
    await t.rejects(
      stream({ ...one, dispatcher: closed } as never, () => new PassThrough()),
      { code: 'UND_ERR_DESTROYED' },
    )
    await t.rejects(upgrade({ ...one, dispatcher: closed } as never), { code: 'UND_ERR_DESTROYED' })
    await t.rejects(connect({ ...one, dispatcher: closed } as never), { code: 'UND_ERR_DESTROYED' })
    const duplex = pipeline({ ...one, dispatcher: closed } as never, ({ body }) => body)
    t.match(await new Promise((resolve) => duplex.once('error', resolve)), { code: 'UND_ERR_DESTROYED' })
  }
  await origin.close()
})

t.test('the option path replaces the path of the URL', async (t) => {
  const origin = await teller()
  const { host } = new URL(origin.url)
  t.equal(await lineOf(request(origin.url, { path: '/post', method: 'POST' })), `POST /post ${host}`)
  t.equal(await lineOf(request(`${origin.url}/base?x=1`, { path: 'other?y=2' })), `GET /other?y=2 ${host}`)
  t.equal(await lineOf(request(`${origin.url}/base?x=1`, { path: null })), `GET /base?x=1 ${host}`)
  await origin.close()
})

t.test('the functions reject invalid arguments', async (t) => {
  const refused = { name: 'InvalidArgumentError', code: 'UND_ERR_INVALID_ARG' }
  const urls = [undefined, null, 5, 'nowhere', 'ftp://a/', 'file:///a', {}, { hostname: 'a' }, { origin: 5 }]
  for (const url of [...urls, { origin: 'http://a', port: 'x' }, { protocol: 'http:', hostname: 'a', port: 99999 }]) {
    await t.rejects(request(url as never), refused, JSON.stringify(url))
    await t.rejects(
      stream(url as never, null, () => new PassThrough()),
      refused,
    )
    t.throws(() => pipeline(url as never, ({ body }) => body), refused)
  }
  const url = 'http://localhost:1/'
  for (const options of ['x', 5, { path: 5 }, { agent: {} }, { dispatcher: {} }]) {
    await t.rejects(request(url, options as object), refused, JSON.stringify(options))
  }
  t.throws(() => request(url, {}, 5 as never), refused)
  t.throws(() => setGlobalDispatcher({} as never), refused)
  t.throws(() => setGlobalDispatcher(undefined as never), refused)
})

t.test('the error for a URL without protocol proposes one with http:, without its query', async (t) => {
  const rule = 'url must be an http: or https: URL, received protocol "localhost:"'
  const message = `${rule}. Did you mean http://localhost:3000/json?`
  await t.rejects(request('localhost:3000/json?token=secret'), { code: 'UND_ERR_INVALID_ARG', message })
  await t.rejects(request('user:123/a@localhost'), { message: /received protocol "user:"$/ })
})

t.test('the functions call a callback instead of returning a promise', async (t) => {
  const origin = await teller()
  const seen: unknown[] = []
  await new Promise<void>((resolve) => {
    request(origin.url, (error, data) => {
      seen.push(error, data.statusCode)
      data.body.dump().then(resolve)
    })
  })
  await new Promise<void>((resolve) => {
    stream(
      origin.url,
      { opaque: 'mine' },
      () => new PassThrough().resume(),
      (error, data) => {
        seen.push(error, data.opaque)
        resolve()
      },
    )
  })
  t.strictSame(seen, [null, 200, null, 'mine'])
  await origin.close()
})

t.test('stream, pipeline, connect and upgrade by URL', async (t) => {
  const server = http.createServer((request, reply) => void request.pipe(reply))
  server.on('connect', (request, socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${request.url}`))
  server.on('upgrade', (request, socket) => {
    socket.end(`HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n${request.url}`)
  })
  const origin = await listen(server)
  const sink = new PassThrough()
  await stream(`${origin.url}/s`, { body: 'streamed' }, () => sink)
  t.equal(String(sink.read()), 'streamed')
  const duplex = pipeline(`${origin.url}/p`, { method: 'POST' }, ({ body }) => body)
  const [text] = await Promise.all([duplex.toArray(), pump(Readable.from(['piped']), duplex, { end: true })])
  t.equal(Buffer.concat(text).toString(), 'piped')
  const short = pipeline(origin.url, ({ body }) => body)
  short.end().resume()
  await once(short, 'end')
  const tunnel = await connect(`${origin.url}/there`)
  t.equal((await tunnel.socket.toArray()).join(''), '/there')
  const upgraded = await upgrade(`${origin.url}/up`, { protocol: 'x' })
  t.equal((await upgraded.socket.toArray()).join(''), '/up')
  await origin.close()
})

t.test('the option dispatcher sends the request, else the global dispatcher', async (t) => {
  const origin = await teller()
  const agent = new Agent()
  setGlobalDispatcher(agent)
  t.equal(getGlobalDispatcher(), agent)
  await lineOf(request(origin.url))
  t.strictSame(Object.keys(agent.stats), [new URL(origin.url).origin])
  const client = new Client(origin.url)
  await lineOf(request(`${origin.url}/x`, { dispatcher: client }))
  t.equal(client.stats.connected, true)
  t.equal(origin.connections, 2)
  await client.close()
  await origin.close()
})

t.test("the first use creates an Agent, and leaves undici's global dispatcher alone", async (t) => {
  const before = Object.getOwnPropertySymbols(globalThis).map(String)
  t.type(getGlobalDispatcher(), Agent)
  t.equal(getGlobalDispatcher(), getGlobalDispatcher())
  t.strictSame(Object.getOwnPropertySymbols(globalThis).map(String), before)
})
