import { EventEmitter } from 'node:events'
import net, { type Socket } from 'node:net'
import { Duplex, Readable, Writable } from 'node:stream'
import t from 'tap'
import { Client, Pool } from '../../lib/index.js'
import { event, httpOrigin } from '../servers/origin.js'
import { uncaughtDuring } from '../servers/uncaught.js'

type Connect = (options: { port: string }, callback: (...result: never[]) => void) => unknown
type Back = (error?: unknown, socket?: unknown) => void

/** Connector that opens a socket and passes it to `then`, which calls back. */
function live(then: (socket: Socket, callback: Back) => void): Connect {
  return ({ port }, callback) => {
    const socket = net.connect(Number(port), '127.0.0.1', () => then(socket, callback as Back))
  }
}

function calling(...result: unknown[]): Connect {
  return (_options, callback) => (callback as Back)(...result)
}

/** Duplex that responds to each write with `text`. */
function textual(): Duplex {
  return new Duplex({
    readableObjectMode: true,
    read() {},
    write(_chunk, _encoding, done) {
      done()
      this.push('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    },
  })
}

const hostile: object = new Proxy(
  {},
  {
    get() {
      throw new Error('a getter')
    },
  },
)

const wrongKind = { code: 'UND_ERR_INVALID_ARG', name: 'InvalidArgumentError' }
const closed = { code: 'UND_ERR_SOCKET', name: 'SocketError', message: /already closed \(an instance of Socket\)/ }
const notThere = { ...wrongKind, message: /without an error and without a socket/ }
const of = (what: string) => ({
  ...wrongKind,
  message: `connect must call back with a Duplex stream of bytes, received ${what}`,
})

const refused: Record<string, [connect: Connect, error: Record<string, unknown>]> = {
  nothing: [calling(), notThere],
  'nothing, later': [(_options, callback) => setImmediate(callback), notThere],
  'two nulls': [calling(null, null), notThere],
  'undefined for a socket': [calling(null, undefined), notThere],
  text: [calling(null, 'a secret'), of('a string')],
  'a number': [calling(null, 5), of('a number')],
  'a function': [calling(null, () => 'a secret'), of('a function')],
  'an object': [calling(null, {}), of('an instance of Object')],
  'an object without a prototype': [calling(null, Object.create(null)), of('an object')],
  'an emitter': [calling(null, new EventEmitter()), of('an instance of EventEmitter')],
  'a Readable': [
    (_options, callback) => (callback as Back)(null, new Readable({ read() {} })),
    of('an instance of Readable'),
  ],
  'a Writable': [(_options, callback) => (callback as Back)(null, new Writable()), of('an instance of Writable')],
  'web streams': [calling(null, new TransformStream()), of('an instance of TransformStream')],
  'an object whose getters throw': [calling(null, hostile), { ...wrongKind, cause: { message: 'a getter' } }],
  'a stream of strings': [
    live((socket, callback) => callback(null, socket.setEncoding('utf8'))),
    of('an instance of Socket with an encoding'),
  ],
  'a stream that turns into one of strings': [
    live((socket, callback) => {
      callback(null, socket)
      socket.setEncoding('utf8')
    }),
    of('a stream that yields a string'),
  ],
  'a stream of objects': [
    (_options, callback) => (callback as Back)(null, textual()),
    of('a stream that yields a string'),
  ],
  'a destroyed socket': [live((socket, callback) => callback(null, socket.destroy())), closed],
  'a socket that has ended': [live((socket, callback) => callback(null, socket.end())), closed],
  'a socket that the peer ended': [
    live((socket, callback) => {
      socket.end()
      socket.resume().once('close', () => callback(null, socket))
    }),
    closed,
  ],
  'a socket that is destroyed in the same tick': [
    live((socket, callback) => {
      callback(null, socket)
      socket.destroy()
    }),
    { code: 'UND_ERR_SOCKET' },
  ],
  'a socket that fails in the same tick': [
    live((socket, callback) => {
      callback(null, socket)
      socket.destroy(new Error('failed'))
    }),
    { message: 'failed' },
  ],
  'a stream that throws when it is written to': [
    (_options, callback) => {
      const write = () => {
        throw new Error('thrown by write')
      }
      ;(callback as Back)(null, new Duplex({ read() {}, write }))
    },
    { message: 'thrown by write' },
  ],
  'a stream whose buffered end was not read': [
    (_options, callback) => {
      const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
      stream.push(null)
      ;(callback as Back)(null, stream)
    },
    { code: 'UND_ERR_SOCKET' },
  ],
  'a socket that was never connected': [
    (_options, callback) => (callback as Back)(null, new net.Socket()),
    { code: 'ERR_SOCKET_CLOSED' },
  ],
  'text for an error': [calling('a secret'), { code: 'UND_ERR_SOCKET', cause: 'a secret', message: /with a string/ }],
  'an error and a socket': [live((socket, callback) => callback(new Error('both'), socket)), { message: 'both' }],
  'an error, then a socket': [
    live((socket, callback) => {
      callback(new Error('first'), null)
      callback(null, socket)
    }),
    { message: 'first' },
  ],
  'an exception': [
    () => {
      throw new Error('thrown')
    },
    { message: 'thrown' },
  ],
  'a rejection': [async () => Promise.reject(new Error('rejected')), { message: 'rejected' }],
  'a rejection with nothing': [() => Promise.reject(), notThere],
  'an object whose getters throw, returned': [() => hostile, { message: 'a getter' }],
}

const accepted: Record<string, Connect> = {
  'the same socket twice': live((socket, callback) => {
    callback(null, socket)
    callback(null, socket)
    setImmediate(callback, null, socket)
  }),
  'an error after the socket': live((socket, callback) => {
    callback(null, socket)
    callback(new Error('late'))
    callback(new Error('late'), socket)
  }),
  'invalid values after the socket': live((socket, callback) => {
    callback(null, socket)
    for (const second of [undefined, null, 5, {}, 'text']) callback(null, second)
  }),
  'a second one that fails when it is destroyed': live((socket, callback) => {
    callback(null, socket)
    const destroy = (_error: Error | null, done: (error: Error) => void) => done(new Error('in destroy'))
    callback(null, new Duplex({ read() {}, write() {}, destroy }))
  }),
  'a socket that is still connecting': ({ port }, callback) =>
    (callback as Back)(null, net.connect(Number(port), '127.0.0.1')),
  'a socket from an async function': async (options, callback) => {
    await null
    live((socket, back) => back(null, socket))(options, callback)
  },
}

t.test('fails the request at once if the connector result can not be used as a socket', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  for (const [name, [connect, error]] of Object.entries(refused)) {
    for (const method of ['GET', 'POST']) {
      const client = new Client(origin.url, { connect: connect as never })
      const body = method === 'POST' ? 'body' : null
      await t.rejects(client.request({ path: '/', method, body }), error as never, `${name} (${method})`)
      await (method === 'GET' ? client.close() : client.destroy())
    }
    const pool = new Pool(origin.url, { connections: 2, connect: connect as never })
    const failures = [1, 2, 3].map(() =>
      t.rejects(pool.request({ path: '/', method: 'GET' }), error as never, `${name} (Pool)`),
    )
    await Promise.all(failures)
    await pool.destroy()
  }
  for (const socket of origin.sockets) await event(socket, 'close')
  await origin.close()
})

t.test('ignores what a connector does after it called back', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  for (const [name, connect] of Object.entries(accepted)) {
    const client = new Client(origin.url, { connect: connect as never })
    for (const method of ['GET', 'POST', 'GET']) {
      const { body } = await client.request({ path: '/', method })
      t.equal(await body.text(), 'x', name)
    }
    t.equal(origin.sockets.size, 1, name)
    const socketClosed = event([...origin.sockets][0] as Socket, 'close')
    await client.close()
    await socketClosed
  }
  await origin.close()
})

