import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { Client, errors } from '../../lib/index.js'
import { event, httpOrigin, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'

/** An origin that answers with what it was asked, as JSON. */
function echoOrigin(options: { path?: string } = {}): Promise<Origin> {
  return httpOrigin((request, reply) => {
    const hash = createHash('sha256')
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      hash.update(chunk)
    })
    request.on('end', () => {
      const { method, url, headers } = request
      reply.end(JSON.stringify({ method, url, headers, bytes, sha256: hash.digest('hex') }))
    })
  }, options)
}

interface Echo {
  method: string
  url: string
  headers: Record<string, string>
  bytes: number
  sha256: string
}

async function ask(client: Client, options: Parameters<Client['request']>[0]): Promise<Echo> {
  const { body } = await client.request(options)
  return (await body.json()) as Echo
}

t.test('connects with the first request and emits connect', async (t) => {
  const origin = await echoOrigin()
  const client = new Client(origin.url)
  t.equal(client.stats.connected, false)
  t.equal(origin.connections, 0)
  const connected = event<[URL, Client[]]>(client, 'connect')
  const answer = await ask(client, { path: '/a?b=c', method: 'GET' })
  t.match(answer, { method: 'GET', url: '/a?b=c', bytes: 0 })
  t.equal(answer.headers.host, origin.url.slice(7))
  const [url, targets] = await connected
  t.equal(url.origin, origin.url)
  t.strictSame(targets, [client])
  t.strictSame({ ...client.stats }, { connected: true, pending: 0, running: 0, size: 0 })
  const disconnected = event<[URL, Client[], Error]>(client, 'disconnect')
  await client.close()
  t.equal((await disconnected)[2].message, 'The dispatcher is closed')
  t.equal(client.closed, true)
  t.equal(client.destroyed, true)
  await origin.close()
})

t.test('sends every kind of body', async (t) => {
  const origin = await echoOrigin()
  const client = new Client(origin.url)
  const text = 'grüße '.repeat(100)
  const bytes = Buffer.from(text)
  const form = new FormData()
  form.append('field', 'value')
  const kinds: [string, unknown, string | undefined][] = [
    ['string', text, String(bytes.length)],
    ['Buffer', bytes, String(bytes.length)],
    ['Uint8Array', new Uint8Array(bytes), String(bytes.length)],
    ['ArrayBuffer', bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), String(bytes.length)],
    ['Readable', Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]), undefined],
    [
      'async iterable',
      (async function* () {
        yield text.slice(0, 3)
        yield text.slice(3)
      })(),
      undefined,
    ],
    ['iterable', [bytes.subarray(0, 1), bytes.subarray(1)], undefined],
    ['web stream', new Blob([bytes]).stream(), undefined],
    ['Blob', new Blob([bytes]), String(bytes.length)],
  ]
  const wanted = createHash('sha256').update(bytes).digest('hex')
  for (const [name, body, length] of kinds) {
    const answer = await ask(client, { path: '/', method: 'POST', body: body as string })
    t.equal(answer.sha256, wanted, name)
    t.equal(answer.headers['content-length'], length, `${name} length`)
    t.equal(answer.headers['transfer-encoding'], length === undefined ? 'chunked' : undefined)
  }
  const answer = await ask(client, { path: '/', method: 'POST', body: form as unknown as string })
  t.match(answer.headers['content-type'], /^multipart\/form-data; boundary=/)
  t.equal(answer.headers['content-length'], String(answer.bytes))
  const headers = { 'transfer-encoding': 'chunked' }
  const framed = await ask(client, { path: '/', method: 'POST', body: bytes, headers })
  t.match(framed, { sha256: wanted, headers }, 'bytes with transfer-encoding: chunked')
  t.equal((await ask(client, { path: '/', method: 'POST' })).headers['content-length'], '0')
  t.equal(origin.connections, 1, 'all requests use one connection')
  await client.close()
  await origin.close()
})

