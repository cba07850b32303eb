import type { Random } from './random.js'

/** Tokens that lib and llhttp recognize, to insert anywhere. */
export const TOKENS: readonly string[] = [
  '\r\n',
  '\r\n\r\n',
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
  '=',
  '\x7f',
  '\xff',
  '0',
  '1',
  'f',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'HTTP/1.1 ',
  'HTTP/1.0 ',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'Content-Length: ',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n\r\n',
  'Transfer-Encoding: ',
  'Transfer-Encoding: chunked\r\n',
  'Connection: ',
  'Connection: close\r\n',
  'Upgrade: x\r\n',
  'Proxy-Connection: ',
  'Keep-Alive: timeout=5\r\n',
  'chunked',
  'gzip, ',
  ', chunked',
  'close',
  'keep-alive',
  '9007199254740993',
  '18446744073709551615',
  'ffffffffffffffff',
  '__proto__: ',
]

const ENDS = ['\n', '\r', '\r\r', '\r\r\n', '\n\r', '\r\n ', '\r\n\t', ' \r\n', '\0\r\n', '']
const NAMES = ['x-a', 'Date', 'Connection', 'Keep-Alive', 'Upgrade', 'Set-Cookie', '__proto__', 'x-fourteen-byt']
const VALUES = ['a', '', 'b c', '\tx ', 'close', 'keep-alive', 'keep-alive, close', 'timeout=5, max=1', '\xe9']
const ODD_VALUES = ['\0', 'a\x7f', 'a\x01b', 'a\nb', 'a\rb', 'x'.repeat(90)]
const STATUSES = ['200', '200', '200', '404', '204', '304', '100', '103', '101', '205', '199', '407']
const ODD_STATUSES = ['099', '000', '999', '20', '2000', '2x0', ' 200', '+20', '', '20\0']
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0']
const ODD_VERSIONS = ['HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/1', 'http/1.1', 'HTTP/1.1 ', 'ICE/1.0', 'HTTPS/1.1']
const REASONS = ['OK', '', 'Not Found', 'D\xe9j\xe0 vu']
const ODD_REASONS = ['a\0b', 'a\tb', '\x7f', ' ', ' HTTP/1.1 200 OK', 'a\rb']
const LENGTHS = ['0', '3', '5', '5 ', ' 5', '05', '40']
const ODD_LENGTHS = ['-1', '+5', '5,5', '5 5', '0x5', '', '5\t', '9007199254740993', '18446744073709551616', '5e0']
const CODINGS = ['chunked', 'Chunked', 'CHUNKED ', '\tchunked', 'gzip, chunked']
const ODD_CODINGS = ['gzip', 'chunked, gzip', 'chunked,', 'xchunked', 'chunked\t', 'chunked,chunked', ',chunked', '']
const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="b c"', ';a=b;c="d\\"e"', ';a=""', ';=']
const ODD_EXTENSIONS = ['; a', ' ;a', ';a="b', ';a="b"c', ';a=\0', ';', ' ', '\t', ';a="\0"', ';a="\\\r"', ';a\n']

const RARE = 24

function end(random: Random): string {
  return random.once(2 * RARE) ? random.pick(ENDS) : '\r\n'
}

function noise(random: Random): string {
  let text = ''
  for (let i = random.below(6); i >= 0; i--) text += random.byte()
  return text
}

function field(random: Random): string {
  const kind = random.below(12)
  const colon = random.mostly(RARE, [': ', ':'], [' : ', ':\t', '', '::', '\t:'])
  if (kind === 0) return `Content-Length${colon}${random.mostly(6, LENGTHS, ODD_LENGTHS)}${end(random)}`
  if (kind === 1) return `Transfer-Encoding${colon}${random.mostly(6, CODINGS, ODD_CODINGS)}${end(random)}`
  const name = random.once(RARE) ? noise(random) : random.pick(NAMES)
  const value = random.once(RARE) ? noise(random) : random.mostly(RARE, VALUES, ODD_VALUES)
  return `${name}${colon}${value}${end(random)}`
}

function fields(random: Random, most: number): string {
  let text = ''
  for (let i = random.below(most + 1); i > 0; i--) text += field(random)
  return text
}

function chunks(random: Random): string {
  let text = ''
  for (let i = random.below(4); i > 0; i--) {
    const data = random.pick(['a', 'abc', 'x'.repeat(17), '\r\n', '0\r\n\r\n', 'hello'])
    const before = random.mostly(RARE, ['', '', '0', '0000'], ['g', '-', '0x', ' ', '+', 'f'])
    const extension = random.mostly(RARE, EXTENSIONS, ODD_EXTENSIONS)
    text += `${before}${data.length.toString(16)}${extension}${end(random)}${data}${end(random)}`
  }
  const last = random.mostly(RARE, ['0', '000'], ['', '1', 'ffffffffffffffff', '10000000000000000', 'fffff'])
  const trailers = random.once(3) ? fields(random, 3) : ''
  return `${text}${last}${random.mostly(RARE, EXTENSIONS, ODD_EXTENSIONS)}${end(random)}${trailers}${end(random)}`
}

/** Returns a response that is valid or nearly valid. */
export function response(random: Random): string {
  const version = random.mostly(2 * RARE, VERSIONS, ODD_VERSIONS)
  const status = random.mostly(2 * RARE, STATUSES, ODD_STATUSES)
  const space = random.once(2 * RARE) ? random.pick(['', '  ', '\t']) : ' '
  const reason = random.mostly(RARE, REASONS, ODD_REASONS)
  const head = `${version} ${status}${space}${reason}${end(random)}${fields(random, 4)}`
  switch (random.below(4)) {
    case 0:
      return `${head}${end(random)}${random.pick(['', 'hello', '\r\n'])}`
    case 1:
      return `${head}Transfer-Encoding: ${random.mostly(6, CODINGS, ODD_CODINGS)}\r\n\r\n${chunks(random)}`
    case 2:
      return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(random)}`
    default:
      return `${head}Content-Length: ${random.mostly(6, LENGTHS, ODD_LENGTHS)}${end(random)}\r\nhello`
  }
}
