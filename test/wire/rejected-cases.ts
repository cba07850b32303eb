import type { ExpectedMessage, ResponseCase } from './response-cases.js'

const HEAD = 'HTTP/1.1 200 OK\r\n'
const LENGTH = 'Content-Length: 5\r\n'
const CODING = 'Transfer-Encoding: chunked\r\n'
const CHUNKED = `${HEAD}${CODING}\r\n`
const FIVE = '5\r\nhello\r\n'
const LAST = '0\r\n\r\n'

type Stage = NonNullable<ResponseCase['expect']['error']>['stage']
type Rows = Record<string, string>

function refused(stage: Stage, rows: Rows, more: Partial<ResponseCase> & { messages?: ExpectedMessage[] } = {}) {
  const { messages = [], ...rest } = more
  return Object.entries(rows).map(
    ([note, raw]): ResponseCase => ({
      id: stage,
      note,
      requests: [{ method: 'GET' }],
      raw,
      eof: false,
      expect: { verdict: 'reject', messages, error: { stage } },
      ...rest,
    }),
  )
}

const bytes = (test: (byte: number) => boolean) =>
  Array.from({ length: 256 }, (_, byte) => byte)
    .filter(test)
    .map((byte): [string, string] => [byte.toString(16).padStart(2, '0'), String.fromCharCode(byte)])