t.test('destroys the second socket of a connector that calls back twice', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const sockets: Socket[] = []
  const connect = live((first, callback) => {
    const second = net.connect(origin.port, '127.0.0.1', () => {
      sockets.push(first, second)
      callback(null, first)
      callback(null, second)
    })
  })
  const client = new Client(origin.url, { connect: connect as never })
  for (let i = 0; i < 3; i++) await (await client.request({ path: '/', method: 'GET' })).body.dump()
  t.strictSame(
    sockets.map(({ destroyed }) => destroyed),
    [false, true],
  )
  await client.close()
  await origin.close()
})

t.test('rejects a socket that another connection uses, without destroying it', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const socket = net.connect(origin.port, '127.0.0.1')
  const connect: Connect = (_options, callback) => (callback as Back)(null, socket)
  const [first, second] = [1, 2].map(() => new Client(origin.url, { connect: connect as never })) as [Client, Client]
  const get = { path: '/', method: 'GET' } as const
  t.equal(await (await first.request(get)).body.text(), 'x')
  await t.rejects(second.request(get), { ...wrongKind, message: /another connection uses/ })
  t.equal(await (await first.request(get)).body.text(), 'x')
  await Promise.all([first.close(), second.close()])
  await origin.close()
})

t.test('destroys a socket that a connector returns after its client was destroyed', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  let answer: () => void = () => {}
  const client = new Client(origin.url, {
    connect: live((socket, callback) => {
      answer = () => callback(null, socket)
    }) as never,
  })
  const request = client.request({ path: '/', method: 'GET' })
  const failed = t.rejects(request, { code: 'UND_ERR_DESTROYED' })
  while (origin.sockets.size === 0) await new Promise(setImmediate)
  await client.destroy()
  await failed
  const socketClosed = event([...origin.sockets][0] as Socket, 'close')
  answer()
  await socketClosed
  await origin.close()
})

