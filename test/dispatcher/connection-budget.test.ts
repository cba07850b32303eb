import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import {
  Agent,
  buildConnector,
  Client,
  type Dispatcher,
  errors,
  interceptors,
  Pool,
  RoundRobinPool,
} from '../../lib/index.js'
import { event, httpOrigin, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' } as const

interface Held extends Origin {
  readonly held: (() => void)[]
}

/** Server that responds when the test says so, or two event-loop turns later. */
async function heldOrigin(patient = true): Promise<Held> {
  const held: (() => void)[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      const answer = () => void socket.write(response('ok'))
      if (patient) held.push(answer)
      else setImmediate(() => setImmediate(answer))
    }),
  )
  return Object.assign(origin, { held })
}

/** Counts sockets until they are closed. */
function countingConnector() {
  const connect = buildConnector()
  const count = { open: 0, most: 0 }
  const connector: typeof connect = (options, callback) => {
    count.open++
    count.most = Math.max(count.most, count.open)
    const socket = connect(options, callback)
    ;(socket as unknown as NodeJS.EventEmitter).on('close', () => count.open--)
    return socket
  }
  return { connector, count }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

const ask = async (agent: Agent, { url }: Origin) => (await agent.request({ ...get, origin: url })).body.text()

t.test('maxTotalConnections: closes the connection that was idle for longest for a new one', async (t) => {
  const origins = [await heldOrigin(false), await heldOrigin(false), await heldOrigin(false)] as const
  const [a, b, c] = origins
  const { connector, count } = countingConnector()
  const agent = new Agent({ maxTotalConnections: 2, connect: connector })
  await ask(agent, a)
  await ask(agent, b)
  await ask(agent, a)
  t.strictSame([count.open, a.connections, b.connections], [2, 1, 1])
  const ended = event<[URL, unknown, Error]>(agent, 'disconnect')
  t.equal(await ask(agent, c), 'ok')
  const [origin, , error] = await ended
  t.equal(origin.origin, b.url, 'closes the connection of b, which was idle for longer')
  t.match(error, { name: 'InformationalError', message: /idle/ })
  await ask(agent, a)
  t.equal(a.connections, 1)
  t.equal(count.most, 2)
  await agent.close()
  t.equal(count.open, 0)
  for (const one of origins) await one.close()
})

t.test('maxTotalConnections: closes no connection in use, and serves waiting requests in turn', async (t) => {
  const [a, b] = [await heldOrigin(), await heldOrigin()]
  const { connector, count } = countingConnector()
  const agent = new Agent({ maxTotalConnections: 1, connect: connector })
  const order: string[] = []
  const all = [a, a, b, b].map((origin) => ask(agent, origin).then(() => order.push(origin === a ? 'a' : 'b')))
  await until(() => a.held.length === 1)
  t.match(agent.stats[b.url], { connected: 0, queued: 2, size: 2 })
  for (let answered = 0; answered < 4; answered++) {
    await until(() => a.held.length + b.held.length === 1)
    ;(a.held.pop() ?? b.held.pop())?.()
  }
  await Promise.all(all)
  t.strictSame(order, ['a', 'b', 'a', 'b'])
  t.equal(count.most, 1)
  await agent.close()
  await a.close()
  await b.close()
})

t.test('maxTotalConnections: all servers together never have more connections', async (t) => {
  const count = { open: 0, most: 0 }
  const origins = await Promise.all(
    [0, 1, 2, 3].map(() =>
      rawOrigin((socket) => {
        count.most = Math.max(count.most, ++count.open)
        socket.on('close', () => count.open--)
        onRequests(socket, () => setImmediate(() => socket.write(response('ok'))))
      }),
    ),
  )
  // The socket of a custom connector is ended like one of sluice.
  for (const connect of [null, countingConnector().connector]) {
    count.most = 0
    const agent = new Agent({ maxTotalConnections: 3, connect })
    const responses = Array.from({ length: 40 }, (_, index) =>
      agent.request({ ...get, origin: origins[index % 4]?.url as string }).then(({ body }) => body.text()),
    )
    t.strictSame(await Promise.all(responses), new Array(40).fill('ok'))
    t.equal(count.most, 3)
    await agent.close()
    await until(() => count.open === 0)
  }
  for (const origin of origins) await origin.close()
})

t.test('maxTotalConnections: a server that does not close its side keeps the place for half a second', async (t) => {
  const sockets: Socket[] = []
  const silent = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => {}))
    onRequests(socket, () => socket.write(response('ok')))
  }).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const other = await heldOrigin(false)
  const agent = new Agent({ maxTotalConnections: 1 })
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const { body } = await agent.request({ ...get, origin: url })
  await body.text()
  t.equal(await ask(agent, other), 'ok')
  await agent.close()
  await other.close()
  for (const socket of sockets) socket.destroy()
  silent.close()
  await once(silent, 'close')
})

