import { Readable } from 'node:stream'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n'
const get = (path: string) => ({ path, method: 'GET' })

/** A server that reads no bodies: it parses each body as another request, and responds with the target. */
async function bodiless(): Promise<Origin & { heads: string[] }> {
  const heads: string[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      heads.push(head)
      socket.write(response(head.split(' ')[1] ?? ''))
    }),
  )
  return Object.assign(origin, { heads })
}

/** Uses one connection at a time, so that reuse is visible. */
const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url, { pipelining: 10 }),
  Pool: (url) => new Pool(url, { connections: 1 }),
  RoundRobinPool: (url) => new RoundRobinPool(url, { connections: 1 }),
  BalancedPool: (url) => new BalancedPool(url, { connections: 1 }),
  Agent: () => new Agent({ connections: 1, pipelining: 10 }),
}

async function ask(dispatcher: Dispatcher, options: object): Promise<string> {
  const { body } = await dispatcher.request(options as never)
  return body.text()
}

const bodies: Record<string, () => unknown> = {
  string: () => SMUGGLED,
  Buffer: () => Buffer.from(SMUGGLED),
  ArrayBuffer: () => new TextEncoder().encode(SMUGGLED).buffer,
  Blob: () => new Blob([SMUGGLED]),
  FormData: () => {
    const form = new FormData()
    form.append('a', 'b')
    return form
  },
  URLSearchParams: () => new URLSearchParams({ a: 'b' }),
  Readable: () => Readable.from([SMUGGLED]),
  'empty Readable': () => Readable.from([]),
  ReadableStream: () => Readable.toWeb(Readable.from([Buffer.from(SMUGGLED)])),
  array: () => [SMUGGLED],
  async *generator() {
    yield SMUGGLED
  },
}

const UNEXPECTED = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'REPORT', 'LINK', 'get', 'post']

t.test('closes the connection after a request body with a method that expects none', async (t) => {
  for (const [name, make] of Object.entries(dispatchers)) {
    for (const [method, kind] of [
      ...UNEXPECTED.map((method) => [method, 'string']),
      ...Object.keys(bodies).map((kind) => ['DELETE', kind]),
    ] as [string, string][]) {
      const origin = await bodiless()
      const dispatcher = make(origin.url)
      const body = bodies[kind]?.()
      t.equal(
        await ask(dispatcher, { origin: origin.url, path: '/first', method, body }),
        method === 'HEAD' ? '' : '/first',
      )
      t.equal(await ask(dispatcher, { origin: origin.url, ...get('/mine') }), '/mine', `${name}: ${method} ${kind}`)
      t.equal(origin.connections, 2)
      t.match(origin.heads[0], /\r\nconnection: close(\r\n|$)/)
      await dispatcher.close()
      await origin.close()
    }
  }
})

t.test('keeps the connection after a request body that is expected, empty, or sent with reset: false', async (t) => {
  const kept: object[] = [
    ...['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'].map((method) => ({ method, body: 'no head' })),
    ...['GET', 'DELETE', 'OPTIONS', 'LINK'].map((method) => ({ method, body: '' })),
    ...['GET', 'DELETE'].map((method) => ({ method, body: new Blob([]) })),
    ...['GET', 'DELETE'].map((method) => ({ method })),
    { method: 'GET', body: 'no head', reset: false },
    { method: 'HEAD', reset: false },
  ]
  for (const options of kept) {
    const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(response(''))))
    const client = new Client(origin.url)
    await ask(client, { ...get('/'), ...options })
    // A body left in the server's buffer precedes the request line, and does not become a request of its own.
    await ask(client, get('/'))
    t.equal(origin.connections, 1, JSON.stringify(options))
    await client.close()
    await origin.close()
  }
})

t.test('pipelines no request behind HEAD or an unexpected request body', async (t) => {
  for (const first of [
    { method: 'GET', body: SMUGGLED },
    { method: 'OPTIONS', body: [SMUGGLED] },
    { method: 'HEAD' },
  ]) {
    const origin = await bodiless()
    const client = new Client(origin.url, { pipelining: 10 })
    await ask(client, get('/warm'))
    const paths = ['/0', '/1', '/2', '/3']
    const answers = paths.map((path, index) => ask(client, { ...get(path), ...(index === 1 ? first : {}) }))
    const want = paths.map((path, index) => (index === 1 && first.method === 'HEAD' ? '' : path))
    t.strictSame(await Promise.all(answers), want, first.method)
    t.equal(origin.connections, 2)
    await client.close()
    await origin.close()
  }
})

