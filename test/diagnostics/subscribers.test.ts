import diagnosticsChannel from 'node:diagnostics_channel'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { run } from '../runtimes/runtimes.js'
import { Listener } from '../servers/listener.js'
import { event, httpOrigin, type Origin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

/** An origin that answers each request with its own fields. */
function mirror(): Promise<Origin> {
  return httpOrigin(
    (request, reply) => void request.resume().on('end', () => reply.end(JSON.stringify(request.rawHeaders))),
  )
}

const channels = [
  'client:sendHeaders',
  'request:bodyChunkSent',
  'request:bodySent',
  'request:headers',
  'request:bodyChunkReceived',
]

interface Created {
  headers: string[]
  addHeader(name: unknown, value: unknown): unknown
}

/** Runs with a subscriber of one channel. */
async function subscribed<T>(
  channel: string,
  subscriber: (request: Created) => void,
  run: () => Promise<T>,
): Promise<T> {
  const onMessage = (message: unknown) => subscriber((message as { request: Created }).request)
  diagnosticsChannel.subscribe(`undici:${channel}`, onMessage)
  try {
    return await run()
  } finally {
    diagnosticsChannel.unsubscribe(`undici:${channel}`, onMessage)
  }
}

/** The fields that reached the origin, but for those that every request has. */
async function fields(client: Client, options: object = {}): Promise<string[]> {
  const { body } = await client.request({ path: '/', method: 'GET', headers: { own: 'yes' }, ...options })
  const raw = (await body.json()) as string[]
  return raw.filter((_text, index) => !/^(host|connection)$/.test(raw[index & ~1] as string))
}

t.test('a subscriber can add headers', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const add = (request: Created) => {
    t.equal(request.addHeader('Hello', 'world'), request)
    request.addHeader('list', ['1', '2'])
    request.addHeader('own', 'too')
    request.addHeader('nothing', undefined)
    t.strictSame(request.headers, ['own', 'yes', 'Hello', 'world', 'list', '1', 'list', '2', 'own', 'too'])
  }
  const sent = await subscribed('request:create', add, () => fields(client))
  t.strictSame(sent, ['own', 'yes', 'Hello', 'world', 'list', '1', 'list', '2', 'own', 'too'])

  const post = await subscribed(
    'request:create',
    (request) => request.addHeader('content-length', '4'),
    () => fields(client, { method: 'POST', body: 'text' }),
  )
  t.strictSame(post, ['own', 'yes', 'content-length', '4'])
  const host = await subscribed(
    'request:create',
    (request) => request.addHeader('host', 'example.com'),
    async () => (await client.request({ path: '/', method: 'GET' })).body.json(),
  )
  t.strictSame((host as string[]).slice(0, 2), ['host', 'example.com'])
  await client.close()
  await origin.close()
})

t.test('headers added to one of several equal requests are sent with that one only', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url, { pipelining: 3 })
  const ask = async () => {
    const raw = (await (await client.request({ path: '/', method: 'GET' })).body.json()) as string[]
    return raw[raw.indexOf('number') + 1]
  }
  await ask()
  let count = 0
  const add = (request: Created) => request.addHeader('number', String(++count))
  const numbers = await subscribed('request:create', add, () => Promise.all([ask(), ask(), ask()]))
  t.strictSame(numbers, ['1', '2', '3'])
  const raw = (await (await client.request({ path: '/', method: 'GET' })).body.json()) as string[]
  t.notOk(raw.includes('number'), 'headers of later requests do not change')
  await client.close()
  await origin.close()
})

t.test('a subscriber cannot add invalid headers', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const refused: [unknown, unknown][] = [
    ['x', 'a\r\nb: c'],
    ['x', ['a', 'b\0']],
    ['x y', 'a'],
    ['x:', 'a'],
    ['', 'a'],
    [5, 'a'],
    ['x', {}],
    ['x', 'a\u{1f600}'],
    ['host', 'a\r\nb: c'],
    ['host', ['a', 'b']],
    ['content-length', '3'],
    ['upgrade', 'websocket'],
    ['connection', 'a b'],
  ]
  const add = (request: Created) => {
    for (const [name, value] of refused) {
      t.throws(() => request.addHeader(name, value), { code: /^UND_ERR_(INVALID_ARG|REQ_CONTENT_LENGTH)/ }, `${name}`)
    }
    t.strictSame(request.headers, ['own', 'yes'])
  }
  t.strictSame(await subscribed('request:create', add, () => fields(client)), ['own', 'yes'])
  await client.close()
  await origin.close()
})

