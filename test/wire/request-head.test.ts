import http from 'node:http'
import net from 'node:net'
import t from 'tap'
import { flattenHeaders, type HeadersInput, headersToObject, isFieldValue, isToken } from '../../lib/wire/headers.js'
import { encodeRequestHead, headText, type RequestHeadInput } from '../../lib/wire/request-head.js'
import fc from '../property.js'
import { listen } from '../servers/origin.js'

function encode(changes: Partial<RequestHeadInput> & { fields?: HeadersInput } = {}) {
  const { fields, ...rest } = changes
  return encodeRequestHead({
    method: 'GET',
    path: '/',
    host: 'example.com',
    headers: flattenHeaders(fields),
    hasBody: false,
    bodyLength: 0,
    upgrade: null,
    expectContinue: false,
    strictContentLength: true,
    ...rest,
  })
}

t.test('the host header of CONNECT is its target', async (t) => {
  const targets: [Partial<RequestHeadInput> & { fields?: HeadersInput }, string][] = [
    [{ path: 'other:443' }, 'other:443'],
    [{ path: '[::1]:443' }, '[::1]:443'],
    [{ path: '/' }, 'example.com'],
    [{ path: 'user@other:443' }, 'example.com'],
    [{ path: 'other:443', fields: { host: 'given' } }, 'given'],
  ]
  for (const [changes, host] of targets) {
    const { kept } = encode({ ...changes, method: 'CONNECT' })
    t.ok(kept.includes(`\r\nhost: ${host}\r\n`), `CONNECT ${changes.path}`)
  }
  // The TLS server name is that of the origin, not of the target.
  t.equal(encode({ method: 'CONNECT', path: 'other:443' }).host, 'example.com')
})

t.test('encodes request lines and headers', async (t) => {
  const start = 'GET / HTTP/1.1\r\nhost: example.com\r\n'
  t.equal(encode().kept, `${start}connection: keep-alive\r\n\r\n`)
  t.equal(headText(encode(), 'close'), `${start}connection: close\r\n\r\n`)
  t.equal(
    encode({ fields: { 'X-A': 'b', Host: 'other:8080' } }).kept,
    'GET / HTTP/1.1\r\nhost: other:8080\r\nconnection: keep-alive\r\nX-A: b\r\n\r\n',
  )
  const upgrading = encode({ upgrade: 'x', fields: { a: 'b', connection: 'Upgrade, c' } })
  t.equal(headText(upgrading, 'upgrade'), `${start}connection: upgrade, c\r\nupgrade: x\r\na: b\r\n\r\n`)
  t.match(encode({ method: 'POST' }), { framing: 'length', contentLength: 0, kept: /content-length: 0\r\n/ })
  t.match(encode({ hasBody: true, bodyLength: 5 }), { framing: 'length', contentLength: 5 })
  t.match(encode({ hasBody: true, bodyLength: null }), { framing: 'chunked', kept: /transfer-encoding: chunked\r\n/ })
  t.match(encode({ hasBody: true, bodyLength: null, fields: { 'Content-Length': '7' } }), { contentLength: 7 })
  t.match(encode({ hasBody: true, bodyLength: 5, fields: { 'transfer-encoding': 'Chunked' } }), { framing: 'chunked' })
  t.match(encode({ fields: { 'transfer-encoding': 'chunked' } }), { framing: 'none' })
  t.match(encode({ method: 'HEAD', fields: { 'content-length': '9' } }), { framing: 'none' })
  t.match(encode({ fields: { connection: 'close' } }), { close: true, options: '', fields: '' })
  t.match(encode({ fields: { connection: 'keep-alive' } }), { close: false })
  t.match(
    encode({ upgrade: 'websocket', fields: { connection: 'upgrade', upgrade: 'x' } }).kept,
    /upgrade: websocket\r\n/,
  )
  t.match(encode({ hasBody: true, bodyLength: 1, expectContinue: true }), { expectContinue: true })
  t.match(encode({ hasBody: true, bodyLength: 1, fields: { expect: '100-continue' } }).kept, /expect: 100-continue/)
  t.match(encode({ fields: { expect: '100-continue' } }), { expectContinue: false })
  t.match(
    encode({ method: 'CONNECT', path: 'a:1', upgrade: 'CONNECT' }).kept,
    /^CONNECT a:1 HTTP\/1.1\r\nhost: a:1\r\nconnection: keep-alive\r\n\r\n$/,
  )
  t.match(encode({ method: 'OPTIONS', path: '*' }).kept, /^OPTIONS \* /)
  t.match(encode({ path: 'http://x/y' }).kept, /^GET http:\/\/x\/y /)
})

