import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter, getEventListeners, once } from 'node:events'
import { PassThrough, pipeline, Readable, Writable } from 'node:stream'
import t from 'tap'
import { Agent, Client, type Dispatcher, type DispatchOptions, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

function echo() {
  return httpOrigin((request, reply) => {
    if (request.url === '/hang') return
    reply.setHeader('x-path', request.url as string)
    if (request.url === '/trailers') {
      reply.setHeader('trailer', 'x-end')
      reply.write('body')
      reply.addTrailers({ 'x-end': 'yes' })
      reply.end()
      return
    }
    if (request.url === '/info') reply.writeEarlyHints({ link: '</a>; rel=preload' })
    request.pipe(reply)
  })
}

t.test('request: result, opaque, raw headers, informational responses, trailers', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  const infos: unknown[] = []
  const result = await client.request({
    path: '/info',
    method: 'POST',
    body: 'hello',
    opaque: { mine: true },
    onInfo: (info) => infos.push(info),
  })
  t.match(result, { statusCode: 200, statusText: 'OK', headers: { 'x-path': '/info' }, opaque: { mine: true } })
  t.match(infos, [{ statusCode: 103, headers: { link: '</a>; rel=preload' } }])
  t.equal(await result.body.text(), 'hello')
  const raw = await client.request({ ...get, responseHeaders: 'raw' })
  t.ok((raw.headers as unknown as string[]).includes('x-path'))
  await raw.body.dump()
  const trailing = await client.request({ path: '/trailers', method: 'GET' })
  t.equal(await trailing.body.text(), 'body')
  t.strictSame(trailing.trailers, { 'x-end': 'yes' })
  await new Promise<void>((resolve) => {
    client.request({ ...get, opaque: 'o' }, (error, data) => {
      t.equal(error, null)
      t.equal(data.opaque, 'o')
      data.body.dump().then(resolve)
    })
  })
  await client.close()
  await origin.close()
})

t.test('request: signals of both kinds, in every phase', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  const hang = { path: '/hang', method: 'GET' }
  const before = AbortSignal.abort(new Error('before'))
  await t.rejects(client.request({ ...hang, signal: before }), { message: 'before' })
  const abort = new AbortController()
  const waiting = client.request({ ...hang, signal: abort.signal })
  setImmediate(() => abort.abort())
  await t.rejects(waiting, { name: 'AbortError' })
  const emitter = new EventEmitter()
  const other = client.request({ ...hang, signal: emitter })
  setImmediate(() => emitter.emit('abort'))
  await t.rejects(other, { code: 'UND_ERR_ABORTED' })
  t.equal(emitter.listenerCount('abort'), 0)
  const during = new AbortController()
  const source = new PassThrough()
  source.write('x')
  const { body } = await client.request({ path: '/', method: 'POST', body: source, signal: during.signal })
  const text = body.text()
  during.abort(new Error('enough'))
  await t.rejects(text, { message: 'enough' })
  await t.rejects(client.request({ ...get, signal: {} as never }), { code: 'UND_ERR_INVALID_ARG' })
  await client.close()
  await origin.close()
})

