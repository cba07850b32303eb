import { createReadStream, type ReadStream } from 'node:fs'
import { Duplex, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Agent, connect, type Dispatcher, Pool, request, stream, upgrade } from '../../lib/index.js'

// The error of a file that can not be opened is emitted after the stream was destroyed; an uncaught one fails the test.
const missingFile = () => createReadStream(new URL('no-such-file', import.meta.url))

const ORIGIN = 'http://127.0.0.1:1'
const aborted = AbortSignal.abort()

const calls: Record<string, (dispatcher: Dispatcher, options: object) => Promise<unknown>> = {
  request: (dispatcher, options) => dispatcher.request({ origin: ORIGIN, path: '/', method: 'POST', ...options }),
  stream: (dispatcher, options) =>
    dispatcher.stream({ origin: ORIGIN, path: '/', method: 'POST', ...options }, () => {
      throw new Error('no response is expected')
    }),
  upgrade: (dispatcher, options) => dispatcher.upgrade({ origin: ORIGIN, path: '/', ...options }),
  connect: (dispatcher, options) =>
    dispatcher.connect({ origin: ORIGIN, path: 'example.com:443', ...options } as Dispatcher.ConnectOptions),
}

const endings: Record<string, { options?: object; before?: (body: ReadStream) => void }> = {
  'a signal that is aborted': { options: { signal: aborted } },
  'a stream that was destroyed before': { before: (body) => void body.destroy() },
  'an invalid header': { options: { headers: { 'not a token': '1' } } },
}

for (const [name, call] of Object.entries(calls)) {
  for (const [ending, { options, before }] of Object.entries(endings)) {
    t.test(`${name} with ${ending} closes a file that can not be opened, without an uncaught exception`, async (t) => {
      for (const dispatcher of [new Pool(ORIGIN), new Agent()]) {
        const body = missingFile()
        before?.(body)
        const closed = new Promise<void>((resolve) => body.once('close', () => resolve()))
        await t.rejects(call(dispatcher, { ...options, body }))
        await closed
        await turn()
        t.ok(body.destroyed)
        await dispatcher.destroy()
      }
    })
  }
}

// biome-ignore lint/suspicious/noExplicitAny: invalid arguments, which no overload takes
type Untyped = any

const invalidCalls: Record<string, (body: ReadStream, pool: Pool) => unknown> = {
  'request() with an unsupported URL': (body) => request('ftp://example.com', { method: 'PUT', body }),
  'request() with a URL in parts that is unsupported': (body) =>
    (request as Untyped)({ protocol: 'ftp:', hostname: 'example.com', method: 'PUT', body }),
  'request() with an invalid dispatcher': (body) => (request as Untyped)(ORIGIN, { body, dispatcher: {} }),
  'request() with an invalid callback': (body) => (request as Untyped)(ORIGIN, { body }, 'callback'),
  'stream() with an unsupported URL': (body) => stream('ftp://example.com', { body }, () => new Duplex()),
  'connect() with an unsupported URL': (body) => (connect as Untyped)('ftp://example.com', { body }),
  'upgrade() with an unsupported URL': (body) => (upgrade as Untyped)('ftp://example.com', { body }),
  'pool.request with an invalid callback': (body, pool) => (pool.request as Untyped)({ path: '/', body }, 'callback'),
  'pool.stream with an invalid callback': (body, pool) =>
    (pool.stream as Untyped)({ path: '/', body }, () => new Duplex(), 'callback'),
  'pool.connect with an invalid callback': (body, pool) => (pool.connect as Untyped)({ path: 'a:1', body }, 'callback'),
  'pool.upgrade with an invalid callback': (body, pool) => (pool.upgrade as Untyped)({ path: '/', body }, 'callback'),
  'pool.dispatch without a handler': (body, pool) =>
    (pool.dispatch as Untyped)({ path: '/', method: 'PUT', body }, null),
}

for (const [name, call] of Object.entries(invalidCalls)) {
  t.test(`${name} closes a file that can not be opened, without an uncaught exception`, async (t) => {
    const pool = new Pool(ORIGIN)
    const body = missingFile()
    const closed = new Promise<void>((resolve) => body.once('close', () => resolve()))
    await t.rejects(async () => call(body, pool))
    await closed
    await turn()
    await pool.destroy()
  })
}

t.test('a stream that requests refuse again and again gets no further listeners', async (t) => {
  const pool = new Pool(ORIGIN)
  const ended = Readable.from(['x'])
  for await (const _ of ended);
  const destroyed = new Readable({ read() {} }).destroy()
  for (const body of [ended, destroyed]) {
    for (let i = 0; i < 5; i++) await t.rejects(pool.request({ path: '/', method: 'PUT', body }))
    t.ok(body.listenerCount('error') < 3)
  }
  await pool.destroy()
})

t.test('a refused Duplex that is still open keeps its errors for the caller', async (t) => {
  const pool = new Pool(ORIGIN)
  const duplex = new Duplex({
    read() {},
    allowHalfOpen: true,
    write: (_chunk, _encoding, done) => done(new Error('real')),
  })
  duplex.push(null)
  duplex.resume()
  await new Promise((resolve) => duplex.once('end', resolve))
  await t.rejects(pool.request({ path: '/', method: 'PUT', body: duplex }))
  t.equal(duplex.listenerCount('error'), 0)
  duplex.destroy()
  await pool.destroy()
})