t.test('sends connection options of the caller together with its own', async (t) => {
  const cases: [HeadersInput, { close: boolean; options: string }][] = [
    [
      { connection: 'TE', te: 'trailers' },
      { close: false, options: ', TE' },
    ],
    [{ Connection: 'close, x' }, { close: true, options: ', x' }],
    [{ connection: 'x , CLOSE' }, { close: true, options: ', x' }],
    [{ connection: ['keep-alive', 'X-Hop', 'te'] }, { close: false, options: ', X-Hop, te' }],
    [{ connection: 'Keep-Alive' }, { close: false, options: '' }],
    [{ connection: 'upgrade' }, { close: false, options: ', upgrade' }],
  ]
  for (const [fields, expected] of cases) t.match(encode({ fields }), expected, JSON.stringify(fields))
})

t.test('rejects invalid methods, paths, hosts and framing headers', async (t) => {
  const refused: Parameters<typeof encode>[0][] = [
    { method: 'G T' },
    { method: '' },
    { path: 'x' },
    { path: '' },
    { path: '/a b' },
    { path: '/a\r\nb' },
    { path: '/é' },
    { path: '/ü€' },
    { upgrade: 'a\r\nb' },
    { fields: { host: 'a/b' } },
    { fields: { host: '' } },
    { fields: ['host', 'a', 'host', 'b'] },
    { fields: { connection: '' } },
    { fields: { connection: null } },
    { fields: { connection: 'close,' } },
    { fields: { connection: 'a b' } },
    { fields: { connection: 'keep-alive, Host' } },
    { fields: { connection: 'content-length' } },
    { fields: { connection: 'Transfer-Encoding' } },
    { fields: { host: null } },
    { fields: { 'content-length': null } },
    { fields: { 'keep-alive': '1' } },
    { fields: { upgrade: 'x' } },
    { hasBody: true, fields: { 'content-length': '1', 'transfer-encoding': 'chunked' } },
    { hasBody: true, fields: { 'transfer-encoding': 'gzip' } },
    { hasBody: true, fields: ['transfer-encoding', 'chunked', 'transfer-encoding', 'chunked'] },
    { hasBody: true, fields: { 'content-length': '+1' } },
    { hasBody: true, fields: { 'content-length': '9007199254740993' } },
    { hasBody: true, bodyLength: 1, fields: ['content-length', '1', 'content-length', '1'] },
  ]
  for (const input of refused) t.throws(() => encode(input), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(input))
  t.throws(() => encode({ fields: { expect: 'x' } }), { code: 'UND_ERR_NOT_SUPPORTED' })
  t.throws(() => encode({ hasBody: true, bodyLength: 2, fields: { 'content-length': '1' } }), /but content-length is 1/)
  t.throws(() => encode({ fields: { 'content-length': '1' } }), /no body/)
})

