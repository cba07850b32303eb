import fc from '../property.js'
import type { StreamInput } from './parse-stream.js'

/** Bytes of a server, cut into pieces, and the requests they respond to. */
export interface ResponseStream {
  readonly given: StreamInput
  readonly pieces: string[]
}

/** Mostly a usual value, sometimes an odd one. */
function mostly(usual: string[], odd: string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  )
}

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code))
const noise = fc.array(byte, { maxLength: 6 }).map((bytes) => bytes.join(''))
const flood = fc
  .tuple(fc.constantFrom('x', ' ', '\t', '0', '\r', ';', ','), fc.constantFrom(100, 3_000, 20_000, 66_000))
  .map(([text, times]) => text.repeat(times))

const end = mostly(['\r\n'], ['\n', '\r', '\r\r', '\r\r\n', '\n\r', '\r\n ', '\r\n\t', ' \r\n', '\0\r\n', ''])
const version = mostly(
  ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'],
  [
    'HTTP/0.9',
    'HTTP/2.0',
    'HTTP/1.2',
    'HTTP/3.0',
    'HTTP/1',
    'HTTP/11.1',
    'http/1.1',
    'HTTP/1.1 ',
    'ICE/1.0',
    'HTTPS/1.1',
  ],
)
const status = mostly(
  ['200', '200', '200', '404', '204', '304', '100', '103', '101', '205'],
  ['099', '000', '999', '20', '2000', '2x0', ' 200', '+20', '199', '', '20\0'],
)
const phrase = mostly(['OK', '', 'Not Found', 'Déjà vu'], ['a\0b', 'a\tb', '\x7f', ' ', ' HTTP/1.1 200 OK', 'a: b'])
const length = mostly(
  ['0', '3', '3', '10', '1 ', ' 3', '03'],
  [
    '-1',
    '+3',
    '3,3',
    '3 3',
    '0x3',
    '',
    '3\t',
    '9007199254740993',
    '18446744073709551615',
    '18446744073709551616',
    '1e1',
  ],
)
const coding = mostly(
  ['chunked', 'Chunked', 'CHUNKED ', '\tchunked'],
  [
    'gzip, chunked',
    'gzip',
    'chunked, gzip',
    'chunked,',
    'xchunked',
    'chunked\t',
    'chunked,chunked',
    ',chunked',
    '',
    'chunked;q=1',
  ],
)
const value = fc.oneof(
  {
    weight: 12,
    arbitrary: mostly(
      ['a', '', 'b c', '\tx ', 'close', 'keep-alive', 'é'],
      ['\0', 'a\x7f', 'a\x01b', ':', 'a\nb', 'a\rb'],
    ),
  },
  { weight: 2, arbitrary: noise },
  { weight: 1, arbitrary: flood },
)
const name = fc.oneof(
  {
    weight: 12,
    arbitrary: mostly(
      [
        'x-a',
        'Date',
        'Connection',
        'Keep-Alive',
        'Upgrade',
        'Proxy-Connection',
        'Set-Cookie',
        '__proto__',
        'x-fourteen-byt',
      ],
      ['', ' a', 'a ', 'a b', 'a\tb', 'a\0', 'é', '(', 'a"', 'Content-Lengthx', 'Content-Lengt', 'Transfer-Encoding '],
    ),
  },
  { weight: 1, arbitrary: noise },
)
const colon = mostly([': ', ':'], [' : ', ':\t', '', '::', ': \t '])
const line = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>) =>
  fc.tuple(name, colon, value, end).map((parts) => parts.join(''))
const plain = line(name, value)
const field = fc.oneof(
  { weight: 6, arbitrary: plain },
  { weight: 1, arbitrary: line(mostly(['Content-Length', 'content-length'], ['Content-Length ']), length) },
  { weight: 1, arbitrary: line(mostly(['Transfer-Encoding', 'transfer-encoding'], ['Transfer-Encoding\0']), coding) },
)

const extension = mostly(
  ['', '', '', ';a', ';a=b', ';a="b c"', ';a=b;c="d\\"e"', ';a="\\é"', ';a=""'],
  [
    '; a',
    ' ;a',
    ';a =b',
    ';a="b',
    ';a="b"c',
    ';a=\0',
    ';;',
    ';=',
    ';',
    ' ',
    '\t',
    ';a=b c',
    ';a="\0"',
    ';a="\\\r"',
    ';"a"',
    ';a\n',
  ],
)
const chunk = fc
  .tuple(
    fc.constantFrom('', 'a', 'abc', 'x'.repeat(17), '\r\n', '0\r\n\r\n'),
    mostly(['', '', '0', '00000'], ['g', '-', '0x', ' ', '+']),
    extension,
    end,
    end,
  )
  .map(
    ([data, zeros, extension, first, second]) =>
      `${zeros}${data.length.toString(16)}${extension}${first}${data}${second}`,
  )