t.test('maxTotalConnections: a busy origin leaves other origins a fair share', async (t) => {
  const origins = [await heldOrigin(false), await heldOrigin(false), await heldOrigin(false)]
  const { connector, count } = countingConnector()
  for (const total of [1, 2, 6]) {
    const agent = new Agent({ maxTotalConnections: total, connect: connector })
    let over = false
    const served = origins.map(() => 0)
    const hog = async (at: number) => {
      while (!over) {
        await ask(agent, origins[at] as Origin)
        served[at] = (served[at] as number) + 1
      }
    }
    const hogs = Array.from({ length: 20 }, () => hog(0))
    await until(() => (served[0] as number) > 20)
    hogs.push(...[1, 2, 1, 2, 1, 2].map(hog))
    await until(() => served.slice(1).every((number) => number > 100))
    if (total === 6) {
      const shares = () =>
        origins.map(({ url }) => (agent.stats[url] as { connected: number } | undefined)?.connected ?? 0)
      await until(() => shares().every((share) => share === 2))
      const [first] = origins
      const before = first?.connections
      const all = served.reduce((sum, number) => sum + number)
      await until(() => served.reduce((sum, number) => sum + number) > all + 200)
      t.equal(first?.connections, before, 'then no origin opens a new connection')
    }
    over = true
    await Promise.all(hogs)
    t.ok(count.most <= total, `${count.most} of ${total}`)
    await agent.close()
    t.equal(count.open, 0)
  }
  for (const origin of origins) await origin.close()
})

t.test('maxTotalConnections: failed and lost connections free their place', async (t) => {
  const [a, refusing] = [await heldOrigin(false), await heldOrigin(false)]
  await refusing.close()
  const factory = (url: string | URL, options: object) =>
    new Pool(url, {
      ...options,
      factory: (origin, own) => {
        if (origin.pathname !== '/' || origin.port === '1') throw new Error('no such client')
        return new Client(origin, own).compose(interceptors.dump({ maxSize: 100 }))
      },
    }).compose(interceptors.responseError())
  const agent = new Agent({ maxTotalConnections: 1, factory })
  await t.rejects(ask(agent, refusing), { code: 'ECONNREFUSED' })
  await t.rejects(agent.request({ ...get, origin: 'http://127.0.0.1:1' }), { message: 'no such client' })
  await ask(agent, a)
  const [socket] = a.sockets
  const lost = event(agent, 'disconnect')
  socket?.destroy()
  await lost
  await t.rejects(ask(agent, refusing), { code: 'ECONNREFUSED' })
  await ask(agent, a)
  await agent.close()
  await a.close()
})

t.test('maxTotalConnections: aborted requests stop waiting, and destroy fails all waiting requests', async (t) => {
  const [a, b] = [await heldOrigin(), await heldOrigin()]
  const agent = new Agent({ maxTotalConnections: 1 })
  const first = ask(agent, a)
  const abort = new AbortController()
  const second = agent.request({ ...get, origin: b.url, signal: abort.signal })
  await until(() => a.held.length === 1)
  abort.abort()
  await t.rejects(second, { name: 'AbortError' })
  a.held.pop()?.()
  await first
  const again = ask(agent, a)
  await until(() => a.held.length === 1)
  t.equal(a.connections, 1, 'the connection is kept, as no request waits')
  const waiting = ask(agent, b)
  const ended = [t.rejects(again, { message: 'the end' }), t.rejects(waiting, { message: 'the end' })]
  await agent.destroy(new Error('the end'))
  await Promise.all(ended)
  await a.close()
  await b.close()
})

t.test('maxQueued counts requests that wait for a place', async (t) => {
  const [a, b] = [await heldOrigin(), await heldOrigin()]
  const agent = new Agent({ maxTotalConnections: 1, maxQueued: 0 })
  const first = ask(agent, a)
  await t.rejects(ask(agent, b), errors.QueueFullError)
  await until(() => a.held.length === 1)
  a.held.pop()?.()
  await first
  await agent.close()
  await a.close()
  await b.close()
})

