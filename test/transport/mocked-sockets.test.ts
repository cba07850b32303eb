import net, { type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { Agent, Client, type Dispatcher, Pool, request } from '../../lib/index.js'
import { httpOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

type Answer = (head: string, socket: Socket) => void

/** Mocks net.Socket like nock and @mswjs/interceptors: sockets connect to `answer`, whose response is pushed into them. */
function mock(answer: Answer, handle: 'kept' | 'dropped'): () => void {
  const { connect } = net.Socket.prototype
  net.Socket.prototype.connect = function (this: Socket) {
    const socket = this
    let text = ''
    const mocked: Record<string, unknown> = {
      connecting: false,
      _read() {},
      _writev: null,
      _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void) {
        text += typeof chunk === 'string' ? chunk : chunk.toString('latin1')
        done()
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end)
          text = text.slice(end + 4)
          setImmediate(() => answer(head, socket))
        }
      },
    }
    if (handle === 'dropped') mocked._handle = null
    Object.assign(this, mocked)
    process.nextTick(() => {
      this.emit('connect')
      this.emit('ready')
    })
    return this
  } as typeof connect
  return () => {
    net.Socket.prototype.connect = connect
  }
}

const dispatchers: Record<string, () => Dispatcher> = {
  Client: () => new Client('http://mocked.example'),
  Pool: () => new Pool('http://mocked.example', { connections: 2, pipelining: 2 }),
  Agent: () => new Agent(),
}
const get = { origin: 'http://mocked.example', path: '/', method: 'GET' } as const

for (const handle of ['kept', 'dropped'] as const) {
  t.test(`reads what a mock pushes into a socket of Node (handle ${handle})`, async (t) => {
    const big = 'x'.repeat(300_000)
    const restore = mock((head, socket) => {
      const [, path] = head.split(' ')
      socket.push(response(path === '/big' ? big : `${path} mocked`))
    }, handle)
    t.teardown(restore)
    for (const [name, make] of Object.entries(dispatchers)) {
      const dispatcher = make()
      const bodies = Array.from({ length: 8 }, async (_, index) => {
        const { body } = await dispatcher.request({ ...get, path: `/${index}` } as never)
        return body.text()
      })
      t.strictSame(
        await Promise.all(bodies),
        [0, 1, 2, 3, 4, 5, 6, 7].map((index) => `/${index} mocked`),
        name,
      )
      const slow = new Recorder((what, controller) => {
        if (what !== 'data') return
        controller.pause()
        setImmediate(() => controller.resume())
      })
      dispatcher.dispatch({ ...get, path: '/big' } as never, slow)
      await slow.ended
      t.ok(slow.body === big, `a long body in parts, ${name}`)
      await dispatcher.close()
    }
    const { body } = await request('http://mocked.example/top')
    t.equal(await body.text(), '/top mocked', 'by the global dispatcher')
  })

  t.test(`reports the error that a mock destroys a socket with (handle ${handle})`, async (t) => {
    const restore = mock((_head, socket) => {
      // @mswjs/interceptors wraps the socket in a Proxy, so its listeners get the Proxy as `this`.
      new Proxy(socket, {}).destroy(new Error('mocked failure'))
    }, handle)
    t.teardown(restore)
    for (const [name, make] of Object.entries(dispatchers)) {
      const dispatcher = make()
      await t.rejects(dispatcher.request(get as never), { message: 'mocked failure' }, name)
      await dispatcher.close()
    }
  })
}

t.test('uses onread again after the mock is removed', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('real'))
  const restore = mock((_head, socket) => socket.push(response('mocked')), 'kept')
  const client = new Client(origin.url)
  t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'mocked')
  await client.destroy()
  restore()
  const { connect } = net
  let direct = false
  net.connect = ((options: object) => {
    direct = 'onread' in options
    return connect(options as never)
  }) as typeof connect
  t.teardown(() => {
    net.connect = connect
  })
  const after = new Client(origin.url)
  t.equal(await (await after.request({ path: '/', method: 'GET' })).body.text(), 'real')
  t.equal(direct, true)
  await after.close()
  await origin.close()
})

t.test('receives events of a socket that is wrapped in a Proxy', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const connect = (_options: unknown, callback: (error: null, socket: never) => void) => {
    const socket = net.connect(origin.port, '127.0.0.1', () => {
      const proxied = new Proxy<Duplex>(socket, {
        get(target, name) {
          const value = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      callback(null, proxied as never)
    })
  }
  const client = new Client(origin.url, { connect: connect as never })
  const body = 'y'.repeat(500_000)
  for (let i = 0; i < 3; i++) {
    const { body: echoed } = await client.request({ path: '/', method: 'POST', body })
    t.ok((await echoed.text()) === body)
  }
  await client.close()
  await origin.close()
})
