import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { type DispatchInput, Request, requestOf } from '../../lib/exchange/request.js'
import { toRequestBody } from '../../lib/exchange/request-body.js'

const defaults = { host: 'h', origin: 'http://h', headersTimeout: 1, bodyTimeout: 2, strictContentLength: true }

function make(options: Partial<DispatchInput> = {}): Request {
  return new Request({ path: '/', method: 'GET', ...options }, defaults)
}

t.test('requests have defaults for omitted options', async (t) => {
  t.match(make(), { idempotent: true, blocking: false, upgrade: null, headersTimeout: 1, bodyTimeout: 2, reset: false })
  t.match(make({ method: 'POST' }), { idempotent: false })
  t.match(make({ method: 'CONNECT', path: 'a:1' }), { upgrade: 'CONNECT', blocking: true })
  t.match(make({ upgrade: true }), { upgrade: 'websocket' })
  t.match(make({ upgrade: false }), { upgrade: null })
  t.match(make({ headersTimeout: 0, bodyTimeout: null }), { headersTimeout: 0, bodyTimeout: 2 })
  t.equal(make().hostHeader, 'h')
})

t.test('appends the query to the path', async (t) => {
  t.equal(make({ query: { 'a b': 'c&d', e: [1, 2], f: null } }).path, '/?a%20b=c%26d&e=1&e=2&f=')
  t.equal(make({ query: {} }).path, '/')
  t.throws(() => make({ path: '/?x', query: { a: 1 } }), /query/)
  t.throws(() => make({ path: '/#x', query: { a: 1 } }), /query/)
  t.throws(() => make({ query: 'a' as never }), /query/)
  for (const query of [
    new URLSearchParams('a=1&a=2&b=%20'),
    new Map([
      ['a', [1, 2]],
      ['b', ' '],
    ] as [string, unknown][]),
  ]) {
    t.equal(make({ query: query as never }).path, '/?a=1&a=2&b=%20')
  }
  t.equal(make({ query: { u: new URL('http://x/') } as never }).path, '/?u=http%3A%2F%2Fx%2F')
  for (const query of [{ a: { b: 1 } }, { a: [{ b: 1 }] }, { a: Object.create(null) }, new Set(['a']), ['a']]) {
    t.throws(() => make({ query: query as never }), { code: 'UND_ERR_INVALID_ARG', message: /query/ })
  }
})

t.test('errors name the invalid option', async (t) => {
  const wrong: [string, Partial<DispatchInput>][] = [
    ['path', { path: 1 as never }],
    ['method', { method: 1 as never }],
    ['idempotent', { idempotent: 1 as never }],
    ['blocking', { blocking: 'x' as never }],
    ['reset', { reset: 'x' as never }],
    ['expectContinue', { expectContinue: 'x' as never }],
    ['upgrade', { upgrade: 5 as never }],
    ['headersTimeout', { headersTimeout: -1 }],
    ['bodyTimeout', { bodyTimeout: Number.NEGATIVE_INFINITY }],
    ['body', { body: 5 as never }],
    ['body', { body: {} as never }],
  ]
  for (const [name, options] of wrong) {
    t.throws(() => make(options), { code: 'UND_ERR_INVALID_ARG', message: new RegExp(name) })
  }
})

t.test('accepts each kind of body', async (t) => {
  t.equal(toRequestBody(null), null)
  t.match(toRequestBody(''), { kind: 'bytes', length: 0 })
  t.match(toRequestBody(new DataView(new ArrayBuffer(3))), { kind: 'bytes', length: 3 })
  t.match(toRequestBody(new URLSearchParams('a=b')), { type: /urlencoded/, length: 3 })
  t.match(toRequestBody(new Blob(['abc'], { type: 'text/x' })), {
    kind: 'iterable',
    length: 3,
    replayable: true,
    type: 'text/x',
  })
  t.match(toRequestBody(['x']), { kind: 'iterable', length: null, replayable: false })
  t.match(make({ method: 'POST', body: new Blob(['abc'], { type: 'text/x' }) }).head.kept, /content-type: text\/x/)
  const typed = make({
    method: 'POST',
    body: new Blob(['abc'], { type: 'text/x' }),
    headers: { 'Content-Type': 'b/c' },
  })
  t.notMatch(typed.head.kept, /text\/x/)
  t.equal(make({ method: 'POST', body: 'x' }).replayable, true)
  t.equal(make({ method: 'POST', body: new Blob(['x']) }).replayable, true)
  t.equal(make({ method: 'POST', body: Readable.from(['x']) }).replayable, false)
  const destroyed = new PassThrough().destroy()
  t.throws(() => toRequestBody(destroyed), /already ended or been destroyed/)
  const read = Readable.from(['a', 'b'])
  for await (const _ of read) break
  // Leaving the loop destroys the stream with an AbortError.
  t.throws(() => toRequestBody(read), read.errored ?? /already ended or been destroyed/)
  const partly = new PassThrough()
  partly.write('ab')
  partly.read(1)
  t.match(toRequestBody(partly), { kind: 'stream' }, 'the rest of a partly read stream is a body')
})

