import { type Duplex, PassThrough } from 'node:stream'
import t from 'tap'
import { Agent, Client, type Dispatcher, Pool } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpsOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'

const dispatchers: Record<string, (url: string, options?: object) => Dispatcher> = {
  Client: (url, options) => new Client(url, options),
  Pool: (url, options) => new Pool(url, { connections: 1, ...options }),
  Agent: (_url, options) => new Agent({ connections: 1, ...options }),
}

async function ask(dispatcher: Dispatcher, options: object): Promise<string> {
  const { body } = await dispatcher.request({ path: '/', method: 'GET', ...options } as never)
  return body.text()
}

/** Returns the uncaught exceptions that occur during `run` and the three event-loop turns after it. */
async function uncaughtDuring(run: () => Promise<void>): Promise<unknown[]> {
  const errors: unknown[] = []
  const note = (error: unknown) => errors.push(error)
  process.on('uncaughtException', note)
  await run()
  for (let i = 0; i < 3; i++) await new Promise(setImmediate)
  process.off('uncaughtException', note)
  return errors
}

t.test('opens another connection while the body of a refused CONNECT is not read', async (t) => {
  for (const [name, make] of Object.entries(dispatchers)) {
    for (const sent of ['', 'x'.repeat(1000), 'x'.repeat(999_999)]) {
      const origin = await rawOrigin((socket) =>
        onRequests(socket, (head) => {
          const refused = `HTTP/1.1 407 No\r\ncontent-length: 1000000\r\n\r\n${sent}`
          socket.write(head.startsWith('CONNECT') ? refused : response('mine'))
        }),
      )
      const dispatcher = make(origin.url)
      const { statusCode, socket } = await dispatcher.connect({ origin: origin.url, path: 'a.test:443' } as never)
      t.equal(statusCode, 407)
      t.equal(await ask(dispatcher, { origin: origin.url }), 'mine', name)
      t.equal(origin.connections, 2)
      await dispatcher.destroy()
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
      await origin.close()
    }
  }
})

t.test('delivers the whole body of a refused CONNECT, even if it is read late', async (t) => {
  const text = 'x'.repeat(300_000)
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.write(`HTTP/1.1 403 No\r\ncontent-length: ${text.length}\r\n\r\n${text}`)),
  )
  const client = new Client(origin.url)
  const { socket } = await client.connect({ path: 'a.test:443' })
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  let received = ''
  for await (const piece of socket) received += piece
  t.equal(received, text)
  await client.close()
  await origin.close()
})

t.test('a refused CONNECT whose body is cut off causes no uncaught exception', async (t) => {
  const breaks: Record<string, [head: string, action: 'reset' | 'end' | 'wait']> = {
    reset: ['content-length: 9\r\n\r\nab', 'reset'],
    ended: ['content-length: 9\r\n\r\nab', 'end'],
    silent: ['content-length: 9\r\n\r\nab', 'wait'],
    'a bad chunk': ['transfer-encoding: chunked\r\n\r\nzz\r\n', 'wait'],
  }
  for (const [name, [fields, action]] of Object.entries(breaks)) {
    for (const hasListener of [false, true]) {
      const origin = await rawOrigin((socket) =>
        onRequests(socket, () => {
          socket.write(`HTTP/1.1 403 No\r\n${fields}`)
          if (action === 'end') socket.end()
          if (action === 'reset') setImmediate(() => socket.resetAndDestroy())
        }),
      )
      const client = new Client(origin.url, { bodyTimeout: 20 })
      let socketError: unknown = null
      const uncaught = await uncaughtDuring(async () => {
        const { statusCode, socket } = await client.connect({ path: 'a.test:443' })
        t.equal(statusCode, 403)
        if (hasListener) socket.on('error', (error) => (socketError = error))
        if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
      })
      t.strictSame(uncaught, [], name)
      t.equal(socketError !== null, hasListener)
      await client.close()
      await origin.close()
    }
  }
})

