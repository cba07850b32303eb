import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Client, errors, interceptors } from '../../../../lib/index.js'
import { byClient, type Case, type Scene, text } from '../peer.js'
import { CHUNKS, FIELDS, TEXT } from '../service/content.js'

type Options = Parameters<Client['request']>[0]

const digests = new WeakMap<Uint8Array, string>()

/** Returns the SHA-256 hash of bytes. */
export function digest(bytes: Uint8Array): string {
  const known = digests.get(bytes) ?? createHash('sha256').update(bytes).digest('hex')
  digests.set(bytes, known)
  return known
}

/** Splits a body into chunks whose size is no power of two. */
export function pieces(body: Buffer, size = 60_000): Readable {
  function* cut() {
    for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
  }
  return Readable.from(cut())
}

/** Sends one request and returns its response. */
function exchange(options: Options, check: (answer: Answer, scene: Scene) => void | Promise<void>): Case {
  return byClient(async (client, scene) => {
    const { statusCode, headers, trailers, body } = await client.request(options)
    await check({ statusCode, headers, trailers, bytes: Buffer.from(await body.bytes()), client }, scene)
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  })
}

interface Answer {
  statusCode: number
  headers: Record<string, string | string[] | undefined>
  trailers: Record<string, string>
  bytes: Buffer
  client: Client
}

const method = (name: string, body?: string): Case =>
  exchange(
    { path: '/echo', method: name, ...(body === undefined ? {} : { body }) },
    ({ statusCode, headers, bytes }) => {
      assert.equal(statusCode, 200)
      assert.equal(headers['x-method'], name)
      assert.equal(String(bytes), body ?? '')
    },
  )

const get = (path: string, check: (answer: Answer, scene: Scene) => void, headers: Record<string, string> = {}) =>
  exchange({ path, method: 'GET', headers }, check)

const methods: Record<string, Case> = {
  GET: method('GET'),
  HEAD: exchange({ path: '/big.bin', method: 'HEAD' }, ({ statusCode, headers, bytes }, { setting }) => {
    assert.equal(statusCode, 200)
    assert.equal(headers['content-length'], String(setting.big.length))
    assert.equal(bytes.length, 0)
  }),
  POST: method('POST', 'posted'),
  PUT: method('PUT', 'put'),
  PATCH: method('PATCH', 'patch'),
  DELETE: method('DELETE'),
  OPTIONS: method('OPTIONS'),
}

const answers: Record<string, Case> = {
  '10 MB with content-length': get('/big.bin', ({ headers, bytes }, { setting }) => {
    assert.equal(headers['content-length'], String(setting.big.length))
    assert.ok(bytes.equals(setting.big))
  }),
  chunked: byClient(async (client) => {
    let framing: unknown
    // A proxy that buffers the whole body sends its length.
    for (let tries = 0; framing === undefined && tries < 10; tries++) {
      const { headers, body } = await client.request({ path: '/chunks', method: 'GET' })
      assert.equal(await body.text(), CHUNKS.join(''))
      framing = headers['transfer-encoding']
    }
    assert.equal(framing, 'chunked')
  }),
  'without content': get('/empty', ({ statusCode, bytes }) => {
    assert.equal(statusCode, 204)
    assert.equal(bytes.length, 0)
  }),
  'empty, with content-length': get('/nothing', ({ statusCode, headers, bytes }) => {
    assert.equal(statusCode, 200)
    assert.equal(headers['content-length'], '0')
    assert.equal(bytes.length, 0)
  }),
  'empty, chunked': get('/nothing-chunked', ({ statusCode, bytes }) => {
    assert.equal(statusCode, 200)
    assert.equal(bytes.length, 0)
  }),
  'until the connection closes': get('/legacy', ({ statusCode, headers, bytes }) => {
    assert.equal(statusCode, 200)
    assert.equal(headers['transfer-encoding'], undefined)
    assert.equal(headers['content-length'], undefined)
    assert.equal(String(bytes), CHUNKS.join(''))
  }),
  'with 40 headers': get('/fields', ({ headers }) => {
    for (const [name, value] of FIELDS) assert.equal(headers[name], value)
  }),
  'with trailers': get('/trailers', ({ statusCode, bytes }) => {
    assert.equal(statusCode, 200)
    assert.equal(String(bytes), TEXT)
  }),
  trailers: get('/trailers', ({ trailers, bytes }) => assert.equal(trailers['x-digest'], digest(bytes))),
}

/** Sends a body. The server responds with its length and hash. */
const upload = (make: (scene: Scene) => { body: Options['body']; is: Buffer }): Case =>
  byClient(async (client, scene) => {
    const { body, is } = make(scene)
    assert.equal(await text(client, '/digest', { method: 'POST', body }), `${is.length} ${digest(is)}`)
  })

/** Sends 10 MB and receives them back. */
const thereAndBack = (make: (big: Buffer) => Options['body']): Case =>
  byClient(async (client, { setting }) => {
    const { body } = await client.request({ path: '/echo', method: 'POST', body: make(setting.big) ?? null })
    assert.ok(setting.big.equals(await body.bytes()))
  })

const refused = (make: (big: Buffer) => Options['body']): Case =>
  byClient(async (client, { setting }) => {
    for (let count = 0; count < 3; count++) {
      const body = make(setting.big) ?? null
      const { statusCode, body: answer } = await client.request({ path: '/refuse', method: 'POST', body })
      assert.equal(statusCode, 413)
      await answer.dump()
    }
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  })

const kilobyte = (big: Buffer) => big.subarray(0, 1000)

