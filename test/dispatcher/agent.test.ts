import net from 'node:net'
import t from 'tap'
import { Agent, Client, Pool } from '../../lib/index.js'
import { event, httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { refusal } from '../servers/recorder.js'

t.test('creates a dispatcher per origin, and closes it when it is idle and has no connection', async (t) => {
  const origins = await Promise.all(
    ['a', 'b', 'c'].map((name) => httpOrigin((_request, reply) => void reply.end(name))),
  )
  const agent = new Agent({ keepAliveMaxTimeout: 30 })
  const text = async (origin: string | URL) => (await agent.request({ origin, path: '/', method: 'GET' })).body.text()
  const connected = event<[URL, object[]]>(agent, 'connect')
  t.strictSame(await Promise.all(origins.map(({ url }) => text(url))), ['a', 'b', 'c'])
  const [, targets] = await connected
  t.equal(targets[0], agent)
  t.ok(targets[1] instanceof Pool)
  t.strictSame(Object.keys(agent.stats).sort(), origins.map(({ url }) => url).sort())
  t.match(Object.values(agent.stats)[0], { connected: 1, free: 1 })
  while (Object.keys(agent.stats).length > 0) await new Promise(setImmediate)
  t.equal(await text(new URL('/ignored', origins[0]?.url)), 'a', 'creates the dispatcher again')
  await agent.close()
  await Promise.all(origins.map((origin) => origin.close()))
})

t.test('removes the dispatcher of an origin that can not be connected to', async (t) => {
  const dead = await rawOrigin(() => {})
  await dead.close()
  const agent = new Agent()
  await t.rejects(agent.request({ origin: dead.url, path: '/', method: 'GET' }), { code: 'ECONNREFUSED' })
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.strictSame(agent.stats, {})
  await agent.close()
})

t.test('a factory receives the origin in the form of the request, without path and query', async (t) => {
  const seen: unknown[] = []
  const agent = new Agent({
    factory: (origin, options) => {
      seen.push(origin)
      return new Pool(origin, options)
    },
  })
  for (const origin of [
    'http://127.0.0.1:1',
    'http://localhost:80',
    'HTTP://a.test/',
    new URL('http://b.test/x?y'),
    'http://c.test/x',
  ]) {
    agent.dispatch({ origin, path: '/', method: 'GET' }, { onResponseError() {} })
  }
  t.strictSame(seen.slice(0, 3), ['http://127.0.0.1:1', 'http://localhost:80', 'HTTP://a.test/'])
  t.strictSame(seen.slice(3), [new URL('http://b.test'), 'http://c.test'])
  await agent.destroy()
})

t.test('supports factory, connections and maxOrigins, and rejects invalid input', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const made: object[] = []
  const agent = new Agent({
    connections: 1,
    maxOrigins: 1,
    factory: (url, options) => {
      t.equal(options.connections, 1)
      const { connections: _one, ...rest } = options
      const client = new Client(url, rest)
      made.push(client)
      return client
    },
  })
  const get = { origin: origin.url, path: '/', method: 'GET' }
  await (await agent.request(get)).body.dump()
  await (await agent.request(get)).body.dump()
  t.equal(made.length, 1)
  await t.rejects(agent.request({ ...get, origin: 'http://other.test' }), { code: 'UND_ERR_MAX_ORIGINS_REACHED' })
  t.match(refusal(agent, { path: '/', method: 'GET' }), { code: 'UND_ERR_INVALID_ARG' })
  t.match(refusal(agent, { ...get, origin: 'nonsense' }), { code: 'UND_ERR_INVALID_ARG' })
  await agent.close()
  const single = new Agent({ connections: 1 })
  const [, targets] = await Promise.all([
    single.request(get).then(({ body }) => body.dump()),
    event<[URL, object[]]>(single, 'connect'),
  ]).then(([, connected]) => connected)
  t.ok(targets[1] instanceof Client)
  await single.close()
  for (const options of [null, { factory: 1 }, { maxOrigins: 0 }, { connections: -1 }, { pipelining: -1 }]) {
    t.throws(() => new Agent(options as never), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(options))
  }
  const bad = new Agent({ factory: () => null as never })
  t.match(refusal(bad, get), { code: 'UND_ERR_INVALID_ARG' })
  await origin.close()
})

t.test('a crawl over 10 000 origins keeps no unused pools', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.end(response('x', { connection: 'close' }))),
  )
  let most = 0
  const agent = new Agent({
    connect: (_options, callback) => {
      const socket = net.connect(origin.port, '127.0.0.1', () => callback(null, socket))
      socket.once('error', (error) => callback(error, null as never))
    },
  })
  let next = 0
  const crawler = async () => {
    while (next < 10_000) {
      const name = `http://host-${next++}.test`
      const { body } = await agent.request({ origin: name, path: '/', method: 'GET' })
      await body.dump()
      if (next % 100 === 0) most = Math.max(most, Object.keys(agent.stats).length)
    }
  }
  await Promise.all(Array.from({ length: 20 }, crawler))
  t.ok(most < 500, `${most} origins at most at once`)
  while (Object.keys(agent.stats).length > 0) await new Promise(setImmediate)
  await agent.close()
  await origin.close()
})

t.test('destroy fails requests in flight', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => {}))
  const agent = new Agent()
  let drains = 0
  agent.on('drain', () => drains++)
  const running = agent.request({ origin: origin.url, path: '/', method: 'GET' })
  await event(agent, 'connect')
  await Promise.all([t.rejects(running, { message: 'bang' }), agent.destroy(new Error('bang'))])
  await origin.close()
})