t.test('reports an error that a connector throws after calling back as uncaught, once', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const connectors: Connect[] = [
    ({ port }, callback) => {
      ;(callback as Back)(null, net.connect(Number(port), '127.0.0.1'))
      throw new Error('behind it')
    },
    async ({ port }, callback) => {
      ;(callback as Back)(null, net.connect(Number(port), '127.0.0.1'))
      throw new Error('behind it')
    },
  ]
  for (const connect of connectors) {
    const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
    const client = new Client(origin.url, { connect: connect as never })
    const { body } = await client.request({ path: '/', method: 'GET' })
    t.equal(await body.text(), 'x')
    t.equal((await uncaught).message, 'behind it')
    await client.close()
  }
  await origin.close()
})

/** Duplex that responds to each write and has faulty methods or options. */
function misbehaving(options: object, methods: object): Duplex {
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      done()
      setImmediate(() => this.push('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx'))
    },
    ...options,
  })
  return Object.assign(stream, methods)
}

function throwing(): never {
  throw new Error('thrown by the stream')
}

t.test('fails the request if a method of the stream throws when the connection starts to read', async (t) => {
  for (const name of ['on', 'resume']) {
    for (const end of ['close', 'destroy'] as const) {
      const connect = calling(null, misbehaving({}, { [name]: throwing }))
      const client = new Client('http://stream.example', { connect: connect as never })
      await t.rejects(client.request({ path: '/', method: 'GET' }), { message: 'thrown by the stream' }, name)
      await client[end]()
    }
  }
})

t.test('closes a connection over a stream that does not emit close', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const connect = calling(null, misbehaving({ emitClose: false }, {}))
    const client = new Client('http://stream.example', { connect: connect as never })
    t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'x')
    await client[end]()
  }
})

t.test('closes a connection over a stream whose destroy throws, and reports the error once', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const connect = calling(null, misbehaving({}, { destroy: throwing }))
    const client = new Client('http://stream.example', { connect: connect as never })
    t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'x')
    const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
    await client[end]()
    t.match(await uncaught, { message: 'thrown by the stream' })
  }
})

t.test('fails the request when the stream ends, even if getters of the stream throw', async (t) => {
  for (const name of ['remoteAddress', 'localPort', 'timeout', 'bytesRead']) {
    for (const end of ['destroy', 'push'] as const) {
      const stream = misbehaving({ write: () => setImmediate(() => stream[end](null as never)) }, {})
      Object.defineProperty(stream, name, { get: throwing })
      const client = new Client('http://stream.example', { connect: calling(null, stream) as never })
      await t.rejects(client.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_SOCKET' }, `${name} ${end}`)
      t.match(client.stats, { connected: false, size: 0 })
      await client.destroy()
    }
  }
})

t.test('completes requests over a stream whose ref or unref throws, and reports the error', async (t) => {
  for (const name of ['ref', 'unref']) {
    const connect = calling(null, misbehaving({}, { [name]: throwing }))
    const client = new Client('http://stream.example', { connect: connect as never })
    const uncaught = await uncaughtDuring(async () => {
      for (let i = 0; i < 2; i++) t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'x')
    })
    t.strictSame(new Set(uncaught), new Set(['thrown by the stream']))
    await client.close()
  }
})

t.test('rejects a socket that negotiated HTTP/2', async (t) => {
  const connect = calling(null, misbehaving({}, { alpnProtocol: 'h2' }))
  const client = new Client('https://stream.example', { connect: connect as never })
  await t.rejects(client.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_NOT_SUPPORTED' })
  await client.close()
})