t.test('request rejects invalid arguments', async (t) => {
  const client = new Client('http://127.0.0.1:1')
  for (const options of [
    null,
    { ...get, method: 'CONNECT' },
    { ...get, onInfo: 1 },
    { ...get, highWaterMark: -1 },
    { ...get, responseHeaders: 'x' },
    { method: 'GET' },
  ]) {
    await t.rejects(client.request(options as never), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(options))
  }
  t.throws(() => client.request(get, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  await client.close()
})

t.test('stream writes the body into the stream of the factory, and fails with either', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  const sink = () => {
    const chunks: Buffer[] = []
    const writable = new Writable({
      highWaterMark: 100,
      write(chunk, _encoding, callback) {
        chunks.push(chunk)
        setImmediate(callback)
      },
    })
    return { chunks, writable }
  }
  const { chunks, writable } = sink()
  const big = Buffer.alloc(300_000, 'x')
  const result = await client.stream({ path: '/info', method: 'POST', body: big, opaque: 5, onInfo() {} }, (data) => {
    t.match(data, { statusCode: 200, opaque: 5, headers: { 'x-path': '/info' } })
    return writable
  })
  t.match(result, { opaque: 5, trailers: {} })
  t.ok(Buffer.concat(chunks).equals(big))
  await new Promise<void>((resolve) => {
    client.stream(
      get,
      () => sink().writable,
      (error) => {
        t.equal(error, null)
        resolve()
      },
    )
  })
  await t.rejects(
    client.stream(get, () => null as never),
    { code: 'UND_ERR_INVALID_RETURN_VALUE' },
  )
  await t.rejects(client.stream(get, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => client.stream(get, () => sink().writable, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  const failing = new Writable({ write: (_chunk, _encoding, callback) => callback(new Error('disk full')) })
  await t.rejects(
    client.stream({ path: '/', method: 'POST', body: big }, () => failing),
    { message: 'disk full' },
  )
  const abort = AbortSignal.abort(new Error('before'))
  await t.rejects(
    client.stream({ ...get, signal: abort }, () => sink().writable),
    { message: 'before' },
  )
  await client.close()
  await origin.close()
})

t.test('pipeline sends what is written and yields the data of the handler', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  let text = ''
  await new Promise<void>((resolve, reject) => {
    pipeline(
      Readable.from(['one ', 'two ', 'three']),
      client.pipeline({ path: '/info', method: 'PUT', onInfo() {}, opaque: 1 }, ({ statusCode, body, opaque }) => {
        t.equal(statusCode, 200)
        t.equal(opaque, 1)
        return body
      }),
      new Writable({
        write(chunk, _encoding, callback) {
          text += chunk
          callback()
        },
      }),
      (error) => (error ? reject(error) : resolve()),
    )
  })
  t.equal(text, 'one two three')
  const failed = (options: DispatchOptions & { signal?: AbortSignal }, handler: () => never) =>
    new Promise((resolve) => client.pipeline(options, handler).on('error', resolve).end())
  t.match(await failed(get, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  t.match(await failed(null as never, () => null as never), { code: 'UND_ERR_INVALID_ARG' })
  t.match(await failed(get, () => null as never), { code: 'UND_ERR_INVALID_RETURN_VALUE' })
  t.match(await failed({ ...get, path: 'x' }, () => null as never), { code: 'UND_ERR_INVALID_ARG' })
  t.match(await failed({ ...get, signal: AbortSignal.abort(new Error('b')) }, () => null as never), { message: 'b' })
  const thrown = await failed(get, () => {
    throw new Error('in the handler')
  })
  t.match(thrown, { message: 'in the handler' })
  const early = client.pipeline({ path: '/hang', method: 'POST' }, ({ body }) => body)
  const closed = new Promise((resolve) => early.on('error', resolve))
  early.write('x')
  early.destroy()
  t.match(await closed, { name: 'AbortError' })
  await client.destroy()
  await origin.close()
})

t.test('pipeline fails with its connection, and supports object mode', async (t) => {
  const origin = await rawOrigin((socket, index) => {
    onRequests(socket, () => {
      if (index === 0) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')
      else socket.write(response('{"a":1}'))
    })
  })
  const client = new Client(origin.url)
  const broken = client.pipeline({ path: '/', method: 'GET' }, ({ body }) => body)
  broken.end()
  await t.rejects(
    (async () => {
      for await (const _ of broken);
    })(),
    { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' },
  )
  const objects = client.pipeline({ path: '/', method: 'GET', objectMode: true }, ({ body }) =>
    Readable.from(
      (async function* () {
        yield await body.json()
      })(),
    ),
  )
  objects.end()
  for await (const object of objects) t.strictSame(object, { a: 1 })
  await client.close()
  await origin.close()
})

t.test('the listener is removed from a signal when the request or its body has ended', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  const { signal } = new AbortController()
  const emitter = new EventEmitter()
  for (const link of [signal, emitter]) {
    const bad = { path: 5 as never, method: 'GET', signal: link }
    await t.rejects(client.request(bad))
    await t.rejects(client.stream(bad, () => new PassThrough()))
    await t.rejects(client.connect(bad))
    await t.rejects(client.upgrade(bad))
    await once(
      client.pipeline(bad, ({ body }) => body),
      'error',
    )
    const { body } = await client.request({ path: '/', method: 'POST', body: 'x', signal: link })
    await body.text()
  }
  t.equal(getEventListeners(signal, 'abort').length, 0)
  t.equal(emitter.listenerCount('abort'), 0)
  for (const wrong of [5, 'x', {}]) {
    await t.rejects(client.request({ ...get, signal: wrong as never }), { code: 'UND_ERR_INVALID_ARG' })
  }
  await client.close()
  await origin.close()
})

t.test('an abort fails a complete response whose body was not read', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  const abort = new AbortController()
  const { body } = await client.request({ path: '/', method: 'POST', body: 'x', signal: abort.signal })
  while (client.stats.running > 0) await new Promise(setImmediate)
  abort.abort(new Error('late'))
  await t.rejects(body.text())
  t.match(body.errored, { message: 'late' })
  const aborted = client.request({ ...get, signal: AbortSignal.abort('word') })
  t.equal(await aborted.catch((reason) => reason), 'word', 'fails with the reason unchanged')
  const waiting = new AbortController()
  const hung = client.request({ path: '/hang', method: 'GET', signal: waiting.signal })
  setImmediate(() => waiting.abort('word'))
  t.equal(await hung.catch((reason) => reason), 'word', 'fails with the reason unchanged')
  const emitter = Object.assign(new EventEmitter(), { aborted: true })
  await t.rejects(client.request({ ...get, signal: emitter }), { name: 'AbortError' })
  await client.close()
  await origin.close()
})

t.test('callbacks run in the async context of their caller, and their exceptions are uncaught', async (t) => {
  const origin = await echo()
  const client = new Client(origin.url)
  const place = new AsyncLocalStorage<string>()
  await (await client.request(get)).body.text()
  const seen: unknown[] = []
  await new Promise<void>((resolve) => {
    place.run('callback', () => {
      client.request(get, (_error, { body }) => {
        seen.push(place.getStore())
        body.dump().then(resolve)
      })
    })
  })
  await place.run('factory', () =>
    client.stream(get, () => {
      seen.push(place.getStore())
      return new PassThrough().resume()
    }),
  )
  await place.run('handler', () => {
    const duplex = client.pipeline(get, ({ body }) => {
      seen.push(place.getStore())
      return body
    })
    return once(duplex.end().resume(), 'end')
  })
  const closing = new Client(origin.url)
  await place.run(
    'close',
    () => new Promise<void>((resolve) => closing.close(() => resolve(void seen.push(place.getStore())))),
  )
  t.strictSame(seen, ['callback', 'factory', 'handler', 'close'])
  let inside = true
  await new Promise<void>((resolve) => {
    client.request({ ...get, path: 5 as never, opaque: 'mine' }, (error, data) => {
      t.equal(inside, false, 'the callback is never called synchronously')
      t.match(error, { code: 'UND_ERR_INVALID_ARG' })
      t.strictSame(data, { opaque: 'mine' })
      resolve()
    })
    inside = false
  })
  const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
  client.request(get, () => {
    throw new Error('mine')
  })
  t.match(await uncaught, { message: 'mine' })
  await client.destroy()
  await origin.close()
})

t.test('pipeline discards the rest of the request body after an early response', async (t) => {
  const origin = await rawOrigin((socket) => {
    socket.once('data', () => socket.write(response('enough', { connection: 'close' })))
    socket.on('error', () => {})
  })
  const client = new Client(origin.url)
  const endless = new Readable({
    read() {
      this.push(Buffer.alloc(65536))
    },
  })
  const pieces: Buffer[] = []
  const duplex = client.pipeline({ path: '/', method: 'POST' }, ({ body }) => body)
  duplex.on('data', (chunk) => pieces.push(chunk))
  endless.pipe(duplex)
  await once(duplex, 'end')
  endless.unpipe(duplex).destroy()
  t.equal(Buffer.concat(pieces).toString(), 'enough')
  duplex.end()
  await client.destroy()
  await origin.close()
})

t.test('options that undici removed are rejected, not ignored', async (t) => {
  const client = new Client('http://localhost:1')
  const throwing = { ...get, throwOnError: true }
  await t.rejects(client.request(throwing), { code: 'UND_ERR_INVALID_ARG', message: /responseError/ })
  await client.destroy()
})

t.test('stream() waits for a Writable that is already full', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('late'))
  const client = new Client(origin.url)
  const destination = new PassThrough()
  while (destination.write(Buffer.alloc(4096)));
  const full: boolean[] = []
  const { write } = destination
  destination.write = function (this: PassThrough, ...values: never[]) {
    full.push(destination.writableNeedDrain)
    return write.apply(this, values as never)
  } as never
  const done = client.stream({ path: '/', method: 'GET' }, () => {
    setImmediate(() => setImmediate(() => destination.resume()))
    return destination
  })
  await done
  t.strictSame(full, [false])
  await client.close()
  await origin.close()
})

t.test('a method rejects the option dispatcher with another dispatcher', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const refused = { code: 'UND_ERR_INVALID_ARG', message: /dispatcher is an option of request/ }
  const other = new Agent()
  const composed = new Pool(origin.url).compose((dispatch) => (options, handler) => dispatch(options, handler))
  for (const dispatcher of [new Client(origin.url), new Pool(origin.url), new Agent(), composed]) {
    for (const foreign of [other, {}, 0]) {
      const get = { origin: origin.url, path: '/', method: 'GET', dispatcher: foreign } as never
      await t.rejects(dispatcher.request(get), refused)
      await t.rejects(
        dispatcher.stream(get, () => new PassThrough()),
        refused,
      )
      await t.rejects((dispatcher as Dispatcher).connect(get), refused)
      await t.rejects(dispatcher.upgrade(get), refused)
      const [error] = await once(
        dispatcher.pipeline(get, ({ body }: { body: Readable }) => body),
        'error',
      )
      t.match(error, refused)
    }
    for (const own of [dispatcher, null, undefined]) {
      const get = { origin: origin.url, path: '/', method: 'GET', dispatcher: own } as never
      t.equal(await (await dispatcher.request(get)).body.text(), 'ok')
    }
    await dispatcher.close()
  }
  await other.close()
  await origin.close()
})

t.test('maxRedirections is rejected without an interceptor that uses it', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  for (const dispatcher of [new Client(origin.url), new Pool(origin.url), new Agent()]) {
    const get = { origin: origin.url, path: '/', method: 'GET' } as const
    const refused = { code: 'UND_ERR_INVALID_ARG' }
    await t.rejects(dispatcher.request({ ...get, maxRedirections: 5 } as never), refused)
    const { body } = await dispatcher.request({ ...get, maxRedirections: 0 } as never)
    t.equal(await body.text(), 'ok')
    const redirecting = dispatcher.compose(interceptors.redirect())
    t.equal(await (await redirecting.request({ ...get, maxRedirections: 5 } as never)).body.text(), 'ok')
    await dispatcher.close()
  }
  await origin.close()
})
