import http from 'node:http'
import net from 'node:net'
import t from 'tap'
import { connectionLine, encodeRequestHead, type RequestHeadInput } from '../../lib/wire/head.js'
import { flattenHeaders, type HeadersInput, headersToObject, isFieldValue, isToken } from '../../lib/wire/headers.js'
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

t.test('the host of CONNECT is its target', async (t) => {
  const targets: [Partial<RequestHeadInput> & { fields?: HeadersInput }, string][] = [
    [{ path: 'other:443' }, 'other:443'],
    [{ path: '[::1]:443' }, '[::1]:443'],
    [{ path: '/' }, 'example.com'],
    [{ path: 'user@other:443' }, 'example.com'],
    [{ path: 'other:443', fields: { host: 'given' } }, 'given'],
  ]
  for (const [changes, host] of targets) {
    const { text } = encode({ ...changes, method: 'CONNECT' })
    t.ok(text.includes(`\r\nhost: ${host}\r\n`), `CONNECT ${changes.path}`)
  }
  // The server name of TLS is that of whom the request is sent to.
  t.equal(encode({ method: 'CONNECT', path: 'other:443' }).host, 'example.com')
})

t.test('heads as they go out', async (t) => {
  t.equal(encode().text, 'GET / HTTP/1.1\r\nhost: example.com\r\n')
  t.equal(
    encode({ fields: { Host: 'other:8080', 'X-A': 'b' } }).text,
    'GET / HTTP/1.1\r\nhost: other:8080\r\nX-A: b\r\n',
  )
  t.match(encode({ method: 'POST' }), { framing: 'length', contentLength: 0, text: /content-length: 0\r\n/ })
  t.match(encode({ hasBody: true, bodyLength: 5 }), { framing: 'length', contentLength: 5 })
  t.match(encode({ hasBody: true, bodyLength: null }), { framing: 'chunked', text: /transfer-encoding: chunked\r\n/ })
  t.match(encode({ hasBody: true, bodyLength: null, fields: { 'Content-Length': '7' } }), { contentLength: 7 })
  t.match(encode({ hasBody: true, bodyLength: 5, fields: { 'transfer-encoding': 'Chunked' } }), { framing: 'chunked' })
  t.match(encode({ fields: { 'transfer-encoding': 'chunked' } }), { framing: 'none' })
  t.match(encode({ method: 'HEAD', fields: { 'content-length': '9' } }), { framing: 'none' })
  t.match(encode({ fields: { connection: 'close' } }), { close: true, text: /^((?!connection).)*$/s })
  t.match(encode({ fields: { connection: 'keep-alive' } }), { close: false })
  t.match(
    encode({ upgrade: 'websocket', fields: { connection: 'upgrade', upgrade: 'x' } }).text,
    /upgrade: websocket\r\n/,
  )
  t.match(encode({ hasBody: true, bodyLength: 1, expectContinue: true }), { expectContinue: true })
  t.match(encode({ hasBody: true, bodyLength: 1, fields: { expect: '100-continue' } }).text, /expect: 100-continue/)
  t.match(encode({ fields: { expect: '100-continue' } }), { expectContinue: false })
  t.match(
    encode({ method: 'CONNECT', path: 'a:1', upgrade: 'CONNECT' }).text,
    /^CONNECT a:1 HTTP\/1.1\r\nhost: a:1\r\n$/,
  )
  t.match(encode({ method: 'OPTIONS', path: '*' }).text, /^OPTIONS \* /)
  t.match(encode({ path: 'http://x/y' }).text, /^GET http:\/\/x\/y /)
  t.equal(connectionLine('close'), 'connection: close\r\n\r\n')
})

t.test('what is refused', async (t) => {
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
    { fields: { connection: 'x-custom' } },
    { fields: { connection: 'upgrade' } },
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
  t.throws(() => encode({ hasBody: true, bodyLength: 2, fields: { 'content-length': '1' } }), /content-length says 1/)
  t.throws(() => encode({ fields: { 'content-length': '1' } }), /no body/)
  t.equal(
    encode({ hasBody: true, bodyLength: 2, fields: { 'content-length': '1' }, strictContentLength: false })
      .contentLength,
    1,
  )
})

t.test('fields in every form', async (t) => {
  const wanted = ['a', '1', 'b', '2', 'b', '3']
  t.strictSame(flattenHeaders({ a: '1', b: ['2', '3'], c: null, d: undefined }), wanted)
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

t.test('fields of a response by name', async (t) => {
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

t.test('whatever is given is refused or arrives as it was', async (t) => {
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
        text = head.text + connectionLine('close')
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