t.test('pipelines requests, but not behind a request that is not idempotent', async (t) => {
  const seen: number[] = []
  const origin = await rawOrigin((socket) => {
    const heads: string[] = []
    onRequests(socket, (head) => {
      heads.push(head)
      if (heads.length === 1) {
        setImmediate(() => {
          seen.push(heads.length)
          for (const one of heads.splice(0)) socket.write(response(one.split(' ')[1] as string))
        })
      }
    })
  })
  const client = new Client(origin.url, { pipelining: 4 })
  const send = (path: string, method = 'GET') => client.request({ path, method }).then(({ body }) => body.text())
  const all = ['/0', '/1', '/2', '/3', '/4', '/5'].map((path) => send(path))
  t.strictSame({ ...client.stats }, { connected: false, pending: 6, running: 0, size: 6 })
  t.strictSame(await Promise.all(all), ['/0', '/1', '/2', '/3', '/4', '/5'])
  t.strictSame(seen, [4, 2], 'four pipelined requests, then the rest')
  seen.length = 0
  t.strictSame(await Promise.all([send('/a'), send('/b', 'POST'), send('/c'), send('/d')]), ['/a', '/b', '/c', '/d'])
  t.strictSame(seen, [1, 1, 2], 'no request is pipelined with the POST')
  seen.length = 0
  const put = { path: '/x', method: 'PUT', idempotent: true, headers: { 'content-length': '1' } } as const
  const streamed = () => client.request({ ...put, body: Readable.from(['x']) }).then(({ body }) => body.text())
  t.strictSame(await Promise.all([send('/y'), send('/z'), streamed()]), ['/y', '/z', '/x'])
  t.strictSame(seen, [2, 1], 'nor with a body that can be read once')
  client.pipelining = 1
  seen.length = 0
  await Promise.all([send('/e'), send('/f')])
  t.strictSame(seen, [1, 1])
  await client.close()
  await origin.close()
})

t.test('blocking delays other requests until response headers arrive', async (t) => {
  let requests = 0
  const origin = await rawOrigin((socket) => {
    onRequests(socket, () => {
      requests++
      if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n')
      else socket.write(`ok${response('second')}`)
    })
  })
  const client = new Client(origin.url, { pipelining: 5 })
  const first = client.request({ path: '/1', method: 'GET', blocking: true })
  const second = client.request({ path: '/2', method: 'GET' })
  t.equal(
    await (await first).body.text(),
    'ok',
    'the second request is sent between headers and body of the first response',
  )
  t.equal(await (await second).body.text(), 'second')
  await client.close()
  await origin.close()
})

t.test('one drain follows a dispatch that returned false', async (t) => {
  const origin = await echoOrigin()
  const client = new Client(origin.url, { pipelining: 2 })
  let drains = 0
  client.on('drain', () => drains++)
  const recorders = [new Recorder(), new Recorder(), new Recorder()]
  const returned = recorders.map((recorder) => client.dispatch({ path: '/', method: 'GET' }, recorder))
  t.strictSame(returned, [false, false, false])
  await Promise.all(recorders.map((recorder) => recorder.ended))
  t.equal(drains, 1)
  // False only where the connection has rested long enough to be looked at first.
  const room = client.dispatch({ path: '/', method: 'GET' }, new Recorder())
  await client.close()
  t.equal(drains, room ? 1 : 2)
  await origin.close()
})