const chunks = fc
  .tuple(
    fc.array(chunk, { maxLength: 4 }),
    mostly(['0', '000'], ['', '1', 'ffffffffffffffff', '10000000000000000', 'fffff']),
    extension,
    end,
    fc.array(field, { maxLength: 2 }),
    end,
  )
  .map(([chunks, last, extension, first, trailers, second]) =>
    [...chunks, last, extension, first, ...trailers, second].join(''),
  )

const start = fc
  .tuple(version, status, mostly([' '], ['', '  ', '\t']), phrase, end)
  .map(([a, b, c, d, e]) => `${a} ${b}${c}${d}${e}`)
const head = fc.tuple(start, fc.array(field, { maxLength: 5 })).map(([start, fields]) => start + fields.join(''))
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const response = fc.oneof(
  chunks.map((body) => CHUNKED + body),
  fc
    .tuple(head, end, mostly(['', 'abc', 'abc'], ['abcdef', '\r\n', 'HTTP/1.1 200 OK\r\n\r\n']))
    .map((parts) => parts.join('')),
  fc
    .tuple(head, line(fc.constant('Content-Length'), length), end, mostly(['abc', 'abc', ''], ['ab', 'abcd']))
    .map((parts) => parts.join('')),
  fc.tuple(head, line(fc.constant('Transfer-Encoding'), coding), end, chunks).map((parts) => parts.join('')),
)
/** Valid responses, after which the parser reads on. */
const valid = fc.constantFrom(
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;a=b\r\nde\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nx:\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
)

interface Mutation {
  readonly kind: 'replace' | 'insert' | 'remove' | 'repeat' | 'cut'
  readonly at: number
  readonly text: string
  readonly length: number
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace', 'insert', 'remove', 'repeat', 'cut'),
  at: fc.nat(1_000_000),
  text: fc.oneof(
    fc.constantFrom(
      '\r',
      '\n',
      '\0',
      ' ',
      '\t',
      ':',
      ';',
      ',',
      '"',
      '\\',
      '\x7f',
      '\xff',
      '0',
      'f',
      '\r\n',
      '\r\n\r\n',
    ),
    byte,
  ),
  length: fc.nat(12),
})

function mutate(raw: string, { kind, at, text, length }: Mutation): string {
  const from = at % (raw.length + 1)
  const before = raw.slice(0, from)
  if (kind === 'replace') return before + text + raw.slice(from + text.length)
  if (kind === 'insert') return before + text + raw.slice(from)
  if (kind === 'remove') return before + raw.slice(from + length)
  if (kind === 'repeat') return before + raw.slice(from, from + 4 * length) + raw.slice(from)
  return before
}

/** Maximum number of one-byte pieces of a long stream. */
const FRAGMENTS = 400

function fragments(raw: string, cuts: number[] | null): string[] {
  if (cuts === null) return raw.length > FRAGMENTS ? [...raw.slice(0, FRAGMENTS), raw.slice(FRAGMENTS)] : [...raw]
  const places = [...new Set(cuts.map((cut) => cut % (raw.length + 1)))].sort((a, b) => a - b)
  return [...places, raw.length].map((place, i) => raw.slice(places[i - 1] ?? 0, place)).filter((piece) => piece !== '')
}

const request = fc.constantFrom(
  { method: 'GET' },
  { method: 'GET' },
  { method: 'GET' },
  { method: 'HEAD' },
  { method: 'CONNECT' },
  { method: 'GET', upgrade: 'x' },
)
const small = (usual: number) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.nat(120) })

/** Valid responses, invalid ones, and random mutations of both. */
export const responseStreams: fc.Arbitrary<ResponseStream> = fc
  .record({
    responses: fc.array(fc.oneof(valid, response), { minLength: 1, maxLength: 4 }),
    mutations: fc.oneof(
      { weight: 2, arbitrary: fc.constant<Mutation[]>([]) },
      { weight: 1, arbitrary: fc.array(mutation, { maxLength: 3 }) },
    ),
    cuts: fc.oneof(
      fc.constant<number[]>([]),
      fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 5 }),
      fc.constant(null),
    ),
    requests: fc.array(request, { minLength: 1, maxLength: 4 }),
    eof: fc.boolean(),
    limits: fc.record({ maxHeaderBytes: small(16384), maxHeaderCount: small(2000), maxChunkOverhead: small(16384) }),
  })
  .map(({ responses, mutations, cuts, requests, eof, limits }) => {
    const raw = mutations.reduce(mutate, responses.join(''))
    return { given: { requests, eof, limits }, pieces: fragments(raw, cuts) }
  })
