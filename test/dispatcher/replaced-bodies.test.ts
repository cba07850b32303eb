import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, pipeline, Readable, Stream } from 'node:stream'
import { createGzip, gunzipSync } from 'node:zlib'
import t from 'tap'
import { Agent, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Interceptor = Dispatcher.DispatchInterceptor
type Body = NonNullable<Dispatcher.DispatchOptions['body']>

const SIZE = 1_200_000
const BYTES = Buffer.alloc(SIZE)
for (let at = 0; at < SIZE; at += 4) BYTES.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at)
const DIGEST = digestOf(BYTES)
const put = { path: '/', method: 'PUT' }
const ignore = () => {}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** In pieces, and pausing between some. `failing`: with this error, after half of them. */
function source(failing?: Error): Readable {
  let at = 0
  return new Readable({
    read() {
      if (failing !== undefined && at > SIZE / 2) return void this.destroy(failing)
      const piece = BYTES.subarray(at, at + 50_000)
      at += piece.length
      const next = () => this.push(piece.length === 0 ? null : piece)
      if (at % 200_000 === 0) setImmediate(next)
      else next()
    },
  })
}

/** A stream of the first generation: it knows no backpressure but `pause`. */
function oldStyle(): Readable {
  const stream = new Stream() as Stream & Record<string, unknown>
  let at = 0
  let paused = false
  let running = false
  const run = () => {
    running = !paused
    if (paused || stream.readable === false) return
    const piece = BYTES.subarray(at, at + 50_000)
    at += piece.length
    if (piece.length === 0) {
      stream.readable = false
      stream.emit('end')
      stream.emit('close')
      return
    }
    stream.emit('data', piece)
    setImmediate(run)
  }
  stream.readable = true
  stream.pause = () => {
    paused = true
  }
  stream.resume = () => {
    paused = false
    if (running) return
    running = true
    setImmediate(run)
  }
  stream.destroy = () => {
    stream.readable = false
  }
  running = true
  setImmediate(run)
  return stream as unknown as Readable
}

const sameBody: Record<string, (body: Readable) => Body> = {
  'a listener for progress': (body) => {
    body.on('data', ignore)
    return body
  },
  'a hash': (body) => {
    body.pipe(createHash('sha256'))
    return body
  },
}

const otherBody: Record<string, (body: Readable) => Body> = {
  'pipe into gzip': (body) => body.pipe(createGzip({ level: 1 })),
  'pipeline into gzip': (body) => pipeline(body, createGzip({ level: 1 }), ignore),
  'pipeline of three': (body) => pipeline(body, new PassThrough(), createGzip({ level: 1 }), ignore),
  'an async generator': (body) =>
    (async function* () {
      for await (const piece of body) yield piece as Buffer
    })() as unknown as Body,
  'a web stream': (body) => Readable.toWeb(body) as unknown as Body,
  'Readable.from': (body) => Readable.from(body),
  map: (body) => body.map((piece) => piece as Buffer),
  'Readable.wrap': (body) => new Readable().wrap(body),
  'a listener for readable': (body) => {
    const copy = new PassThrough()
    body.on('readable', () => {
      for (let piece = body.read(); piece !== null; piece = body.read()) copy.write(piece)
    })
    body.on('end', () => copy.end())
    return copy
  },
}

function replace(change: (body: Readable) => Body): Interceptor {
  return (dispatch) => (options, handler) => dispatch({ ...options, body: change(options.body as Readable) }, handler)
}

function later(change: (body: Readable) => Body): Interceptor {
  return (dispatch) => (options, handler) => {
    setTimeout(() => dispatch({ ...options, body: change(options.body as Readable) }, handler), 5)
    return true
  }
}

/** Adds the reader first, and dispatches later. */
function early(change: (body: Readable) => Body): Interceptor {
  return (dispatch) => (options, handler) => {
    const body = change(options.body as Readable)
    setTimeout(() => dispatch({ ...options, body }, handler), 5)
    return true
  }
}