const uploads: Record<string, Case> = {
  '1 KB with content-length': upload(({ setting: { big } }) => ({ body: kilobyte(big), is: kilobyte(big) })),
  '10 MB with content-length': upload(({ setting: { big } }) => ({ body: big, is: big })),
  '1 KB as a stream': upload(({ setting: { big } }) => ({ body: pieces(kilobyte(big), 300), is: kilobyte(big) })),
  '10 MB as a stream': upload(({ setting: { big } }) => ({ body: pieces(big), is: big })),
  empty: upload(() => ({ body: '', is: Buffer.alloc(0) })),
  'an empty stream': upload(() => ({ body: Readable.from([]), is: Buffer.alloc(0) })),
  '10 MB echoed': thereAndBack((big) => big),
  '10 MB echoed as a stream': thereAndBack((big) => pieces(big)),
  'after 100 Continue': byClient(async (client, { setting }) => {
    const infos: number[] = []
    const options = { expectContinue: true, onInfo: (info: { statusCode: number }) => void infos.push(info.statusCode) }
    const body = kilobyte(setting.big)
    const answer = await text(client, '/digest', { method: 'POST', body, ...options })
    assert.equal(answer, `${body.length} ${digest(body)}`)
    // A proxy may send its own interim response and pass on that of the origin: two (RFC 9110 §15.2).
    assert.ok(infos.length > 0 && infos.every((status) => status === 100), String(infos))
  }),
  'rejected before it is complete': refused((big) => big),
  'rejected before it is complete, as a stream': refused((big) => pieces(big)),
}

/** Requests the text for its etag and date, and again with conditional headers. */
const conditional = (fields: (first: Answer['headers']) => Record<string, string>, status: number): Case =>
  byClient(async (client) => {
    const first = await client.request({ path: '/text.txt', method: 'GET' })
    assert.equal(await first.body.text(), TEXT)
    const { statusCode, body } = await client.request({
      path: '/text.txt',
      method: 'GET',
      headers: fields(first.headers),
    })
    assert.equal(statusCode, status)
    if (status === 304) assert.equal(await body.text(), '')
    else await body.dump()
    assert.equal(await text(client, '/text.txt'), TEXT, 'the next request')
  })

const ranged = (range: string, check: (answer: Answer) => void): Case => get('/text.txt', check, { range })

const conditions: Record<string, Case> = {
  'not modified, by tag': conditional(({ etag }) => ({ 'if-none-match': String(etag) }), 304),
  'not modified, by date': conditional((first) => ({ 'if-modified-since': String(first['last-modified']) }), 304),
  'precondition failed': conditional(() => ({ 'if-match': '"other"' }), 412),
  'a range': ranged('bytes=10-19', ({ statusCode, headers, bytes }) => {
    assert.equal(statusCode, 206)
    assert.equal(headers['content-range'], `bytes 10-19/${TEXT.length}`)
    assert.equal(String(bytes), TEXT.slice(10, 20))
  }),
  'the last bytes': ranged('bytes=-7', ({ statusCode, bytes }) => {
    assert.equal(statusCode, 206)
    assert.equal(String(bytes), TEXT.slice(-7))
  }),
  'a range beyond the end': ranged('bytes=900000-', ({ statusCode, headers }) => {
    assert.equal(statusCode, 416)
    assert.equal(headers['content-range'], `bytes */${TEXT.length}`)
  }),
}

const composed: Record<string, Case> = {
  decompress: byClient(async (client) => {
    const plain = client.compose((dispatch) => dispatch)
    const packed = await plain.request({ path: '/text.txt', method: 'GET', headers: { 'accept-encoding': 'gzip' } })
    assert.equal(packed.headers['content-encoding'], 'gzip')
    assert.ok((await packed.body.bytes()).length < TEXT.length)
    const dispatcher = client.compose(interceptors.decompress())
    const { body } = await dispatcher.request({
      path: '/text.txt',
      method: 'GET',
      headers: { 'accept-encoding': 'gzip' },
    })
    assert.equal(await body.text(), TEXT)
  }),
  'redirect a GET': byClient(async (client, { peer }) => {
    const dispatcher = client.compose(interceptors.redirect({ maxRedirections: 3 }))
    const { statusCode, body } = await dispatcher.request({ origin: peer.url, path: '/redirect', method: 'GET' })
    assert.equal(statusCode, 200)
    assert.equal(await body.text(), TEXT)
  }),
  'redirect a POST with its body': byClient(async (client, { peer, setting }) => {
    const dispatcher = client.compose(interceptors.redirect({ maxRedirections: 3 }))
    const sent = setting.big.subarray(0, 100_000)
    const { body } = await dispatcher.request({ origin: peer.url, path: '/moved', method: 'POST', body: sent })
    assert.equal(await body.text(), `${sent.length} ${digest(sent)}`)
  }),
}

const limits: Record<string, Case> = {
  'a request with 40 headers': get(
    '/fields',
    ({ bytes }) => assert.equal(String(bytes), '40'),
    Object.fromEntries(FIELDS),
  ),
  'headers too large for the server': byClient(async (client, { server }) => {
    const { bytes, status } = server.headLimit
    const headers = { 'x-long': 'v'.repeat(bytes) }
    const { statusCode, body } = await client.request({ path: '/id?n=1', method: 'GET', headers })
    assert.equal(statusCode, status)
    await body.dump()
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  }),
  'headers too large for the client': byClient(
    async (client) => {
      await assert.rejects(text(client, '/fields'), errors.HeadersOverflowError)
      assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
    },
    { maxHeaderSize: 2000 },
  ),
}

export const messages = { methods, answers, uploads, conditions, interceptors: composed, limits }
