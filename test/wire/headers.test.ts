import t from 'tap'
import { flattenHeaders, type HeadersInput, headersToObject, isFieldValue, isToken } from '../../lib/wire/headers.js'
import { encodeRequestHead, headText } from '../../lib/wire/request-head.js'
import fc from '../property.js'

t.test('accepts exactly the characters that RFC 9110 allows in header names and values', async (t) => {
  const separators = '"(),/:;<=>?@[\\]{} \t'
  for (let code = 0; code <= 0x101; code++) {
    const char = String.fromCharCode(code)
    t.equal(isToken(char), code > 0x20 && code < 0x7f && !separators.includes(char), `name 0x${code.toString(16)}`)
    const visible = code === 9 || (code >= 0x20 && code !== 0x7f && code <= 0xff)
    t.equal(isFieldValue(char), visible, `value 0x${code.toString(16)}`)
  }
  t.notOk(isToken(''))
  t.ok(isFieldValue(''))
  t.notOk(isToken('a\n'), 'an end of line at the end')
  t.notOk(isFieldValue('a\n'))
})

t.test('reads only own properties of a headers object', async (t) => {
  const prototype = Object.prototype as unknown as Record<string, unknown>
  prototype['x-polluted'] = 'yes'
  try {
    t.strictSame(flattenHeaders({ a: '1' }), ['a', '1'])
    t.strictSame(headersToObject(['x-polluted', '1']), { 'x-polluted': '1' })
  } finally {
    delete prototype['x-polluted']
  }
  const hidden = Object.defineProperty({ a: '1' }, 'b', { value: '2', enumerable: false })
  t.strictSame(flattenHeaders(hidden), ['a', '1'])
})

t.test('names the header of an invalid value, and never shows an invalid name', async (t) => {
  const endless: unknown[] = []
  endless.push(endless)
  for (const value of ['a\r\nb', '\u20ac', { toString: () => 'a' }, ['a', ['b']], endless, Symbol('a')]) {
    t.throws(() => flattenHeaders({ 'x-named': value } as HeadersInput), {
      code: 'UND_ERR_INVALID_ARG',
      message: /x-named/,
    })
  }
  const message = 'each header name must be a token (RFC 9110 §5.6.2), received a string'
  t.throws(() => flattenHeaders({ 'x secret': '1' }), { code: 'UND_ERR_INVALID_ARG', message })
})

t.test('null is an empty value in every form of headers', async (t) => {
  const forms: unknown[] = [{ a: null }, { a: [null] }, ['a', null], [['a', null]], new Map([['a', null]])]
  for (const form of forms) t.strictSame(flattenHeaders(form as HeadersInput), ['a', ''])
  t.strictSame(flattenHeaders({ a: ['b', null] } as never), ['a', 'b', 'a', ''])
})

t.test('reads an iterable of headers once', async (t) => {
  function* pairs(): Generator<[string, string | string[] | undefined]> {
    yield ['a', '1']
    yield ['b', undefined]
    yield ['c', ['2', '3']]
  }
  t.strictSame(flattenHeaders(pairs()), ['a', '1', 'c', '2', 'c', '3'])
})

t.test('lower-cases the names of response headers, not their values', async (t) => {
  t.strictSame(headersToObject(['Set-Cookie', 'A', 'set-cookie', 'B', 'SET-COOKIE', 'C', 'X', '']), {
    'set-cookie': ['A', 'B', 'C'],
    x: '',
  })
  t.strictSame(headersToObject([]), {})
})

const nasty = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'Z', '-', '~', ' ', '\t', '\r', '\n', '\0', ':', '\x7f', 'é', 'ÿ', '€') }),
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[A-Za-z-]{1,12}$/),
  fc.constantFrom('host', 'Connection', 'content-length', 'Transfer-Encoding', 'expect', 'upgrade', 'Keep-Alive', '0'),
)

/** Parses a request head strictly (RFC 9112 §2.1). */
function split(text: string): { start: string; fields: string[][] } | null {
  if (!text.endsWith('\r\n\r\n')) return null
  const [start, ...lines] = text.slice(0, -4).split('\r\n')
  if (/[\r\n\0]/.test(text.replaceAll('\r\n', '')) || lines.includes('')) return null
  const fields = lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)])
  return { start: start ?? '', fields }
}

const ours = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'upgrade', 'keep-alive'])

t.test('random headers are rejected, or sent exactly as given', async (t) => {
  const input = fc.record({
    method: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('GET', 'POST') }, nasty),
    path: fc.oneof({ weight: 3, arbitrary: fc.constant('/p?q') }, nasty),
    pairs: fc.array(fc.tuple(fc.oneof(fc.constantFrom('x-a', 'X-B'), nasty), nasty), { maxLength: 4 }),
    upgrade: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, nasty),
  })
  let accepted = 0
  fc.assert(
    fc.property(input, ({ method, path, pairs, upgrade }) => {
      let text: string
      try {
        const rest = { host: 'h', hasBody: false, bodyLength: 0, expectContinue: false, strictContentLength: true }
        const head = encodeRequestHead({ ...rest, method, path, upgrade, headers: flattenHeaders(pairs) })
        text = headText(head, 'close')
      } catch (error) {
        return /^UND_ERR_(INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH)/.test((error as { code: string }).code)
      }
      accepted++
      const read = split(Buffer.from(text, 'latin1').toString('latin1'))
      if (read === null || read.start !== `${method} ${path} HTTP/1.1`) return false
      const theirs = (field: string[]) => !ours.has((field[0] as string).toLowerCase())
      const count = (name: string) => read.fields.filter((field) => field[0]?.toLowerCase() === name).length
      const framed = count('content-length') + count('transfer-encoding') <= 1
      const same = JSON.stringify(read.fields.filter(theirs)) === JSON.stringify(pairs.filter(theirs))
      return same && framed && count('host') === 1 && count('connection') === 1
    }),
    { numRuns: 3000 },
  )
  t.ok(accepted > 50, 'and some were accepted')
})