t.test('rejects a CONNECT with a body, and sends nothing', async (t) => {
  const origin = await bodiless()
  for (const [name, make] of Object.entries(dispatchers)) {
    for (const [kind, body] of Object.entries(bodies)) {
      const dispatcher = make(origin.url)
      const connect = { origin: origin.url, path: 'a.test:443', body: body() }
      await t.rejects(
        dispatcher.connect(connect as never),
        { code: 'UND_ERR_INVALID_ARG', message: /body/ },
        `${name}: ${kind}`,
      )
      await dispatcher.close()
    }
  }
  const client = new Client(origin.url)
  for (const body of ['', Buffer.alloc(0), null]) {
    const recorder = new Recorder()
    client.dispatch({ path: 'a.test:443', method: 'CONNECT', body }, recorder)
    await recorder.ended
  }
  t.equal(origin.heads.length, 3)
  for (const head of origin.heads) t.notMatch(head, /content-length|transfer-encoding/)
  await client.close()
  await origin.close()
})

const EVIL = response('evil')
const LENGTH = `content-length: ${EVIL.length}\r\n`
const CHUNKED = 'transfer-encoding: chunked\r\n'

/**
 * Responds to the first request, and to later ones on the same connection with a body that belongs to the first
 * response.
 */
async function late(head: string): Promise<Origin> {
  return rawOrigin((socket, connection) =>
    onRequests(socket, (_head, index) => {
      if (connection > 0) socket.write(response('mine'))
      else socket.write(index === 0 ? head : EVIL)
    }),
  )
}

t.test('does not read a late body of HEAD, 204 or 304 as the next response', async (t) => {
  const answers: [method: string, head: string][] = [
    ...['', LENGTH, CHUNKED].map((fields): [string, string] => ['HEAD', `HTTP/1.1 200 OK\r\n${fields}\r\n`]),
    ...['GET', 'POST', 'DELETE'].flatMap((method) =>
      ['204 No Content', '304 Not Modified'].flatMap((status) =>
        [LENGTH, CHUNKED].map((fields): [string, string] => [method, `HTTP/1.1 ${status}\r\n${fields}\r\n`]),
      ),
    ),
  ]
  for (const parser of ['wasm', 'js'] as const) {
    for (const [method, head] of answers) {
      const origin = await late(head)
      const client = new Client(origin.url, { parser, pipelining: 10 })
      // Requests dispatched together are pipelined behind it, where that is allowed.
      const texts = [ask(client, { path: '/', method }), ask(client, get('/1')), ask(client, get('/2'))]
      t.strictSame(await Promise.all(texts), ['', 'mine', 'mine'], `${method}: ${head}`)
      t.equal(await ask(client, get('/3')), 'mine')
      await client.close()
      await origin.close()
    }
  }
})

t.test('keeps the connection after a 204 or 304 that announces no body', async (t) => {
  for (const status of ['204 No Content', '304 Not Modified']) {
    for (const fields of ['', 'content-length: 0\r\n']) {
      const origin = await rawOrigin((socket) =>
        onRequests(socket, () => socket.write(`HTTP/1.1 ${status}\r\n${fields}\r\n`)),
      )
      const client = new Client(origin.url)
      for (let i = 0; i < 3; i++) await ask(client, get('/'))
      t.equal(origin.connections, 1, status)
      await client.close()
      await origin.close()
    }
  }
})

t.test('reads a body with transfer-encoding: identity until the connection closes', async (t) => {
  for (const parser of ['wasm', 'js'] as const) {
    const origin = await rawOrigin((socket, connection) =>
      onRequests(socket, () => {
        if (connection > 0) return void socket.write(response('mine'))
        socket.end(`HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhello${EVIL}`)
      }),
    )
    const client = new Client(origin.url, { parser, pipelining: 10 })
    const answers = [ask(client, get('/')), ask(client, get('/1'))]
    t.strictSame(await Promise.all(answers), [`hello${EVIL}`, 'mine'])
    await client.close()
    await origin.close()
  }
})