t.test('reuses the encoded head of an equal request only', async (t) => {
  const shared = { ...defaults }
  const make = (options: object) => new Request({ path: '/', method: 'GET', ...options }, shared)
  const first = make({})
  t.equal(make({}).head, first.head)
  t.equal(make({ headers: null }).head, first.head)
  for (const other of [{ path: '/a' }, { method: 'HEAD' }, { headers: { a: 'b' } }, { query: { a: 1 } }]) {
    t.not(make(other).head.kept, first.head.kept)
  }
  const changed = make({}).withHeaders({ traceparent: 'x' })
  t.match(changed.head.kept, /traceparent: x/)
  t.notMatch(make({}).head.kept, /traceparent/, "one request's fields are not the next one's")
  t.equal(make({ method: 'POST', body: '' }).head.framing === first.head.framing, false)
  t.throws(() => make({ path: '/ ' }), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => make({ path: '/ ' }), { code: 'UND_ERR_INVALID_ARG' }, 'still')
})

t.test('requests with only method and path share an object that changes do not affect', async (t) => {
  const shared = { ...defaults }
  const ask = (options: object) => requestOf({ path: '/', method: 'GET', ...options }, shared)
  const first = ask({})
  t.equal(ask({}), first)
  t.equal(ask({ headers: null, body: undefined, reset: null }), first)
  const more = [
    { path: '/a' },
    { method: 'HEAD' },
    { headers: { a: 'b' } },
    { body: 'b' },
    { query: { a: 1 } },
    { upgrade: 'websocket' },
    { idempotent: false },
    { blocking: true },
    { reset: true },
    { reset: false },
    { expectContinue: false },
    { headersTimeout: 1 },
    { bodyTimeout: 0 },
    { timeouts: { total: 5 } },
    { timings: true },
    { typeOfService: 0 },
  ]
  for (const options of more) t.not(ask(options), ask({}), Object.keys(options).join())
  t.throws(() => ask({ maxRedirections: 1 }), { code: 'UND_ERR_INVALID_ARG' })
  const plain = ask({})
  const changed = plain.withHeaders({ a: 'b' })
  t.match(changed.head.kept, /a: b/)
  t.notMatch(plain.head.kept, /a: b/)
  t.equal(ask({}), plain)
  t.throws(() => plain.withHeaders({ 'bad name': 'b' }), { code: 'UND_ERR_INVALID_ARG' })
  const measured = { ...defaults, timings: true }
  t.not(
    requestOf({ path: '/', method: 'GET' }, measured).timings,
    requestOf({ path: '/', method: 'GET' }, measured).timings,
  )
})

t.test('options with getters that return another value each time do not affect other requests', async (t) => {
  for (const [name, value] of Object.entries({ headers: { authorization: 'secret' }, reset: true, body: 'secret' })) {
    for (const reads of [1, 2, 3]) {
      const shared = { ...defaults }
      let left = reads
      const options = { path: '/', method: 'GET' }
      Object.defineProperty(options, name, { get: () => (left-- > 0 ? undefined : value) })
      requestOf(options, shared)
      const next = requestOf({ path: '/', method: 'GET' }, shared)
      t.match(next, { body: null, reset: false })
      t.notMatch(next.head.kept, /secret/, `${name} after ${reads}`)
    }
  }
})

t.test('ignores Object.prototype in a shared request, and in one with a header added by a subscriber', async (t) => {
  const shared = { ...defaults }
  // `undefined` shadows the values of the prototype, for all other options they are ignored.
  const ask = () => requestOf({ path: '/', method: 'GET', body: undefined, reset: undefined }, shared)
  Object.assign(Object.prototype, { body: 'evil', reset: true })
  t.teardown(() => {
    for (const name of ['body', 'reset']) Reflect.deleteProperty(Object.prototype, name)
  })
  for (const request of [ask(), ask().withHeaders(['a', 'b'])]) {
    t.equal(request.body, null)
    t.equal(request.reset, false)
  }
})
