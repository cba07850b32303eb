import t from 'tap'
import { type Attack, counted, each, PARSERS } from './catalogue.js'
import { deceived } from './requests-to-attacker.js'

/** A response that tries to make two parties disagree about where it ends. */
interface Smuggle extends Attack {
  /** Response to the first request, in latin1. */
  bytes: string
  /** Outcome of the first request. The second always gets its own response. */
  first: string
  /** Number of connections; 2 if the first is not reused. */
  connections: 1 | 2
}

const OK = 'HTTP/1.1 200 OK\r\n'
const EVIL = `${OK}content-length: 4\r\n\r\nevil`

/** A response whose headers must be rejected. */
function refused(what: string, fields: string, code: string): Smuggle {
  return { what, good: 'refuses', bytes: `${OK}${fields}\r\n\r\nhello${EVIL}`, first: `HPE_${code}`, connections: 2 }
}

/** A response whose first chunk size must be rejected. */
function badSize(what: string, size: string, code = 'INVALID_CHUNK_SIZE'): Smuggle {
  const bytes = `${OK}transfer-encoding: chunked\r\n\r\n${size}\r\nhello\r\n0\r\n\r\n${EVIL}`
  return { what: `chunk size ${what}`, good: 'refuses', bytes, first: `HPE_${code}`, connections: 2 }
}

/** A response whose status line must be rejected. */
function badStart(what: string, line: string, code: string): Smuggle {
  const bytes = `${line}\r\ncontent-length: 5\r\n\r\nhello`
  return { what: `start line with ${what}`, good: 'refuses', bytes, first: `HPE_${code}`, connections: 2 }
}

function chunked(what: string, bytes: string, code: string): Smuggle {
  const whole = `${OK}transfer-encoding: chunked\r\n\r\n${bytes}`
  return { what, good: 'refuses', bytes: whole, first: `HPE_${code}`, connections: 2 }
}

const lengths: Smuggle[] = [
  refused(
    'content-length, then transfer-encoding',
    'content-length: 5\r\ntransfer-encoding: chunked',
    'INVALID_TRANSFER_ENCODING',
  ),
  refused(
    'transfer-encoding, then content-length',
    'transfer-encoding: chunked\r\ncontent-length: 5',
    'INVALID_CONTENT_LENGTH',
  ),
  refused('two lengths that differ', 'content-length: 5\r\ncontent-length: 6', 'UNEXPECTED_CONTENT_LENGTH'),
  refused('two lengths that are equal', 'content-length: 5\r\ncontent-length: 5', 'UNEXPECTED_CONTENT_LENGTH'),
  refused('a list of lengths', 'content-length: 5, 5', 'INVALID_CONTENT_LENGTH'),
  refused('a length with a plus', 'content-length: +5', 'INVALID_CONTENT_LENGTH'),
  refused('a negative length', 'content-length: -5', 'INVALID_CONTENT_LENGTH'),
  refused('a length in hexadecimal', 'content-length: 0x5', 'INVALID_CONTENT_LENGTH'),
  refused('a length with an underscore', 'content-length: 1_0', 'INVALID_CONTENT_LENGTH'),
  refused('a length without digits', 'content-length:', 'INVALID_CONTENT_LENGTH'),
  refused('a length beyond any integer', 'content-length: 99999999999999999999', 'INVALID_CONTENT_LENGTH'),
  refused('a length after a no-break space', 'content-length: \xa05', 'INVALID_CONTENT_LENGTH'),
  refused('a length with a folded line', 'content-length: 5\r\n 0', 'INVALID_HEADER_TOKEN'),
  refused('a space before the colon', 'content-length : 5', 'INVALID_HEADER_TOKEN'),
  {
    what: 'whitespace around a length',
    good: 'accepts it',
    bytes: `${OK}content-length:\t5 \r\n\r\nhello`,
    first: 'hello',
    connections: 1,
  },
]