t.test('a tunnel reset before the caller adds a listener causes no uncaught exception', async (t) => {
  for (const kind of ['connect', 'upgrade'] as const) {
    const origin = await rawOrigin((socket) =>
      onRequests(socket, () => {
        const head = kind === 'connect' ? '200 OK\r\n' : '101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n'
        socket.write(`HTTP/1.1 ${head}\r\n`)
        setImmediate(() => socket.resetAndDestroy())
      }),
    )
    const client = new Client(origin.url)
    const uncaught = await uncaughtDuring(async () => {
      const path = kind === 'connect' ? 'a.test:443' : '/'
      const { socket }: { socket: Duplex } = await (client[kind] as Client['upgrade'])({ path })
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
    })
    t.strictSame(uncaught, [], kind)
    const other = await rawOrigin((peer) => onRequests(peer, () => peer.write('HTTP/1.1 200 OK\r\n\r\n')))
    const second = new Client(other.url)
    const owned = (await second.connect({ path: 'a.test:443' })).socket
    owned.on('error', () => {})
    t.equal(owned.listenerCount('error'), 1, 'no listener is added to one of the caller')
    owned.destroy()
    await Promise.all([client.close(), second.close()])
    await Promise.all([origin.close(), other.close()])
  }
})

t.test('upgrade() fails if an interceptor responds without an upgrade, whatever its controller does', async (t) => {
  const controller = {
    abort() {},
    pause() {},
    resume() {},
    paused: false,
    aborted: false,
    reason: null,
    rawHeaders: [],
  }
  const answering = (() => (_options: never, handler: Dispatcher.DispatchHandler) => {
    handler.onRequestStart?.(controller as never, {})
    handler.onResponseStart?.(controller as never, 400, { 'content-length': '0' }, 'Bad Request')
    return true
  }) as never
  const client = new Client('http://localhost:1').compose(answering)
  await t.rejects(client.upgrade({ path: '/' }), { code: 'UND_ERR_SOCKET', message: /400/ })
  await client.close()
})

t.test('closes the socket or body when the callback that received it throws', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (head.startsWith('CONNECT')) socket.write('HTTP/1.1 200 OK\r\n\r\n')
      else if (/upgrade: x/.test(head)) socket.write('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')
    }),
  )
  for (const [method, options] of [
    ['connect', { path: 'a:1' }],
    ['upgrade', { path: '/', protocol: 'x' }],
    ['request', { path: '/', method: 'GET' }],
  ] as const) {
    const client = new Client(origin.url)
    const thrown = new Error('mine')
    const uncaught = await uncaughtDuring(
      () =>
        new Promise((resolve) => {
          const callback = (_error: unknown, { socket, body }: { socket?: Duplex; body?: Duplex }) => {
            ;(socket ?? (body as Duplex)).on('close', resolve)
            throw thrown
          }
          ;(client[method] as Client['request'])(options as never, callback as never)
        }),
    )
    t.strictSame(uncaught, [thrown], method)
    await client.close()
  }
  await origin.close()
})

t.test('a callback of stream() that throws fails neither the connection nor the next request', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(response('ok'))))
  const client = new Client(origin.url)
  const thrown = new Error('mine')
  const uncaught = await uncaughtDuring(
    () =>
      new Promise((resolve) => {
        client.stream(
          { path: '/', method: 'GET' },
          () => new PassThrough().resume(),
          () => {
            resolve()
            throw thrown
          },
        )
      }),
  )
  t.strictSame(uncaught, [thrown])
  t.equal(await ask(client, {}), 'ok')
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

for (const answered of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello']) {
  for (const method of ['GET', 'POST']) {
    for (const when of ['before', 'after'] as const) {
      const condition = `aborted ${when} the response before it, with ${answered.length} bytes of its own`
      t.test(`a ${method} does not wait for a request that is ${condition}`, async (t) => {
        const origin = await rawOrigin((socket) => {
          let stalls = false
          onRequests(socket, (head) => {
            if (!stalls) socket.write(head.startsWith('GET /never') ? answered : response('ok'))
            stalls ||= head.startsWith('GET /never')
          })
        })
        const client = new Client(origin.url, { pipelining: 10 })
        await ask(client, {})
        const aborts = [new AbortController(), new AbortController()]
        const first = ask(client, { path: '/a' })
        const given = aborts.map(({ signal }) => t.rejects(ask(client, { path: '/never', signal })))
        if (when === 'before') for (const abort of aborts) abort.abort()
        t.equal(await first, 'ok')
        // The last one first: the oldest request is still active then.
        for (const abort of aborts.reverse()) abort.abort()
        await Promise.all(given)
        t.equal(await ask(client, { method }), 'ok')
        t.equal(origin.connections, 2)
        await client.close()
        await origin.close()
      })
    }
  }
}