t.test('headers can be added while the request is queued, but not after it was sent', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const late = (request: Created) => {
    request.addHeader('late', 'yes')
    t.strictSame(request.headers, ['own', 'yes'])
  }
  t.strictSame(await subscribed('client:sendHeaders', late, () => fields(client)), ['own', 'yes'])
  t.strictSame(await subscribed('request:trailers', late, () => fields(client)), ['own', 'yes'])

  const requests: Created[] = []
  const waiting = await subscribed(
    'request:create',
    (request) => requests.push(request),
    async () => {
      const answers = [fields(client), fields(client)]
      requests[1]?.addHeader('waited', 'yes')
      return await Promise.all(answers)
    },
  )
  t.strictSame(waiting, [
    ['own', 'yes'],
    ['own', 'yes', 'waited', 'yes'],
  ])
  await client.close()
  await origin.close()
})

t.test('subscribers may modify the array of headers, which is checked', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const changes: [(request: Created) => void, string[]][] = [
    [(request) => request.headers.push('sentry-trace', '1'), ['own', 'yes', 'sentry-trace', '1']],
    [(request) => request.headers.splice(1, 1, 'changed'), ['own', 'changed']],
    [
      (request) => {
        request.headers = ['other', 'list']
      },
      ['other', 'list'],
    ],
    [
      (request) => {
        request.addHeader('added', '1')
        request.headers.push('pushed', '2')
      },
      ['own', 'yes', 'added', '1', 'pushed', '2'],
    ],
  ]
  for (const [change, expected] of changes) {
    t.strictSame(await subscribed('request:create', change, () => fields(client)), expected)
  }
  const warned = event<[Error]>(process as never, 'warning')
  let created: Created | null = null
  const inject = (request: Created) => {
    created = request
    request.headers.push('x', 'a\r\nx-injected: yes')
  }
  t.strictSame(await subscribed('request:create', inject, () => fields(client)), ['own', 'yes'])
  t.match((await warned)[0].message, /undici:request:create.*header x/)
  t.strictSame((created as Created | null)?.headers, ['own', 'yes'], 'the list equals the sent headers again')
  await client.close()
  await origin.close()
})

t.test('a request completes whatever a subscriber does to its object', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const fail = () => {
    throw new Error('not readable')
  }
  const changes: { [what: string]: (request: Created) => void } = {
    'frozen object': Object.freeze,
    'frozen list': (request) => Object.freeze(request.headers),
    'list that can not be read': (request) => {
      const { proxy, revoke } = Proxy.revocable([] as string[], {})
      request.headers = proxy
      revoke()
    },
    'list with accessors': (request) => void Object.defineProperty(request.headers, 0, { get: fail }),
    'accessors that throw': (request) => {
      for (const name of ['headers', 'completed', 'aborted']) Object.defineProperty(request, name, { get: fail })
    },
  }
  for (const [what, change] of Object.entries(changes)) {
    for (const channel of ['request:create', ...channels, 'request:trailers']) {
      t.strictSame(await subscribed(channel, change, () => fields(client)), ['own', 'yes'], `${what} at ${channel}`)
    }
    const abort = new AbortController()
    const aborted = subscribed('request:create', change, () => {
      const sent = fields(client, { signal: abort.signal })
      abort.abort(new Error('aborted'))
      return sent
    })
    await t.rejects(aborted, { message: 'aborted' }, what)
  }
  await client.close()
  await origin.close()
})

t.test('a late subscriber receives the same request object', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const answer = client.request({ path: '/late', method: 'GET' })
  const listener = new Listener()
  await (await answer).body.dump()
  listener.close()
  const [{ request }] = listener.of('request:trailers')
  t.match(request, { path: '/late', completed: true })
  t.strictSame(listener.channels(request), [
    'client:sendHeaders',
    'request:bodySent',
    'request:headers',
    'request:bodyChunkReceived',
    'request:trailers',
  ])
  await client.close()
  await origin.close()
})

const answering = ['request:headers', 'request:bodyChunkReceived', 'request:trailers']