function collect(): Interceptor {
  return (dispatch) => (options, handler) => {
    const pieces: Buffer[] = []
    const body = options.body as Readable
    body.on('data', (piece: Buffer) => void pieces.push(piece))
    body.on('end', () => dispatch({ ...options, body: Buffer.concat(pieces) }, handler))
    return true
  }
}

const retry = interceptors.retry() as Interceptor
const twice: Interceptor = (dispatch) => (options, handler) => dispatch({ ...options }, handler)

const dispatchers: Record<string, (origin: string, interceptor: Interceptor) => Dispatcher> = {
  Client: (origin, interceptor) => new Client(origin).compose(interceptor),
  'composed twice': (origin, interceptor) => new Client(origin).compose(interceptor).compose(twice),
  'composed twice, otherwise': (origin, interceptor) => new Client(origin).compose(twice).compose(interceptor),
  'below retry': (origin, interceptor) => new Client(origin).compose(interceptor, retry),
  'above retry': (origin, interceptor) => new Pool(origin).compose(retry, interceptor),
  Agent: (_origin, interceptor) => new Agent().compose(interceptor),
  'Pool of composed clients': (origin, interceptor) =>
    new Pool(origin, {
      connections: 1,
      factory: (base, options) => new Client(base, options as Client.Options).compose(interceptor),
    }),
}

/** Answers with the digest of what it received. */
function receiver() {
  return httpOrigin((request, reply) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => void pieces.push(piece))
    request.on('end', () => {
      const bytes = Buffer.concat(pieces)
      reply.end(digestOf(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes))
    })
    request.on('error', ignore)
  })
}

async function send(dispatcher: Dispatcher, origin: string, body: Readable, signal?: AbortSignal): Promise<string> {
  const options = { ...put, origin, body, ...(signal === undefined ? {} : { signal }) }
  const response = await dispatcher.request(options as Parameters<Dispatcher['request']>[0])
  return response.body.text()
}

const ways: [string, Interceptor, replaces: boolean][] = [
  ...Object.entries(otherBody).flatMap(([name, change]): [string, Interceptor, boolean][] => [
    [name, replace(change), true],
    [`${name}, later`, later(change), true],
    [`${name}, early`, early(change), true],
  ]),
  ...Object.entries(sameBody).flatMap(([name, change]): [string, Interceptor, boolean][] => [
    [name, replace(change), false],
    [`${name}, later`, later(change), false],
    [`${name}, early`, early(change), false],
  ]),
  ['a collected Buffer', collect(), true],
]

for (const [kind, make] of Object.entries(dispatchers)) {
  t.test(`a body that interceptors read arrives whole: ${kind}`, async (t) => {
    const origin = await receiver()
    for (const [name, interceptor] of ways) {
      for (const given of [source, oldStyle]) {
        if (given === oldStyle && /pipeline|generator|web|from|map|readable/.test(name)) continue
        const dispatcher = make(origin.url, interceptor)
        t.equal(await send(dispatcher, origin.url, given()), DIGEST, `${name}, ${given.name}`)
        await dispatcher.close()
      }
    }
    await origin.close()
  })

  if (!['Client', 'above retry', 'Pool of composed clients'].includes(kind)) continue

  t.test(`a body that fails while interceptors read it fails its request: ${kind}`, async (t) => {
    const origin = await receiver()
    for (const [name, interceptor] of ways) {
      const dispatcher = make(origin.url, interceptor)
      const failure = new Error('the source failed')
      const body = source(failure)
      await t.rejects(send(dispatcher, origin.url, body), { message: /the source failed|Premature close/ }, name)
      t.ok(body.destroyed, name)
      await dispatcher.close()
    }
    await origin.close()
  })

  t.test(`a body is destroyed when the request that interceptors read it for is aborted: ${kind}`, async (t) => {
    const origin = await httpOrigin((request, _reply) => void request.on('error', ignore).resume())
    for (const [name, interceptor] of ways) {
      // What it made waits without a listener for errors.
      if (name === 'Readable.wrap, early') continue
      const dispatcher = make(origin.url, interceptor)
      const controller = new AbortController()
      const body = source()
      const done = send(dispatcher, origin.url, body, controller.signal)
      body.once('data', () => setImmediate(() => controller.abort()))
      await t.rejects(done, { name: 'AbortError' }, name)
      if (!body.closed) await once(body, 'close').catch(ignore)
      t.ok(body.destroyed, name)
      await dispatcher.destroy()
    }
    await origin.close()
  })
}