/** Bytes that are not allowed in values and reason phrases (RFC 9110 §5.5). CR and LF have other rules. */
const CONTROLS = bytes((byte) => (byte < 32 && ![9, 10, 13].includes(byte)) || byte === 127)
/** Bytes that are not allowed in names (RFC 9110 §5.6.2). */
const NO_TOKEN = bytes((byte) => !/[!#$%&'*+\-.^_`|~0-9A-Za-z:]/.test(String.fromCharCode(byte)))

function each(of: [string, string][], raw: (byte: string) => string): Rows {
  return Object.fromEntries(of.map(([code, byte]) => [`0x${code}`, raw(byte)]))
}

function field(line: string): string {
  return `${HEAD}${line}${LENGTH}\r\nhello`
}

function length(value: string): string {
  return `${HEAD}Content-Length: ${value}\r\n\r\nhello`
}

function coding(value: string): string {
  return `${HEAD}Transfer-Encoding: ${value}\r\n\r\n${FIVE}${LAST}`
}

function trailer(lines: string): string {
  return `${CHUNKED}${FIVE}0\r\n${lines}\r\n`
}

function size(line: string): string {
  return `${CHUNKED}${line}hello\r\n${LAST}`
}

/** Messages that are complete before the error. */
const whole: ExpectedMessage = {
  version: '1.1',
  status: 200,
  reason: 'OK',
  headers: [['Content-Length', '5']],
  body: 'hello',
  trailers: [],
  keepAlive: true,
}
const message = (change: Partial<ExpectedMessage>) => ({ messages: [{ ...whole, ...change }] })

const NUMBERS: Rows = {
  plus: '+5',
  minus: '-5',
  'minus zero': '-0',
  fraction: '5.0',
  exponent: '5e0',
  hexadecimal: '0x5',
  underscore: '1_0',
  quoted: '"5"',
  'two, by a space': '5 5',
  'two, by a tab': '5\t5',
  'two, by a space and a tab': '5 \t 5',
  'a letter after a tab': '5\ta',
  'a vertical tab': '5\x0b',
  'a no-break space': '5\xa0',
  'a no-break space after a tab': '5\t\xa0',
  'with a parameter': '5;q=1',
  'with a letter': '5a',
  'other digits': '\xb2',
  'a number and a comma': '5,',
  'a comma and a number': ',5',
  'two that differ': '5, 6',
  'the same twice (§6.3 would let it pass)': '5, 5',
}

/** Chunk sizes after which no extension is allowed. */
const SIZES: Rows = {
  'a space before': ' 5',
  'a space after': '5 ',
  'a tab before': '\t5',
  'a tab after': '5\t',
  'a prefix': '0x5',
  plus: '+5',
  minus: '-5',
  'minus zero': '-0',
  fraction: '5.0',
  comma: '5,5',
  underscore: '0_5',
  'no digit': 'g',
  'a letter after': '5g',
  quoted: '"5"',
  NUL: '5\0',
  none: '',
  '17 digits': '10000000000000005',
  '40 digits': 'f'.repeat(40),
}

/** Responses that RFC 9112 does not allow but llhttp by itself, or a lenient client, accepts; by rule. */
export const rejectedByRule: Record<string, ResponseCase[]> = {
  'the status line ends in CRLF (§4)': refused('head', {
    LF: `HTTP/1.1 200 OK\n${LENGTH}\r\nhello`,
    'LF, without a reason': `HTTP/1.1 200\n${LENGTH}\r\nhello`,
    CR: `HTTP/1.1 200 OK\r${LENGTH}\r\nhello`,
    'CR CR': `HTTP/1.1 200 OK\r\r${LENGTH}\r\nhello`,
    'CR CR, without a reason': `HTTP/1.1 200\r\r${LENGTH}\r\nhello`,
    'CR CR, without a reason, after a space': `HTTP/1.1 200 \r\r${LENGTH}\r\nhello`,
    'CR CR LF': `HTTP/1.1 200 OK\r\r\n${LENGTH}\r\nhello`,
    'CR, space, LF': `HTTP/1.1 200 OK\r \n${LENGTH}\r\nhello`,
    'LF CR': `HTTP/1.1 200 OK\n\r${LENGTH}\r\nhello`,
    'CR in the reason': `HTTP/1.1 200 O\rK\r\n${LENGTH}\r\nhello`,
  }),
  'reason phrases contain no control characters (§4)': refused(
    'head',
    each(CONTROLS, (byte) => `HTTP/1.1 200 O${byte}K\r\n${LENGTH}\r\nhello`),
  ),
  'versions are 1.0 and 1.1, in capitals (§2.3)': refused(
    'head',
    Object.fromEntries(
      'HTTP/0.9|HTTP/2.0|HTTP/3.0|HTTP/1.2|HTTP/1|HTTP/1.|HTTP/11.1|HTTP/1.10|http/1.1|Http/1.1|HTTPS/1.1|ICE/1.0|RTSP/1.0|ICY|HTTP 1.1|HTTP/+1.1|HTTP/1,1|SSH-2.0-x'
        .split('|')
        .map((version) => [version, `${version} 200 OK\r\n${LENGTH}\r\nhello`]),
    ),
  ),
  'status codes are three digits from 100 on (§4)': refused(
    'head',
    Object.fromEntries(
      '099|000|20|2000|2|20x|-20|+20|0x1| 200|2 0|20\0|\xb2\xb2\xb2|'
        .split('|')
        .map((status) => [status || 'none', `HTTP/1.1 ${status} OK\r\n${LENGTH}\r\nhello`]),
    ),
  ),
  'only a few empty lines may precede a status line (§2.2)': refused('head', {
    'nine times CRLF': `${'\r\n'.repeat(9)}${HEAD}${LENGTH}\r\nhello`,
    'CRLF and CR': `\r\n\r${HEAD}${LENGTH}\r\nhello`,
    'CRLF and LF': `\r\n\n${HEAD}${LENGTH}\r\nhello`,
    'CR twice': `\r\r\n${HEAD}${LENGTH}\r\nhello`,
    'LF, CR': `\n\r${HEAD}${LENGTH}\r\nhello`,
    LF: `\n${HEAD}${LENGTH}\r\nhello`,
    CR: `\r${HEAD}${LENGTH}\r\nhello`,
    space: ` ${HEAD}${LENGTH}\r\nhello`,
    NUL: `\0${HEAD}${LENGTH}\r\nhello`,
    'byte order mark': `\xef\xbb\xbf${HEAD}${LENGTH}\r\nhello`,
    'a tab for the space': `HTTP/1.1\t200 OK\r\n${LENGTH}\r\nhello`,
    'a request': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  }),
  'lines are not folded (§5.2)': [
    ...refused('head', {
      space: field('X: a\r\n b\r\n'),
      tab: field('X: a\r\n\tb\r\n'),
      'an empty value': field('X:\r\n b\r\n'),
      'an empty value, by a tab': field('X: \r\n\tb\r\n'),
      'white space alone': field('X: a\r\n \r\n'),
      'a second time': field('X: a\r\n b\r\n c\r\n'),
      'a length': `${HEAD}Content-Length:\r\n 5\r\n\r\nhello`,
      'after a length': `${HEAD}Content-Length: 5\r\n 5\r\n\r\nhello`,
      'a coding': `${HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n${FIVE}${LAST}`,
      'after a coding': `${HEAD}Transfer-Encoding: gzip,\r\n chunked\r\n\r\n${FIVE}${LAST}`,
      'a hidden length': field('X: a\r\n Content-Length: 3\r\n'),
      'the first line (§2.2)': field(' X: a\r\n'),
      'the first line, by a tab (§2.2)': field('\tX: a\r\n'),
    }),
    ...refused('body', {
      'a trailer': trailer('X: a\r\n b\r\n'),
      'an empty trailer': trailer('X:\r\n\tb\r\n'),
      'the first line of trailers': trailer(' X: a\r\n'),
      'the first line of trailers, by a tab': trailer('\tX: a\r\n'),
    }),
  ],
  'a bare LF or CR does not end a line (§2.2)': [
    ...refused('head', {
      'LF after a value': field('X: a\n'),
      'LF after an empty value': field('X:\n'),
      'LF after a length': `${HEAD}Content-Length: 5\n\r\nhello`,
      'LF after a coding': `${HEAD}Transfer-Encoding: chunked\n\r\n${FIVE}${LAST}`,
      'LF for the empty line': `${HEAD}${LENGTH}\nhello`,
      'LF for all': `HTTP/1.1 200 OK\nContent-Length: 5\n\nhello`,
      'LF in a name': field('X\n: a\r\n'),
      'CR after a value': field('X: a\r'),
      'CR after an empty value': field('X:\r'),
      'CR after a length': `${HEAD}Content-Length: 5\rX: a\r\n\r\nhello`,
      'CR CR after a value': field('X: a\r\r'),
      'CR CR LF after a value': field('X: a\r\r\n'),
      'CR in a value': field('X: a\rb\r\n'),
      'CR in a name': field('X\r: a\r\n'),
      'CR for the empty line': `${HEAD}${LENGTH}\rhello`,
      'CR CR for the empty line': `${HEAD}${LENGTH}\r\rhello`,
    }),
    ...refused('body', {
      'LF after a chunk size': size('5\n'),
      'CR after a chunk size': size('5\r'),
      'CR CR LF after a chunk size': size('5\r\r\n'),
      'LF after an extension': size('5;a\n'),
      'LF after the value of an extension': size('5;a=b\n'),
      'LF after a quoted value': size('5;a="b"\n'),
      'LF in a quoted value': size('5;a="\n"\r\n'),
      'LF in a quoted pair': size('5;a="\\\n"\r\n'),
      'CR after an extension': size('5;a\r'),
      'LF after chunk data': `${CHUNKED}5\r\nhello\n${LAST}`,
      'CR after chunk data': `${CHUNKED}5\r\nhello\r${LAST}`,
      'LF after the last size': `${CHUNKED}${FIVE}0\n\r\n`,
      'LF for the last line': `${CHUNKED}${FIVE}0\r\n\n`,
      'CR for the last line': `${CHUNKED}${FIVE}0\r\n\rX`,
      'LF after a trailer': trailer('X: a\n'),
      'CR after a trailer': trailer('X: a\rY: b\r\n'),
      'LF after trailers': `${CHUNKED}${FIVE}0\r\nX: a\r\n\n`,
    }),
  ],
  'no white space before a colon (§5.1)': [
    ...refused('head', {
      space: field('X : a\r\n'),
      tab: field('X\t: a\r\n'),
      'a length': `${HEAD}Content-Length : 5\r\n\r\nhello`,
      'a length, by a tab': `${HEAD}Content-Length\t: 5\r\n\r\nhello`,
      'a coding': `${HEAD}Transfer-Encoding : chunked\r\n\r\n${FIVE}${LAST}`,
      connection: field('Connection : close\r\n'),
      upgrade: field('Upgrade : x\r\n'),
      'Proxy-Connection': field('Proxy-Connection : x\r\n'),
      'no colon': field('X\r\n'),
      'no name': field(': a\r\n'),
    }),
    ...refused('body', {
      'in a trailer': trailer('X : a\r\n'),
      'in a trailer, by a tab': trailer('X\t: a\r\n'),
      'a trailer without a colon': trailer('X\r\n'),
      'a trailer without a name': trailer(': a\r\n'),
    }),
  ],
  'names are tokens (§5.1)': [
    ...refused(
      'head',
      each(NO_TOKEN, (byte) => field(`X${byte}: a\r\n`)),
    ),
    ...refused(
      'body',
      each(NO_TOKEN, (byte) => trailer(`X${byte}: a\r\n`)),
    ),
  ],
  'field values contain no control characters (RFC 9110 §5.5)': [
    ...refused(
      'head',
      each(CONTROLS, (byte) => field(`X: a${byte}b\r\n`)),
    ),
    ...refused(
      'body',
      each(CONTROLS, (byte) => trailer(`X: a${byte}\r\n`)),
    ),
  ],
  'Content-Length and Transfer-Encoding are not combined (§6.3)': refused('head', {
    'the length first': `${HEAD}${LENGTH}${CODING}\r\n${FIVE}${LAST}`,
    'the coding first': `${HEAD}${CODING}${LENGTH}\r\n${FIVE}${LAST}`,
    'far apart, in odd case': `${HEAD}CONTENT-length: 3\r\nA: 1\r\nB: 2\r\ntransfer-ENCODING: Chunked\r\n\r\n${FIVE}${LAST}`,
    'a length of 0': `${HEAD}Content-Length: 0\r\n${CODING}\r\n${FIVE}${LAST}`,
    'a coding and a length of 0': `${HEAD}${CODING}Content-Length: 0\r\n\r\n${FIVE}${LAST}`,
    'a coding that is not chunked': `${HEAD}Transfer-Encoding: x\r\n${LENGTH}\r\nhello`,
    identity: `${HEAD}Transfer-Encoding: identity\r\n${LENGTH}\r\nhello`,
    'no coding': `${HEAD}Transfer-Encoding:\r\n${LENGTH}\r\nhello`,
    'the coding first, with tabs around the length': `${HEAD}${CODING}Content-Length:\t5\t\r\n\r\n${FIVE}${LAST}`,
    'the coding first, and tabs for a length': `${HEAD}${CODING}Content-Length:\t\t\r\n\r\n${FIVE}${LAST}`,
    'the length first, with a tab after': `${HEAD}Content-Length: 5\t\r\n${CODING}\r\n${FIVE}${LAST}`,
    'no coding, after the length': `${HEAD}${LENGTH}Transfer-Encoding: \r\n\r\nhello`,
  }),
  'trailers contain no Content-Length (RFC 9110 §6.5.1)': refused('body', {
    plain: trailer('Content-Length: 5\r\n'),
    'with tabs around': trailer('Content-Length:\t5\t\r\n'),
    'tabs for a length': trailer('Content-Length:\t\t\r\n'),
  }),
  'Content-Length is one number and occurs once (§6.3)': refused('head', {
    ...Object.fromEntries(Object.entries(NUMBERS).map(([note, value]) => [note, length(value)])),
    none: length(''),
    'white space': length(' \t '),
    'the same field twice': length('5\r\nContent-Length: 5'),
    'the field twice, and they differ': length('5\r\nContent-Length: 6'),
    'the field twice, in odd case': length('5\r\ncontent-LENGTH: 0'),
    'the field twice, apart': length('5\r\nA: b\r\nC:\r\nContent-Length: 5'),
    '0 and another': length('0\r\nContent-Length: 5'),
    '2^53 + 1': length('9007199254740993'),
    '2^63': length('9223372036854775808'),
    '2^64': length('18446744073709551616'),
    '2^64 + 5': length('18446744073709551621'),
    '400 digits': length('9'.repeat(400)),
  }),
  'chunked is the last transfer coding and occurs once (§6.1)': refused('head', {
    twice: coding('chunked, chunked'),
    'in two fields': coding('chunked\r\nTransfer-Encoding: chunked'),
    'twice, with a comma after': coding('chunked,chunked,'),
    'not last, with a tab after': coding('chunked, gzip\t'),
    'not last': coding('chunked, gzip'),
    'not last, in two fields': coding('chunked\r\nTransfer-Encoding: gzip'),
    'not there': coding('gzip'),
    none: coding(''),
    'identity twice': coding('identity, identity'),
    'identity and another': coding('identity, gzip'),
    'identity after chunked': coding('chunked, identity'),
    xchunked: coding('xchunked'),
    chunkedx: coding('chunkedx'),
    quoted: coding('"chunked"'),
    'by a space': coding('gzip chunked'),
    'with a parameter': coding('chunked;q=1'),
    'vertical tab': coding('\x0bchunked'),
    'no-break space': coding('\xa0chunked'),
    'no-break space after': coding('chunked\xa0'),
    'no-break space in a list': coding('gzip,\xa0chunked'),
    'no-break space after, in a list': coding('gzip, chunked\xa0'),
  }),
  'a chunk size is hexadecimal digits and nothing else (§7.1)': refused('body', {
    ...Object.fromEntries(Object.entries(SIZES).map(([note, text]) => [note, size(`${text}\r\n`)])),
    'a prefix, for the last': `${CHUNKED}${FIVE}0x0\r\n\r\n`,
    'a space after the last': `${CHUNKED}${FIVE}0 \r\n\r\n`,
    'an extension for a size': size(';a=b\r\n'),
    'more data than its size': `${CHUNKED}5\r\nhelloX\r\n${LAST}`,
    'less data than its size': `${CHUNKED}6\r\nhello\r\n${LAST}`,
    'no end of data': `${CHUNKED}5\r\nhello5\r\nhello\r\n${LAST}`,
    'an empty line between chunks': `${CHUNKED}${FIVE}\r\n${FIVE}${LAST}`,
  }),
  'chunk extensions contain no control characters (§7.1.1)': refused('body', {
    ...each(CONTROLS, (byte) => size(`5;a${byte}\r\n`)),
    ...Object.fromEntries(CONTROLS.map(([code, byte]) => [`value, 0x${code}`, size(`5;a=${byte}\r\n`)])),
    'quoted NUL': size('5;a="\0"\r\n'),
    'quoted pair of NUL': size('5;a="\\\0"\r\n'),
    'after a quoted value': size('5;a="b"c\r\n'),
    'no end of the quoted value': size('5;a="b\r\n'),
  }),
  'no bytes follow the last response (§9.2)': [
    ...refused(
      'extra',
      Object.fromEntries(
        [
          ...['\r\n'.repeat(9), '\n', '\r\r', '\r\n\n', '\r\nx', '\rH', ' ', '\0', 'H', 'x'],
          ...['', '\r\n'].flatMap((before) => [
            `${before}HTTP/1.1 100 Continue\r\n\r\n`,
            `${before}${HEAD}${LENGTH}\r\nevil!`,
          ]),
        ].map((surplus) => [JSON.stringify(surplus), `${HEAD}${LENGTH}\r\nhello${surplus}`]),
      ),
      message({}),
    ),
    ...refused(
      'extra',
      { 'a body after 204': `HTTP/1.1 204 No Content\r\n${LENGTH}\r\nhello` },
      message({ status: 204, reason: 'No Content', body: '' }),
    ),
    ...refused(
      'extra',
      { 'a body after 304': `HTTP/1.1 304 Not Modified\r\n${LENGTH}\r\nhello` },
      message({ status: 304, reason: 'Not Modified', body: '' }),
    ),
    ...refused(
      'extra',
      { 'a body in the answer to HEAD': `${HEAD}${LENGTH}\r\nhello` },
      { ...message({ body: '' }), requests: [{ method: 'HEAD' }] },
    ),
    ...refused(
      'extra',
      { 'another after close': `${HEAD}Connection: close\r\n${LENGTH}\r\nhello${HEAD}${LENGTH}\r\nevil!` },
      {
        ...message({
          headers: [
            ['Connection', 'close'],
            ['Content-Length', '5'],
          ],
          keepAlive: false,
        }),
        requests: [{ method: 'GET' }, { method: 'GET' }],
      },
    ),
    ...refused(
      'extra',
      { 'another after HTTP/1.0': `HTTP/1.0 200 OK\r\n${LENGTH}\r\nhello${HEAD}${LENGTH}\r\nevil!` },
      { ...message({ version: '1.0', keepAlive: false }), requests: [{ method: 'GET' }, { method: 'GET' }] },
    ),
    ...refused(
      'extra',
      { 'a response split by a field (RFC 9112 §11.1)': `${HEAD}${LENGTH}\r\nhello\r\n${HEAD}${LENGTH}\r\nevil!` },
      message({}),
    ),
  ],
  'elements without a limit in the grammar are limited (RFC 9110 §2.3)': [
    ...refused(
      'head',
      {
        'a long reason': `HTTP/1.1 200 ${'a'.repeat(200)}\r\n${LENGTH}\r\nhello`,
        'a long value': field(`X: ${'a'.repeat(200)}\r\n`),
        'white space before a value': field(`X:${' '.repeat(200)}`),
        'a long name': field(`${'X'.repeat(200)}: a\r\n`),
        'many fields': field('a:b\r\n'.repeat(10)),
        'fields beyond the sum': field('long: enough\r\n'.repeat(8)),
        'an interim response': `HTTP/1.1 103 A\r\nLink: ${'a'.repeat(200)}\r\n\r\n${HEAD}${LENGTH}\r\nhello`,
      },
      { limits: { maxHeaderBytes: 100, maxHeaderCount: 9, maxChunkOverhead: 100 } },
    ),
    ...refused(
      'body',
      {
        'a long extension': size(`5;a=${'b'.repeat(200)}\r\n`),
        'many extensions': size(`5${';a=b'.repeat(50)}\r\n`),
        'zeros before a size': size(`${'0'.repeat(200)}5\r\n`),
        'zeros for the last size': `${CHUNKED}${FIVE}${'0'.repeat(200)}`,
        'a long extension of the last size': `${CHUNKED}${FIVE}0;a=${'b'.repeat(200)}\r\n\r\n`,
        'the same in front of trailers': `${CHUNKED}${FIVE}0;a=${'b'.repeat(100)}\r\na:b\r\n\r\n`,
        'long trailers': trailer(`X: ${'a'.repeat(200)}\r\n`),
        'many trailers': trailer('a:b\r\n'.repeat(10)),
      },
      { limits: { maxHeaderBytes: 190, maxHeaderCount: 9, maxChunkOverhead: 100 } },
    ),
  ],
  '101 is accepted only for upgrade requests (RFC 9110 §15.2.2)': refused('head', {
    '101 to GET': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    '101 and more': `HTTP/1.1 101 Switching Protocols\r\n\r\n${HEAD}${LENGTH}\r\nhello`,
  }),
}