t.test('a subscriber may abort the request of a message', async (t) => {
  const origin = await mirror()
  for (const pipelining of [1, 3]) {
    for (const channel of channels) {
      const client = new Client(origin.url, { pipelining })
      const reason = new Error('by a subscriber')
      const recorders = ['/1', '/2', '/3'].map(() => new Recorder())
      const listener = new Listener((published) => {
        const { request } = published.message
        if (published.channel === channel && request.path === '/2') recorders[1]?.controller?.abort(reason)
      })
      for (const [index, recorder] of recorders.entries()) {
        client.dispatch({ path: `/${index + 1}`, method: 'PUT', body: 'text', idempotent: true }, recorder)
      }
      for (const recorder of recorders) await recorder.ended
      listener.close()
      const [first, second, third] = recorders as [Recorder, Recorder, Recorder]
      t.equal(second.error, reason, channel)
      t.strictSame(
        second.calls.filter((name) => name === 'error' || name === 'end'),
        ['error'],
      )
      t.equal(second.calls.at(-1), 'error', 'no callback after the error')
      t.equal(listener.of('request:error').length, 1)
      t.strictSame([first.statusCode, third.statusCode], [200, 200], 'the other requests complete')
      t.equal(client.stats.size, 0)
      await client.close()
    }
  }
  await origin.close()
})

t.test('a subscriber may send requests, and destroy the client', async (t) => {
  const origin = await mirror()
  for (const channel of [
    'request:create',
    'client:beforeConnect',
    'client:connected',
    ...channels,
    'request:trailers',
  ]) {
    const client = new Client(origin.url)
    const own: Promise<unknown>[] = []
    const again = new Listener((published) => {
      if (published.channel !== channel || own.length > 0) return
      own.push(Promise.resolve())
      own.push(client.request({ path: '/own', method: 'GET' }).then(({ body }) => body.dump()))
    })
    const { body } = await client.request({ path: '/', method: 'POST', body: 'text' })
    await body.dump()
    await Promise.all(own)
    again.close()
    t.equal(own.length, 2, channel)
    await client.close()

    const ended = new Client(origin.url)
    const ending = new Listener((published) => {
      if (published.channel === channel) void ended.destroy(new Error('ended'))
    })
    const answer = ended.request({ path: '/', method: 'POST', body: 'text' }).then(({ body }) => body.text())
    // Messages about data of one read are published before the client closes.
    const outcome = await answer.catch((error: Error) => error.message)
    t.match(outcome, answering.includes(channel) ? /^ended$|host/ : /^ended$/, channel)
    ending.close()
    await ended.destroy()
  }
  await origin.close()
})

t.test('an exception of a subscriber does not affect the request', async (t) => {
  const program = `
    import diagnosticsChannel from 'node:diagnostics_channel'
    import http from 'node:http'
    import { Client } from '${new URL('../../lib/index.js', import.meta.url)}'
    const thrown = []
    process.on('uncaughtException', (error) => thrown.push(error.message))
    for (const name of ${JSON.stringify(['request:create', 'request:trailers', ...channels])}) {
      diagnosticsChannel.subscribe('undici:' + name, () => { throw new Error(name) })
    }
    const server = http.createServer((request, reply) => request.pipe(reply)).listen(0, '127.0.0.1', async () => {
      const client = new Client('http://127.0.0.1:' + server.address().port)
      const { body } = await client.request({ path: '/', method: 'POST', body: 'fine' })
      const text = await body.text()
      await client.close()
      server.close()
      setImmediate(() => console.log(JSON.stringify([text, thrown])))
    })
  `
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
  const [text, thrown] = JSON.parse(stdout)
  t.equal(text, 'fine')
  t.strictSame(thrown.sort(), ['request:create', 'request:trailers', ...channels].sort())
})

t.test('headers that a subscriber replaces by something else than an array are ignored', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  for (const headers of [null, undefined, 'a: b', { a: 'b' }, 7]) {
    const spoil = (request: Created) => {
      request.headers = headers as never
      request.addHeader('added', 'yes')
    }
    const sent = await subscribed('request:create', spoil, () => fields(client))
    t.strictSame(sent, ['own', 'yes', 'added', 'yes'])
  }
  await client.close()
  await origin.close()
})