t.test('corrects a wrong content-length with a warning if strictContentLength is false', async (t) => {
  const warnings = t.capture(process, 'emitWarning')
  const loose = (input: Parameters<typeof encode>[0]) => encode({ ...input, strictContentLength: false })
  const fields = { 'content-length': '9' }
  t.match(loose({ hasBody: true, bodyLength: 2, fields }), { contentLength: 2, fields: 'content-length: 2\r\n' })
  t.match(loose({ fields }), { framing: 'none', fields: '' })
  t.match(loose({ method: 'POST', fields }), { contentLength: 0, fields: 'content-length: 0\r\n' })
  t.match(loose({ hasBody: true, bodyLength: null, fields }), { contentLength: 9 })
  t.match(
    warnings().map(({ args }) => args[0]),
    [
      { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', message: 'Request body has 2 bytes, but content-length is 9' },
      { message: 'Request has no body, but content-length is 9' },
      { message: 'Request has no body, but content-length is 9' },
    ],
  )
})

t.test('accepts headers in every documented form', async (t) => {
  const wanted = ['a', '1', 'b', '2', 'b', '3']
  t.strictSame(flattenHeaders({ a: '1', b: ['2', '3'], c: undefined, d: [undefined] } as never), wanted)
  t.strictSame(flattenHeaders(['a', '1', 'b', '2', 'b', '3']), wanted)
  t.strictSame(
    flattenHeaders([
      ['a', '1'],
      ['b', ['2', '3']],
    ]),
    wanted,
  )
  t.strictSame(
    flattenHeaders(
      new Map<string, string | string[]>([
        ['a', '1'],
        ['b', ['2', '3']],
      ]),
    ),
    wanted,
  )
  t.strictSame(flattenHeaders(new Headers({ a: '1' })), ['a', '1'])
  t.strictSame(flattenHeaders({ n: 1, y: true }), ['n', '1', 'y', 'true'])
  t.strictSame(flattenHeaders(null), [])
  t.strictSame(flattenHeaders([]), [])
  t.strictSame(flattenHeaders(Object.create({ inherited: 'x' })), [])
  for (const bad of [
    ['a'],
    [['a']],
    ['a', {}],
    { a: {} },
    { 'a b': '1' },
    { '': '1' },
    { a: 'x\ny' },
    { a: '€' },
    'text',
    5,
  ]) {
    t.throws(() => flattenHeaders(bad as HeadersInput), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(bad))
  }
  t.ok(isToken('X-a'))
  t.notOk(isFieldValue('\0'))
})

t.test('returns response headers by lower-case name', async (t) => {
  const headers = headersToObject([
    'A',
    '1',
    'a',
    '2',
    'a',
    '3',
    '__proto__',
    'x',
    '__proto__',
    'y',
    'constructor',
    'z',
  ])
  t.strictSame(headers.a, ['1', '2', '3'])
  t.strictSame(Object.getOwnPropertyDescriptor(headers, '__proto__')?.value, ['x', 'y'])
  t.equal(headers.constructor, 'z')
  t.equal(Object.getPrototypeOf(headers), Object.prototype)
})

t.test('random requests are rejected, or arrive at node:http as given', async (t) => {
  let seen: http.IncomingMessage | null = null
  const server = http.createServer({ requireHostHeader: false }, (request, reply) => {
    seen = request
    reply.end()
  })
  const origin = await listen(server)
  t.teardown(() => origin.close())
  const nasty = fc.string({
    unit: fc.constantFrom('a', 'Z', '-', ' ', '\t', '\r', '\n', '\0', ':', 'é', '€', ',', '"'),
    maxLength: 8,
  })
  const input = fc.record({
    method: fc.constantFrom('GET', 'QUERY', 'G\r\nX', 'PURGE', 'a b'),
    path: nasty,
    name: nasty,
    value: nasty,
  })
  await fc.assert(
    fc.asyncProperty(input, async ({ method, path, name, value }) => {
      let text: string
      try {
        const head = encode({ method, path: `/${path}`, fields: [name, value], upgrade: null })
        text = headText(head, 'close')
      } catch (error) {
        return (error as { code?: string }).code?.startsWith('UND_ERR_') === true
      }
      seen = null
      await new Promise<void>((resolve) => {
        const socket = net.connect(origin.port, '127.0.0.1', () => socket.write(text, 'latin1'))
        socket
          .on('close', () => resolve())
          .on('error', () => resolve())
          .resume()
      })
      if (seen === null) return method === 'QUERY'
      const raw = (seen as http.IncomingMessage).rawHeaders
      const at = raw.indexOf(name, 2)
      const same = (seen as http.IncomingMessage).url === `/${path}` && (seen as http.IncomingMessage).method === method
      return same && (at >= 0 ? raw[at + 1]?.trim() === value.trim() : name.toLowerCase() === 'connection')
    }),
    { numRuns: 300 },
  )
})