t.test('close waits for queued requests and rejects later ones', async (t) => {
  const origin = await echoOrigin()
  const client = new Client(origin.url)
  const answers = [1, 2, 3].map((n) => ask(client, { path: `/${n}`, method: 'GET' }))
  const closed = client.close()
  t.equal(client.closed, true)
  t.equal(client.destroyed, false)
  await t.rejects(client.request({ path: '/late', method: 'GET' }), { code: 'UND_ERR_CLOSED', path: '/late' })
  t.strictSame(
    (await Promise.all(answers)).map(({ url }) => url),
    ['/1', '/2', '/3'],
  )
  await closed
  await t.rejects(client.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_DESTROYED' })
  await new Promise<void>((resolve) => client.destroy(resolve))
  await new Promise<void>((resolve) => client.close(resolve))
  await origin.close()
})

t.test('destroy fails queued requests and requests in flight, in all its forms', async (t) => {
  const origin = await rawOrigin(() => {})
  for (const form of ['promise', 'error', 'callback', 'both'] as const) {
    const client = new Client(origin.url)
    const reason = new Error('enough')
    const running = client.request({ path: '/1', method: 'GET' })
    const queued = client.request({ path: '/2', method: 'GET' })
    await event(client, 'connect')
    const own = form === 'error' || form === 'both'
    const both = Promise.all([
      t.rejects(running, own ? reason : { code: 'UND_ERR_DESTROYED' }),
      t.rejects(queued, own ? reason : { code: 'UND_ERR_DESTROYED' }),
    ])
    if (form === 'promise') await client.destroy()
    else if (form === 'error') await client.destroy(reason)
    else if (form === 'callback') await new Promise<void>((resolve) => client.destroy(resolve))
    else await new Promise<void>((resolve) => client.destroy(reason, resolve))
    await both
    t.strictSame({ ...client.stats }, { connected: false, pending: 0, running: 0, size: 0 })
  }
  const idle = new Client(origin.url)
  await idle.destroy()
  t.equal(idle.destroyed, true)
  await origin.close()
})

t.test('destroy fails requests that return to the queue while others are failed', async (t) => {
  const origin = await rawOrigin(() => {})
  const client = new Client(origin.url, { pipelining: 2 })
  const [running, behind] = [new Recorder(), new Recorder()]
  const waiting = new Recorder((name) => {
    if (name.startsWith('error')) running.controller?.abort()
  })
  for (const recorder of [running, behind, waiting]) client.dispatch({ path: '/', method: 'GET' }, recorder)
  await event(client, 'connect')
  while (client.stats.running < 2) await new Promise(setImmediate)
  let drains = 0
  client.on('drain', () => drains++)
  await client.destroy()
  await Promise.all([running, behind, waiting].map(({ ended }) => ended))
  t.match(running.error, { code: 'UND_ERR_ABORTED' })
  t.match(behind.error, { code: 'UND_ERR_DESTROYED' })
  t.match(waiting.error, { code: 'UND_ERR_DESTROYED' })
  t.match(client.stats, { connected: false, pending: 0, running: 0, size: 0 })
  t.equal(drains, 1)
  await origin.close()
})

t.test('after a lost connection, idempotent requests are sent again and others fail', async (t) => {
  let posts = 0
  const origin = await rawOrigin((socket, index) => {
    onRequests(socket, (head, request) => {
      if (head.startsWith('POST')) posts++
      if (index === 0 && request === 1) socket.destroy()
      else if (index === 1 && request === 1) socket.destroy()
      else socket.write(response(`${index}.${request}`))
    })
  })
  const client = new Client(origin.url)
  const get = (path: string) => client.request({ path, method: 'GET' }).then(({ body }) => body.text())
  t.equal(await get('/first'), '0.0')
  t.equal(await get('/again'), '1.0', 'a GET on a reused connection is sent again')
  const failure = await client.request({ path: '/post', method: 'POST', body: 'x' }).catch((error) => error)
  t.match(failure, {
    reusedSocket: true,
    replaySafe: false,
    method: 'POST',
    path: '/post',
    phase: 'wait',
  })
  t.equal(posts, 1, 'the POST was executed once')
  t.equal(await get('/after'), '2.0', 'the next request completes')
  await client.close()
  await origin.close()
})

t.test('stops sending a request to a server that closes every new connection', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.end()))
  const client = new Client(origin.url, { pipelining: 3 })
  const results = await Promise.allSettled([1, 2, 3].map((n) => client.request({ path: `/${n}`, method: 'GET' })))
  t.strictSame(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.match((results[0] as PromiseRejectedResult).reason, { code: 'UND_ERR_SOCKET', message: 'other side closed' })
  t.ok(origin.connections <= 3, `${origin.connections} connections`)
  await client.destroy()
  await origin.close()
})

t.test('connection: close in a pipeline sends the remaining requests again', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head, request) => {
      if (request === 0) socket.end(response(head.split(' ')[1] as string, { connection: 'close' }))
    })
  })
  const client = new Client(origin.url, { pipelining: 10 })
  const paths = Array.from({ length: 10 }, (_, n) => `/${n}`)
  const bodies = await Promise.all(
    paths.map((path) => client.request({ path, method: 'GET' }).then(({ body }) => body.text())),
  )
  t.strictSame(bodies, paths)
  t.equal(origin.connections, 10)
  await client.close()
  await origin.close()
})

t.test('a failing connection emits connectionError once per attempt', async (t) => {
  const origin = await rawOrigin(() => {})
  await origin.close()
  const client = new Client(origin.url)
  const failed = event<[URL, Client[], Error]>(client, 'connectionError')
  const results = await Promise.allSettled([1, 2].map((n) => client.request({ path: `/${n}`, method: 'GET' })))
  const reasons = results.map((result) => (result as PromiseRejectedResult).reason)
  t.match(reasons[0], { code: 'ECONNREFUSED', path: '/1', phase: 'connect', replaySafe: true })
  t.match(reasons[1], { code: 'ECONNREFUSED', path: '/2' })
  t.not(reasons[0], reasons[1])
  t.equal(((await failed)[2] as NodeJS.ErrnoException).code, 'ECONNREFUSED')
  await client.close()
})

