import { EventEmitter } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { createContext, runInContext } from 'node:vm'
import t from 'tap'
import { type DispatchInput, Request } from '../../lib/exchange/request.js'
import { type RequestBody, toRequestBody } from '../../lib/exchange/request-body.js'
import { Client } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const refused = { code: 'UND_ERR_INVALID_ARG', message: /body/ }

/** Returns the bytes of a body; reads it anew for each call. */
async function content(body: RequestBody | null): Promise<string> {
  if (body === null) return ''
  if (body.kind === 'bytes') return Buffer.from(body.bytes).toString('latin1')
  const pieces: Buffer[] = []
  for await (const piece of body.kind === 'stream' ? body.stream : body.iterable) {
    pieces.push(Buffer.from(piece as Uint8Array))
  }
  return Buffer.concat(pieces).toString('latin1')
}

function make(options: Partial<DispatchInput>, strictContentLength = true): Request {
  const defaults = { host: 'h', origin: 'http://h', headersTimeout: 1, bodyTimeout: 2, strictContentLength }
  return new Request({ path: '/', method: 'POST', ...options }, defaults)
}

t.test('does not copy bytes', async (t) => {
  const memory = new ArrayBuffer(8)
  for (const body of [
    memory,
    new Uint8Array(memory, 2, 4),
    new DataView(memory, 2, 4),
    new Uint16Array(memory, 2, 2),
  ]) {
    const made = toRequestBody(body)
    if (made?.kind !== 'bytes') return t.fail('bytes')
    t.equal(made.bytes.buffer, memory)
    t.equal(made.bytes.byteOffset, body === memory ? 0 : 2)
    t.equal(made.length, body.byteLength)
  }
  t.match(toRequestBody(new SharedArrayBuffer(3)), { kind: 'bytes', length: 3 })
  t.match(toRequestBody('ü€'), { kind: 'bytes', length: 5, type: null }, 'strings are UTF-8')
  t.equal(toRequestBody(undefined), null)
})

t.test('accepts bodies of another realm', async (t) => {
  const realm = createContext({})
  t.match(toRequestBody(runInContext('new ArrayBuffer(3)', realm)), { kind: 'bytes', length: 3 })
  t.match(toRequestBody(runInContext('new Uint8Array(3)', realm)), { kind: 'bytes', length: 3 })
  t.match(toRequestBody(runInContext('["a"]', realm)), { kind: 'iterable' })
  const foreign = { [Symbol.toStringTag]: 'URLSearchParams', toString: () => 'a=b', *[Symbol.iterator]() {} }
  const made = toRequestBody(foreign)
  t.match(made, { kind: 'bytes', type: 'application/x-www-form-urlencoded;charset=UTF-8' })
  t.equal(await content(made), 'a=b')
})

t.test('accepts body chunks of another realm', async (t) => {
  const realm = createContext({})
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const client = new Client(origin.url)
  const pieces = ['new Uint8Array([97]).buffer', 'new Uint8Array([98])', 'new DataView(new Uint8Array([99]).buffer)']
  const { body } = await client.request({
    path: '/',
    method: 'POST',
    body: pieces.map((piece) => runInContext(piece, realm)),
  })
  t.equal(await body.text(), 'abc')
  await client.close()
  await origin.close()
})

t.test('replayable bodies yield the same bytes twice', async (t) => {
  const form = new FormData()
  form.append('file', new File(['content'], 'name'))
  for (const body of [new Blob(['ab', 'cd']), form]) {
    const made = toRequestBody(body)
    if (made?.kind !== 'iterable') return t.fail('iterable')
    const first = await content(made)
    t.equal(first.length, made.length)
    t.equal(await content(made), first)
    t.ok(made.replayable)
  }
  t.match(toRequestBody(new Blob(['a'])), { type: null })
  t.match(toRequestBody(new Blob(['a']).stream()), { kind: 'iterable', length: null, replayable: false })
})