t.test('warm and minConnections close no connection of other origins and respect the limit', async (t) => {
  const [a, b] = [await heldOrigin(false), await heldOrigin(false)]
  const pools: Pool[] = []
  const agent = new Agent({
    maxTotalConnections: 3,
    minConnections: 2,
    factory: (origin, options) => {
      const pool = new (pools.length === 0 ? Pool : RoundRobinPool)(origin, options)
      pools.push(pool as Pool)
      return pool
    },
  })
  await ask(agent, a)
  await until(() => pools[0]?.stats.connected === 2)
  await ask(agent, b)
  t.equal(await pools[1]?.warm(5), 1)
  t.equal(await pools[0]?.warm(5), 2)
  t.strictSame([a.connections, b.connections], [2, 1])
  await agent.close()
  await a.close()
  await b.close()
})

t.test('maxConnectionsPerOrigin limits each origin', async (t) => {
  const [a, b] = [await heldOrigin(), await heldOrigin()]
  const agent = new Agent({ maxConnectionsPerOrigin: 2, connections: 5 })
  const all = [a, a, a, b, b, b].map((origin) => ask(agent, origin))
  await until(() => a.held.length === 2 && b.held.length === 2)
  t.match(agent.stats, { [a.url]: { connected: 2, queued: 1 }, [b.url]: { connected: 2, queued: 1 } })
  const answering = setInterval(() => [a, b].forEach(({ held }) => void held.pop()?.()), 1)
  await Promise.all(all)
  clearInterval(answering)
  t.strictSame([a.connections, b.connections], [2, 2])
  await agent.close()
  await a.close()
  await b.close()
})

t.test('rejects invalid limits of an Agent', (t) => {
  for (const name of ['maxTotalConnections', 'maxConnectionsPerOrigin']) {
    for (const value of [0, -1, 1.5, '1']) {
      t.throws(() => new Agent({ [name]: value }), { code: 'UND_ERR_INVALID_ARG', message: new RegExp(name) })
    }
    t.doesNotThrow(() => new Agent({ [name]: null }))
  }
  t.end()
})

t.test('an idle dispatcher of another library gives its place to another origin', async (t) => {
  const origins = [
    await httpOrigin((_request, reply) => void reply.end('a')),
    await httpOrigin((_, reply) => void reply.end('b')),
  ]
  const agent = new Agent({
    maxTotalConnections: 1,
    connections: 1,
    factory: (origin, options) =>
      new Pool(origin, {
        ...(options as Pool.Options),
        factory: (base, given) => {
          const client = new Client(base, given as Client.Options)
          return {
            dispatch: (...of: Parameters<Dispatcher['dispatch']>) => client.dispatch(...of) || true,
            close: () => client.close(),
            destroy: (error?: Error | null) => client.destroy(error),
          } as unknown as Dispatcher
        },
      }),
  })
  for (const { url } of [...origins, ...origins]) {
    const { body } = await agent.request({ origin: url, path: '/', method: 'GET' })
    t.match(await body.text(), /a|b/)
  }
  await agent.close()
  for (const origin of origins) await origin.close()
})

for (const [kind, wrap] of Object.entries({
  'a Client': (client: Client): Dispatcher => client,
  'a composed Client': (client: Client): Dispatcher =>
    client.compose((dispatch) => (options, handler) => dispatch(options, handler)),
})) {
  t.test(`maxTotalConnections: a request aborted while ${kind} is made for it frees the place`, async (t) => {
    const origins = [await heldOrigin(), await heldOrigin(false), await heldOrigin(false)] as const
    const [a, b, c] = origins
    const abort = new AbortController()
    const agent = new Agent({
      maxTotalConnections: 1,
      factory: (origin, options) =>
        new Pool(origin, {
          ...(options as object),
          factory(url, clientOptions) {
            if (url.port === new URL(b.url).port) abort.abort()
            return wrap(new Client(url, clientOptions))
          },
        }),
    })
    const first = ask(agent, a)
    await until(() => a.held.length === 1)
    const aborted = agent.request({ ...get, origin: b.url, signal: abort.signal })
    const waiting = ask(agent, c)
    a.held[0]?.()
    t.equal(await first, 'ok')
    await t.rejects(aborted, { name: 'AbortError' })
    t.equal(await waiting, 'ok')
    t.equal(b.connections, 0)
    await agent.close()
    for (const origin of origins) await origin.close()
  })
}