t.test('closes an idle connection that receives bytes', async (t) => {
  const origin = await rawOrigin((socket, index) => {
    onRequests(socket, () => {
      socket.write(response(String(index)))
      if (index === 0) setImmediate(() => socket.write(response('poison')))
    })
  })
  const client = new Client(origin.url)
  const disconnected = event<[URL, Client[], Error]>(client, 'disconnect')
  t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), '0')
  t.match((await disconnected)[2], { name: 'HTTPParserError', code: 'HPE_UNSOLICITED' })
  t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), '1')
  await client.close()
  await origin.close()
})

t.test('rejects a response that arrives before its request', async (t) => {
  const origin = await rawOrigin((socket, index) => {
    if (index === 0) socket.write(response('too early'))
    onRequests(socket, () => socket.write(response('in time')))
  })
  const client = new Client(origin.url)
  const results = await Promise.allSettled([client.request({ path: '/', method: 'POST', body: 'x' })])
  if (results[0]?.status === 'fulfilled') t.equal(await results[0].value.body.text(), 'too early')
  t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'in time')
  await client.close()
  await origin.close()
})

t.test('keep-alive follows hints and limits of the server', async (t) => {
  const fields = { '/none': { 'keep-alive': 'timeout=1' }, '/close': { connection: 'close' } } as Record<string, object>
  const heads: string[] = []
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      heads.push(head)
      socket.write(response('x', (fields[head.split(' ')[1] as string] ?? {}) as Record<string, string>))
    })
  })
  const get = (client: Client, path = '/') => client.request({ path, method: 'GET' }).then(({ body }) => body.text())

  const limited = new Client(origin.url, { maxRequestsPerClient: 2 })
  for (let i = 0; i < 4; i++) await get(limited)
  t.equal(origin.connections, 2, 'two requests per connection')
  t.match(heads[1], /connection: close/)
  await limited.close()

  const single = new Client(origin.url, { pipelining: 0 })
  await Promise.all([get(single), get(single)])
  t.equal(origin.connections, 4, 'pipelining 0: one connection per request')
  await single.close()

  const hinted = new Client(origin.url, { keepAliveTimeoutThreshold: 1000 })
  const disconnected = event<[URL, Client[], Error]>(hinted, 'disconnect')
  await get(hinted, '/none')
  t.match((await disconnected)[2], { code: 'UND_ERR_INFO' }, 'closes at once if the hint is below the threshold')
  await get(hinted, '/close')
  await get(hinted)
  await hinted.close()

  const idle = new Client(origin.url, { keepAliveTimeout: 20 })
  const timedOut = event<[URL, Client[], Error]>(idle, 'disconnect')
  await get(idle)
  t.equal((await timedOut)[2].message, 'socket idle timeout')
  await idle.close()

  const reset = new Client(origin.url)
  heads.length = 0
  await (await reset.request({ path: '/', method: 'GET', reset: true })).body.text()
  t.match(heads[0], /connection: close/)
  await reset.close()
  await origin.close()
})

t.test('timeout errors name the option', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      if (head.startsWith('GET /body')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe')
    })
  })
  const client = new Client(origin.url, { headersTimeout: 40, bodyTimeout: 40 })
  await t.rejects(client.request({ path: '/head', method: 'GET' }), {
    code: 'UND_ERR_HEADERS_TIMEOUT',
    fault: 'timeout',
    path: '/head',
    phase: 'wait',
  })
  const { body } = await client.request({ path: '/body', method: 'GET' })
  await t.rejects(body.text(), { code: 'UND_ERR_BODY_TIMEOUT', phase: 'body' })
  const { body: endless } = await client.request({ path: '/body', method: 'GET', bodyTimeout: 0 })
  await Promise.all([t.rejects(endless.text(), { message: 'stop' }), client.destroy(new Error('stop'))])
  await origin.close()
})

t.test('time of a paused reader does not count for bodyTimeout', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end(Buffer.alloc(4_000_000, 'x')))
  const client = new Client(origin.url, { bodyTimeout: 50 })
  const recorder = new Recorder((name, controller) => {
    if (name !== 'data' || recorder.chunks.length !== 1) return
    controller.pause()
    t.equal(controller.paused, true)
    setTimeout(() => controller.resume(), 120)
  })
  client.dispatch({ path: '/', method: 'GET' }, recorder)
  await recorder.ended
  t.equal(recorder.error, null)
  t.equal(recorder.body.length, 4_000_000)
  await client.close()
  await origin.close()
})

