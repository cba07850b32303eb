import { type Socket, connect as tcp } from 'node:net'
import t from 'tap'
import { Agent, Client, errors, Pool } from '../../lib/index.js'
import { httpOrigin, rawOrigin } from '../servers/origin.js'

const get = (path: string) => ({ path, method: 'GET' }) as const
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => t.fail('resolved') as never,
    (error: Error & errors.ErrorContext) => error,
  )

t.test('requests do not change an error that a lookup reports for several of them', async (t) => {
  const fields = { code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname: 'db.test' }
  for (const seal of [(error: Error) => error, Object.freeze]) {
    const remembered = seal(Object.assign(new Error('getaddrinfo ENOTFOUND db.test'), fields)) as Error
    const keys = Object.keys(remembered)
    const lookup = (_name: string, _options: object, callback: (error: Error) => void) =>
      setImmediate(callback, remembered)
    const agent = new Agent({ connect: { lookup: lookup as never } })
    for (const [origin, path] of [
      ['http://db.test', '/a'],
      ['http://db.test:81', '/b'],
    ] as const) {
      const error = await failure(agent.request({ origin, ...get(path) }))
      t.match(error, { ...fields, origin, path, method: 'GET', cause: remembered, replaySafe: true })
    }
    t.strictSame(Object.keys(remembered), keys)
    await agent.close()
  }
})

t.test('sockets destroyed with one error give each request its own socket info', async (t) => {
  const origin = await httpOrigin((request) => void request.resume())
  const sockets: Socket[] = []
  const connect = (_options: object, callback: (error: null, socket: Socket) => void) => {
    const socket: Socket = tcp(origin.port, '127.0.0.1', () => callback(null, socket))
    sockets.push(socket)
  }
  const clients = [0, 1].map(() => new Client(origin.url, { connect: connect as never }))
  const sent: Promise<unknown>[] = []
  const errors = clients.map((client, index) => {
    const body = index === 0 ? {} : { body: '100 EUR' }
    const method = index === 0 ? 'GET' : 'POST'
    sent.push(new Promise((resolve) => client.once('connect', resolve)))
    return failure(client.request({ path: `/${index}`, method, ...body }))
  })
  await Promise.all(sent)
  while (sockets.some((socket) => socket.bytesWritten === 0)) await new Promise(setImmediate)
  const broken = Object.assign(new Error('tunnel lost'), { code: 'ECONNRESET' })
  for (const socket of sockets) socket.destroy(broken)
  const [first, second] = await Promise.all(errors)
  t.match(first, { method: 'GET', path: '/0', cause: broken })
  t.match(second, { method: 'POST', path: '/1', replaySafe: false, cause: broken })
  t.strictSame(Object.keys(broken), ['code'])
  await Promise.all(clients.map((client) => client.close()))
  await origin.close()
})

t.test('all requests that one failure fails get an error of the same class', async (t) => {
  const origin = await rawOrigin((socket) => {
    socket.once('data', () => socket.write('garbage\r\n\r\n'))
  })
  const client = new Client(origin.url, { pipelining: 3 })
  const all = await Promise.all(
    [0, 1, 2].map((index) =>
      failure(client.request({ path: `/${index}`, method: 'POST', body: 'x', idempotent: true } as never)),
    ),
  )
  for (const [index, error] of all.entries()) {
    t.type(error, errors.HTTPParserError)
    t.match(error, { fault: 'peer', path: `/${index}`, code: /^HPE_/ })
  }
  t.equal(new Set(all).size, 3)
  await client.close()
  await origin.close()
})

/** Failures of a connection, and the error that each of its requests gets. */
const failures: Record<string, [connect: unknown, kind: unknown, fields: object]> = {
  'that its server ends': [
    undefined,
    errors.SocketError,
    { code: 'UND_ERR_SOCKET', fault: 'network', socket: { remotePort: Number } },
  ],
  'that times out before it is established': [
    (_options: object, callback: (error: Error) => void) =>
      setImmediate(callback, new errors.ConnectTimeoutError('late')),
    errors.ConnectTimeoutError,
    { code: 'UND_ERR_CONNECT_TIMEOUT', fault: 'timeout', phase: 'connect' },
  ],
  'that no address accepts': [
    (_options: object, callback: (error: Error) => void) => {
      const each = ['::1', '127.0.0.1'].map((address) => Object.assign(new Error('refused'), { address }))
      setImmediate(callback, Object.assign(new AggregateError(each), { code: 'ECONNREFUSED' }))
    },
    AggregateError,
    { code: 'ECONNREFUSED', errors: [{ address: '::1' }, { address: '127.0.0.1' }], phase: 'connect' },
  ],
}

for (const [name, [connect, kind, fields]] of Object.entries(failures)) {
  t.test(`all requests of a connection ${name} get an error of the same class and properties`, async (t) => {
    const origin = await rawOrigin((socket) => void socket.on('data', () => socket.end()))
    const client = new Client(origin.url, { pipelining: 3, connect: connect as never })
    const all = await Promise.all(
      [0, 1, 2].map((index) =>
        failure(client.request({ path: `/${index}`, method: 'POST', body: 'x', idempotent: true } as never)),
      ),
    )
    for (const [index, error] of all.entries()) {
      t.type(error, kind as never)
      t.match(error, { ...fields, path: `/${index}` })
    }
    t.equal(new Set(all).size, 3)
    await client.close()
    await origin.close()
  })
}

t.test('destroy(error) passes its error to every request unchanged', async (t) => {
  const origin = await httpOrigin(() => {})
  const pool = new Pool(origin.url, { connections: 1 })
  const mine = Object.assign(new Error('shutting down'), { code: 'E_SHUTDOWN' })
  const errors = ['/a', '/b'].map((path) => failure(pool.request(get(path))))
  await pool.destroy(mine)
  t.strictSame(await Promise.all(errors), [mine, mine])
  t.strictSame(Object.keys(mine), ['code'])
  await origin.close()
})