t.test('rejects bodies that can not be read', async (t) => {
  const failed = new PassThrough().on('error', () => {})
  failed.destroy(new Error('failed'))
  const ended = Readable.from([])
  ended.resume()
  await new Promise((resolve) => ended.on('close', resolve))
  const locked = new Blob(['a']).stream()
  locked.getReader()
  const writable = new Writable({ write: (_chunk, _encoding, done) => done() })
  t.throws(() => toRequestBody(failed), { message: 'failed' }, 'throws the error of a failed stream')
  for (const body of [ended, locked, writable, new EventEmitter(), new Date(), 5, true, () => {}]) {
    t.throws(() => toRequestBody(body), refused)
  }
  t.match(toRequestBody(new PassThrough()), { kind: 'stream', length: null })
})

t.test('rejects query values that can not be encoded', async (t) => {
  for (const value of ['\ud800', Object.create(null)]) {
    t.throws(() => make({ query: { a: value } }), { code: 'UND_ERR_INVALID_ARG', message: /query/ })
  }
  t.throws(() => make({ query: { '\udc00': 1 } }), { code: 'UND_ERR_INVALID_ARG', message: /query/ })
})

t.test('rejects options outside their range', async (t) => {
  for (const typeOfService of [-1, 256, 1.5, Number.NaN, '1' as never]) {
    t.throws(() => make({ typeOfService }), { code: 'UND_ERR_INVALID_ARG', message: /typeOfService/ })
  }
  for (const typeOfService of [0, 255, null, undefined]) t.ok(make({ typeOfService }))
  t.throws(() => make({ upgrade: '  ' }), { code: 'UND_ERR_INVALID_ARG', message: /upgrade/ })
  t.equal(make({ upgrade: 'x', blocking: false }).blocking, true, 'an upgrade is always blocking')
  t.equal(make({ method: 'CONNECT', path: 'a:1', blocking: false }).blocking, true)
})

t.test('expectContinue has no effect without a body', async (t) => {
  t.equal(make({ body: '', expectContinue: true }).head.expectContinue, false)
  t.equal(make({ body: 'x', expectContinue: true }).head.expectContinue, true)
  t.equal(make({ body: Readable.from(['x']), expectContinue: true }).head.expectContinue, true)
})

t.test('sends no transfer-encoding without a body', async (t) => {
  const headers = { 'transfer-encoding': 'chunked' }
  t.match(make({ headers }).head, { framing: 'length', contentLength: 0, kept: /content-length: 0\r\n/ })
  t.notMatch(make({ headers }).head.kept, /transfer-encoding/)
  t.match(make({ method: 'GET', headers }).head, { framing: 'none', kept: /^((?!transfer-encoding).)*$/s })
  const loose = make({ headers: { 'content-length': '4' } }, false).head
  t.match(loose, { framing: 'length', contentLength: 0 }, 'the content-length is corrected to 0')
})

t.test('sends bytes in chunks if the headers have transfer-encoding: chunked', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    const pieces: Buffer[] = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => reply.end(`${request.headers['transfer-encoding']} ${Buffer.concat(pieces)}`))
  })
  const client = new Client(origin.url)
  t.teardown(async () => {
    await client.destroy()
    await origin.close()
  })
  const headers = { 'transfer-encoding': 'chunked' }
  for (const body of ['hello', '', new URLSearchParams('a=b')]) {
    const answer = await client.request({ path: '/', method: 'POST', headers, body: body as string })
    t.equal(await answer.body.text(), `chunked ${body}`)
  }
  t.equal(origin.connections, 1, 'the connection is reused')
  t.equal(make({ headers, body: 'hello' }).replayable, true)
})

t.test('a body that is longer than its content-length is never read as another request', async (t) => {
  const seen: string[] = []
  const origin = await httpOrigin((request, reply) => {
    seen.push(request.url ?? '')
    request.resume()
    reply.end()
  })
  const client = new Client(origin.url, { strictContentLength: false })
  t.teardown(async () => {
    await client.destroy()
    await origin.close()
  })
  const headers = { 'content-length': '2' }
  const body = 'hiGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n'
  for (const smuggler of [body, Readable.from([body]), Readable.from(['hi', body.slice(2)])]) {
    const first = await client.request({ path: '/one', method: 'POST', headers, body: smuggler })
    await first.body.dump()
    const second = await client.request({ path: '/two', method: 'GET' })
    await second.body.dump()
    t.strictSame(seen.splice(0), ['/one', '/two'])
  }
})