t.test('does not wait for an aborted request if the body of the last active one behind it failed', async (t) => {
  let arrived = (_answer: () => void) => {}
  const firstArrived = new Promise<() => void>((resolve) => {
    arrived = resolve
  })
  const origin = await rawOrigin((socket, index) =>
    onRequests(socket, (head) => {
      const answer = () => void socket.write(response('ok'))
      if (index > 0 || head.startsWith('GET / ')) answer()
      else if (head.startsWith('GET /a ')) arrived(answer)
    }),
  )
  let begin = () => {}
  let failBody = (_error: Error) => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  async function* pieces() {
    yield Buffer.alloc(10)
    begin()
    await new Promise((_resolve, reject) => {
      failBody = reject
    })
  }
  const body = { [Symbol.toStringTag]: 'Blob', size: 100, type: '', stream: pieces } as unknown as Blob
  const client = new Client(origin.url, { pipelining: 10 })
  await ask(client, {})
  const abort = new AbortController()
  const first = ask(client, { path: '/a' })
  const given = t.rejects(ask(client, { path: '/never', signal: abort.signal }))
  const upload = t.rejects(ask(client, { path: '/upload', method: 'PUT', idempotent: true, body }), {
    message: 'no more',
  })
  await begun
  abort.abort()
  await given
  const answerFirst = await firstArrived
  answerFirst()
  t.equal(await first, 'ok')
  failBody(new Error('no more'))
  await upload
  t.equal(await ask(client, {}), 'ok')
  t.equal(origin.connections, 2)
  await client.close()
  await origin.close()
})

t.test('keeps a connection on which the response of an aborted request arrives in time', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (head.startsWith('GET /late')) setImmediate(() => setImmediate(() => socket.write(response('late'))))
      else socket.write(response('ok'))
    }),
  )
  const client = new Client(origin.url, { pipelining: 10 })
  await ask(client, {})
  const abort = new AbortController()
  const first = ask(client, { path: '/a' })
  const given = t.rejects(ask(client, { path: '/late', signal: abort.signal }))
  abort.abort()
  await given
  t.equal(await first, 'ok')
  t.equal(await ask(client, { method: 'POST' }), 'ok')
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('close() does not wait for aborted pipelined requests', async (t) => {
  for (const when of ['before', 'after'] as const) {
    const origin = await rawOrigin((socket) =>
      onRequests(socket, (head) => {
        if (!head.startsWith('GET /never')) socket.write(response('ok'))
      }),
    )
    const client = new Client(origin.url, { pipelining: 10 })
    await ask(client, {})
    const abort = new AbortController()
    const first = ask(client, { path: '/a' })
    const given = ['/never', '/never'].map((path) => t.rejects(ask(client, { path, signal: abort.signal })))
    if (when === 'before') abort.abort()
    t.equal(await first, 'ok')
    const closed = client.close()
    abort.abort()
    await Promise.all(given)
    await closed
    await origin.close()
  }
})

t.test('only the request for a TLS name without a valid certificate fails', async (t) => {
  const ca = await authority()
  const origin = await httpsOrigin((_request, reply) => void reply.end('ok'), (await serverIdentity(ca)) as never)
  const { port } = new URL(origin.url)
  for (const [name, make] of Object.entries(dispatchers)) {
    for (const pipelining of [1, 10]) {
      const dispatcher = make(`https://127.0.0.1:${port}`, { pipelining, connect: { ca: ca.cert } })
      const hosts = ['localhost', 'evil.test', 'localhost', 'EVIL.test', 'localhost']
      const outcomes = hosts.map((host) =>
        ask(dispatcher, { origin: `https://127.0.0.1:${port}`, headers: { host } }).catch((error) => error.code),
      )
      const bad = 'ERR_TLS_CERT_ALTNAME_INVALID'
      t.strictSame(await Promise.all(outcomes), ['ok', bad, 'ok', bad, 'ok'], `${name}, ${pipelining}`)
      await dispatcher.close()
    }
  }
  await origin.close()
})