const codings: Smuggle[] = [
  refused('chunked that is not the last coding', 'transfer-encoding: chunked, gzip', 'INVALID_TRANSFER_ENCODING'),
  refused('a coding that is not known', 'transfer-encoding: gzip', 'INVALID_TRANSFER_ENCODING'),
  refused('identity twice', 'transfer-encoding: identity, identity', 'INVALID_TRANSFER_ENCODING'),
  refused('identity and a length', 'transfer-encoding: identity\r\ncontent-length: 5', 'INVALID_CONTENT_LENGTH'),
  refused('a length and identity', 'content-length: 5\r\ntransfer-encoding: identity', 'INVALID_TRANSFER_ENCODING'),
  refused('a name that ends in chunked', 'transfer-encoding: xchunked', 'INVALID_TRANSFER_ENCODING'),
  refused('chunked in quotes', 'transfer-encoding: "chunked"', 'INVALID_TRANSFER_ENCODING'),
  refused('chunked with a parameter', 'transfer-encoding: chunked;q=1', 'INVALID_TRANSFER_ENCODING'),
  refused('chunked twice', 'transfer-encoding: chunked\r\ntransfer-encoding: chunked', 'INVALID_TRANSFER_ENCODING'),
  refused(
    'chunked, then identity',
    'transfer-encoding: chunked\r\ntransfer-encoding: identity',
    'INVALID_TRANSFER_ENCODING',
  ),
  refused('no coding at all', 'transfer-encoding:', 'INVALID_TRANSFER_ENCODING'),
  refused('a vertical tab before chunked', 'transfer-encoding: \x0bchunked', 'INVALID_HEADER_TOKEN'),
  refused('a coding in a folded line', 'transfer-encoding:\r\n chunked', 'INVALID_HEADER_TOKEN'),
  refused('a coding after a bare CR', 'x: 1\rtransfer-encoding: chunked', 'LF_EXPECTED'),
  refused('a coding after a bare LF', 'x: 1\ntransfer-encoding: chunked', 'CR_EXPECTED'),
  refused('a soft hyphen in the name', 'transfer\xadencoding: chunked', 'INVALID_HEADER_TOKEN'),
  {
    what: 'another coding before chunked',
    good: 'decodes the chunks only',
    bytes: `${OK}transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    first: 'hello',
    connections: 1,
  },
  {
    what: 'chunked in an HTTP/1.0 response',
    good: 'reads it, and closes the connection',
    bytes: `HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${EVIL}`,
    first: 'hello',
    connections: 2,
  },
]

const lines: Smuggle[] = [
  refused('NUL in a value', 'x: a\0b\r\ncontent-length: 5', 'INVALID_HEADER_TOKEN'),
  refused('CR twice', 'content-length: 5\r', 'LF_EXPECTED'),
  refused('a header line that begins with a space', ' x: 1', 'UNEXPECTED_SPACE'),
  refused('a header without a colon', 'evil\r\ncontent-length: 5', 'INVALID_HEADER_TOKEN'),
  refused('a header without a name', ': evil\r\ncontent-length: 5', 'INVALID_HEADER_TOKEN'),
  { ...refused('bare LF everywhere', '', 'CR_EXPECTED'), bytes: 'HTTP/1.1 200 OK\ncontent-length: 5\n\nhello' },
  badStart('version 2.0', 'HTTP/2.0 200 OK', 'INVALID_VERSION'),
  badStart('version 0.9', 'HTTP/0.9 200 OK', 'INVALID_VERSION'),
  badStart('version 1.2', 'HTTP/1.2 200 OK', 'INVALID_VERSION'),
  badStart('version 1.10', 'HTTP/1.10 200 OK', 'INVALID_VERSION'),
  badStart('another protocol', 'RTSP/1.0 200 OK', 'INVALID_CONSTANT'),
  badStart('a name in lower case', 'http/1.1 200 OK', 'INVALID_CONSTANT'),
  badStart('nine empty lines before it', `${'\r\n'.repeat(9)}HTTP/1.1 200 OK`, 'INVALID_CONSTANT'),
  badStart('CR before it', '\rHTTP/1.1 200 OK', 'INVALID_CONSTANT'),
  badStart('LF before it', '\nHTTP/1.1 200 OK', 'INVALID_CONSTANT'),
  badStart('an empty line and a CR before it', '\r\n\rHTTP/1.1 200 OK', 'INVALID_CONSTANT'),
  {
    what: 'an empty line before the start line',
    good: 'skips it',
    bytes: `\r\n${OK}content-length: 5\r\n\r\nhello`,
    first: 'hello',
    connections: 1,
  },
  badStart('status 0', 'HTTP/1.1 0 x', 'INVALID_STATUS'),
  badStart('status 99', 'HTTP/1.1 99 x', 'INVALID_STATUS'),
  badStart('status 099', 'HTTP/1.1 099 x', 'INVALID_STATUS'),
  badStart('status 1000', 'HTTP/1.1 1000 x', 'INVALID_STATUS'),
  badStart('a negative status', 'HTTP/1.1 -200 x', 'INVALID_STATUS'),
  badStart('two spaces', 'HTTP/1.1  200 OK', 'INVALID_STATUS'),
  badStart('NUL in the reason', 'HTTP/1.1 200 a\0b', 'INVALID_STATUS'),
  badStart('escapes for a terminal', 'HTTP/1.1 200 \x1b[2J', 'INVALID_STATUS'),
  badStart('CR in the reason', 'HTTP/1.1 200 a\rb', 'STRICT'),
  {
    what: 'status 999',
    good: 'passes it on',
    bytes: 'HTTP/1.1 999 x\r\ncontent-length: 5\r\n\r\nhello',
    first: '999 hello',
    connections: 1,
  },
]

const chunks: Smuggle[] = [
  badSize('0x5', '0x5'),
  badSize('+5', '+5'),
  badSize('-1', '-1'),
  badSize('1_5', '1_5'),
  badSize('5g', '5g'),
  badSize('with a space behind it', '5 '),
  badSize('with a space before it', ' 5'),
  badSize('that is missing', ''),
  badSize('that wraps in 64 bits', '10000000000000005'),
  badSize('with an empty extension', '5;', 'STRICT'),
  badSize('with LF in its extension', '5;a\n', 'CR_EXPECTED'),
  badSize('with LF in a quoted extension', '5;a="\n"', 'STRICT'),
  badSize('that ends in LF', '5\nhello', 'CR_EXPECTED'),
  chunked('data longer than its chunk', `5\r\nhelloevil\r\n0\r\n\r\n`, 'STRICT'),
  chunked('data that ends in LF', '5\r\nhello\n0\r\n\r\n', 'CR_EXPECTED'),
  chunked('data that ends in CR', '5\r\nhello\r0\r\n\r\n', 'STRICT'),
  chunked('a last chunk that ends in LF', '5\r\nhello\r\n0\n\n', 'CR_EXPECTED'),
  chunked('a trailer without a colon', '5\r\nhello\r\n0\r\nevil\r\n\r\n', 'INVALID_HEADER_TOKEN'),
  chunked('a trailer in two lines', '5\r\nhello\r\n0\r\na: b\r\n c\r\n\r\n', 'INVALID_HEADER_TOKEN'),
  chunked('a length among the trailers', '5\r\nhello\r\n0\r\ncontent-length: 50\r\n\r\n', 'INVALID_CONTENT_LENGTH'),
]

for (const parser of PARSERS) {
  t.test(`prevents response smuggling, ${parser}`, (t) =>
    each(t, [...lengths, ...codings, ...lines, ...chunks], async (t, { bytes, first, connections }) => {
      const result = await deceived(bytes, { options: { parser } })
      t.strictSame(result, { outcomes: [first, 'mine'], connections })
    }),
  )
}

t.test('README.md has the number of these attacks', counted)