t.test('limits response headers and bodies', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    if (request.url === '/head') reply.setHeader('x', 'y'.repeat(2000))
    reply.end('z'.repeat(2000))
  })
  const client = new Client(origin.url, { maxHeaderSize: 1000, maxResponseSize: 1000 })
  await t.rejects(client.request({ path: '/head', method: 'GET' }), { code: 'UND_ERR_HEADERS_OVERFLOW' })
  const { body } = await client.request({ path: '/body', method: 'GET' })
  await t.rejects(body.text(), { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' })
  await client.close()
  await origin.close()
})

t.test('rejects bodies that differ from content-length', async (t) => {
  const origin = await echoOrigin()
  const client = new Client(origin.url)
  const options = { path: '/', method: 'POST', headers: { 'content-length': '5' } }
  for (const body of [Readable.from(['abc']), Readable.from(['abcdefgh']), [Buffer.from('abcdefgh')]]) {
    await t.rejects(client.request({ ...options, body: body as Readable }), {
      code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
    })
  }
  await t.rejects(client.request({ ...options, body: 'abc' }), { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' })
  const failing = new Readable({ read: () => void failing.destroy(new Error('source broke')) })
  await t.rejects(client.request({ path: '/', method: 'POST', body: failing }), { message: 'source broke' })
  await t.rejects(client.request({ path: '/', method: 'POST', body: [{}] as unknown as string }), {
    code: 'UND_ERR_INVALID_ARG',
  })
  t.match(await ask(client, { path: '/after', method: 'GET' }), { url: '/after' })
  await client.close()
  await origin.close()
})

t.test('delivers an early response to an upload and closes the connection', async (t) => {
  const origin = await rawOrigin((socket, index) => {
    onRequests(socket, () => socket.write(response(`early ${index}`).replace('200 OK', '413 Too Large')))
  })
  const client = new Client(origin.url)
  let sent = 0
  const endless = new Readable({
    read() {
      sent++
      setImmediate(() => this.push(Buffer.alloc(1000)))
    },
  })
  const { statusCode, body } = await client.request({ path: '/', method: 'POST', body: endless })
  t.equal(statusCode, 413)
  t.equal(await body.text(), 'early 0')
  t.equal(endless.destroyed, true, `the source is destroyed after ${sent} chunks`)
  t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'early 1')
  await client.close()
  await origin.close()
})

t.test('supports expect: 100-continue', async (t) => {
  let continued = 0
  const origin = await rawOrigin((socket, index) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (index === 0 && text.endsWith('\r\n\r\n')) {
        continued++
        socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      }
      if (index === 0 && text.endsWith('body')) socket.write(response('thanks'))
      if (index === 1) socket.write(response('no').replace('200', '417'))
      if (index === 2 && text.endsWith('body')) socket.write(response('late'))
    })
  })
  const options = { path: '/', method: 'POST', body: 'body', expectContinue: true }
  const first = new Client(origin.url)
  const infos: number[] = []
  const { body } = await first.request({ ...options, onInfo: ({ statusCode }) => infos.push(statusCode) })
  t.equal(await body.text(), 'thanks')
  t.strictSame(infos, [100])
  t.equal(continued, 1)
  await first.close()
  const second = new Client(origin.url)
  t.equal((await second.request(options)).statusCode, 417)
  await second.close()
  const third = new Client(origin.url)
  t.equal(
    await (await third.request(options)).body.text(),
    'late',
    'sends the body if the server does not respond for a while',
  )
  await third.destroy()
  await second.destroy()
  await origin.close()
})

t.test('supports unix sockets and local addresses', async (t) => {
  const path = join(tmpdir(), `sluice-${process.pid}.sock`)
  const origin = await echoOrigin({ path })
  for (const options of [{ socketPath: path }, { connect: { socketPath: path } }]) {
    const client = new Client('http://localhost', options)
    t.match(await ask(client, { path: '/unix', method: 'GET' }), { url: '/unix', headers: { host: 'localhost' } })
    await client.close()
  }
  await origin.close()
  let from: string | undefined
  const tcp = await httpOrigin((request, reply) => {
    from = request.socket.remoteAddress
    reply.end()
  })
  const client = new Client(tcp.url, { localAddress: '127.0.0.2' })
  await (await client.request({ path: '/', method: 'GET' })).body.dump()
  t.equal(from, '127.0.0.2')
  await client.close()
  await tcp.close()
})