t.test('rejects a body that another request has partly sent', async (t) => {
  const origin = await receiver()
  const client = new Client(origin.url)
  const copied = client.compose((dispatch) => (options, handler) => {
    const body = options.body as Readable
    const inner = { onResponseError: ignore, onResponseEnd: () => void dispatch({ ...options, body }, handler) }
    return dispatch({ ...options, body: body.pipe(new PassThrough()) }, { ...handlerOf(handler), ...inner })
  })
  await t.rejects(send(copied, origin.url, source()), { code: 'UND_ERR_INVALID_ARG' })
  await client.close()
  await origin.close()
})

/** Passes the start of a request on, and nothing else. */
function handlerOf(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return { onRequestStart: (...given) => handler.onRequestStart?.(...given) }
}

t.test('a body is sent after a copy of it', async (t) => {
  const origin = await receiver()
  const client = new Pool(origin.url)
  let copy: Promise<string> | null = null
  const copied = client.compose((dispatch) => (options, handler) => {
    const body = options.body as Readable
    copy = client.request({ ...put, body: body.pipe(new PassThrough()) }).then((response) => response.body.text())
    return dispatch(options, handler)
  })
  t.equal(await send(copied, origin.url, source()), DIGEST)
  t.equal(await copy, DIGEST)
  await client.close()
  await origin.close()
})

t.test('a body that nothing reads is destroyed when its request completes with another one', async (t) => {
  const origin = await receiver()
  const client = new Client(origin.url).compose(replace(() => BYTES))
  const body = source()
  t.equal(await send(client, origin.url, body), DIGEST)
  t.ok(body.destroyed)
  await client.close()
  await origin.close()
})

t.test('a body that an interceptor destroys in order to send another one does not fail its request', async (t) => {
  const origin = await receiver()
  const client = new Client(origin.url).compose(
    replace((body) => {
      body.destroy()
      return BYTES
    }),
  )
  t.equal(await send(client, origin.url, source()), DIGEST)
  await client.close()
  await origin.close()
})

t.test('a body that closes before its end fails the request it is piped into', async (t) => {
  const origin = await receiver()
  const client = new Client(origin.url).compose(replace((body) => body.pipe(new PassThrough())))
  const body = source()
  const done = send(client, origin.url, body)
  body.once('data', () => body.destroy())
  await t.rejects(done, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  await client.close()
  await origin.close()
})

t.test('fails a request whose body comes from a stream that had flowed before', async (t) => {
  const origin = await receiver()
  const client = new Client(origin.url).compose(later((body) => body.pipe(new PassThrough())))
  const body = oldStyle()
  body.pause = () => body
  await t.rejects(send(client, origin.url, body), { code: 'UND_ERR_INVALID_ARG' })
  await client.close()
  await origin.close()
})

t.test('a long body that is read for another one is not kept in memory', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.on('end', () => reply.end('ok')).resume())
  const client = new Client(origin.url).compose(replace((body) => body.pipe(new PassThrough())))
  const piece = Buffer.alloc(1_000_000)
  let count = 0
  let most = 0
  const body = new Readable({
    read() {
      most = Math.max(most, process.memoryUsage().arrayBuffers)
      this.push(++count > 400 ? null : Buffer.from(piece))
    },
  })
  const before = process.memoryUsage().arrayBuffers
  t.equal(await send(client, origin.url, body), 'ok')
  t.ok(most - before < 200_000_000, `${most - before} bytes`)
  await client.close()
  await origin.close()
})