t.test('rejects invalid input, and the client stays usable', async (t) => {
  const wrong: [string, object][] = [
    ['bodyTimeout', { bodyTimeout: -1 }],
    ['headersTimeout', { headersTimeout: Number.NaN }],
    ['connectTimeout', { connectTimeout: 'x' }],
    ['keepAliveTimeout', { keepAliveTimeout: 0 }],
    ['keepAliveMaxTimeout', { keepAliveMaxTimeout: 0 }],
    ['keepAliveTimeoutThreshold', { keepAliveTimeoutThreshold: 'x' }],
    ['maxHeaderSize', { maxHeaderSize: 0 }],
    ['maxResponseSize', { maxResponseSize: -2 }],
    ['maxRequestsPerClient', { maxRequestsPerClient: 1.5 }],
    ['pipelining', { pipelining: -1 }],
    ['strictContentLength', { strictContentLength: 'yes' }],
    ['parser', { parser: 'llhttp' }],
    ['socketPath', { socketPath: 1 }],
    ['localAddress', { localAddress: 1 }],
    ['connect', { connect: 'x' }],
    ['maxCachedSessions', { maxCachedSessions: -1 }],
    ['allowH2', { allowH2: 1 }],
    ['keepAlive', { keepAlive: true }],
    ['idleTimeout', { idleTimeout: 1 }],
  ]
  for (const [name, options] of wrong) {
    t.throws(() => new Client('http://localhost', options), { code: 'UND_ERR_INVALID_ARG', message: new RegExp(name) })
  }
  for (const url of ['ftp://x', 'nonsense', 'http://x/path', 'http://x/?q', 1, null]) {
    t.throws(() => new Client(url as string), errors.InvalidArgumentError)
  }
  t.throws(() => new Client('http://x', null as never), errors.InvalidArgumentError)
  const origin = await echoOrigin()
  const client = new Client(origin.url)
  const good = { path: '/', method: 'GET' }
  t.throws(() => client.dispatch(good, null as never), errors.InvalidArgumentError)
  t.match(refusal(client, null), { code: 'UND_ERR_INVALID_ARG' })
  t.match(refusal(client, { ...good, path: 'x' }), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => client.dispatch(good, {}), errors.InvalidArgumentError)
  t.throws(() => client.close('x' as never), errors.InvalidArgumentError)
  t.throws(() => client.destroy(null, 'x' as never), errors.InvalidArgumentError)
  t.throws(() => {
    client.pipelining = -1
  }, errors.InvalidArgumentError)
  await t.rejects(client.request({ ...good, headers: { 'a\r\nb': 'c' } }), { code: 'UND_ERR_INVALID_ARG' })
  t.match(await ask(client, good), { url: '/' })
  t.match(String(client), /connected/)
  await client.close()
  await origin.close()
})

t.test('the header limit of Node is the default', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.setHeader('x', 'y'.repeat(2000)).end())
  const execArgv = process.execArgv
  process.execArgv = [...execArgv, '--max-http-header-size=1000']
  const client = new Client(origin.url)
  process.execArgv = execArgv
  await t.rejects(client.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_HEADERS_OVERFLOW' })
  await client.close()
  await origin.close()
})

t.test('frees the connection of a body that was garbage collected', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end(Buffer.alloc(1_000_000)))
  const { execFile } = await import('node:child_process')
  const program = `
    import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    const client = new Client(${JSON.stringify(origin.url)})
    const get = { path: '/', method: 'GET' }
    await (async () => { await client.request(get) })()
    const second = client.request(get)
    let answered = false
    second.then(({ body }) => body.arrayBuffer()).then((bytes) => {
      answered = true
      console.log(bytes.byteLength)
      return client.close()
    })
    for (let i = 0; i < 1000 && !answered; i++) {
      globalThis.gc()
      await new Promise(setImmediate)
    }`
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], (_error, out) => resolve(out))
  })
  t.equal(output.trim(), '1000000')
  await origin.close()
})

t.test('an idle client does not keep the process alive', async (t) => {
  const origin = await echoOrigin()
  const { spawn } = await import('node:child_process')
  const program = `
    import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    const client = new Client(${JSON.stringify(origin.url)}, { keepAliveTimeout: 600000 })
    const { body } = await client.request({ path: '/', method: 'GET' })
    console.log((await body.text()).length > 0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [code] = await event<[number]>(child, 'close')
  t.equal(code, 0)
  await origin.close()
})
