import type { ExpectedMessage, ResponseCase } from './response-cases.js'

type Fields = [string, string][]
type Message = Partial<ExpectedMessage>

function complete(message: Message): ExpectedMessage {
  const rest = { version: '1.1', status: 200, reason: 'OK', headers: [], body: '', trailers: [] }
  return { ...rest, keepAlive: message.tunnel !== true, ...(message.tunnel ? { rest: '' } : {}), ...message }
}

function make(name: [id: string, note: string], raw: string, more: Partial<ResponseCase>): ResponseCase {
  const [id, note] = name
  const expect: ResponseCase['expect'] = { verdict: 'accept', messages: [], error: null }
  return { id, note, raw, requests: [{ method: 'GET' }], eof: false, expect, ...more }
}

function taken(name: [string, string], raw: string, ...messages: Message[]): ResponseCase {
  const final = messages.filter(({ informational }) => !informational)
  const requests = final.map(() => ({ method: 'GET' }))
  const expect: ResponseCase['expect'] = { verdict: 'accept', messages: messages.map(complete), error: null }
  return make(name, raw, { requests, expect })
}

/** Returns a case whose connection ends after its bytes. */
function closed(given: ResponseCase): ResponseCase {
  return { ...given, eof: true }
}

function answering(request: ResponseCase['requests'][number], given: ResponseCase): ResponseCase {
  return { ...given, requests: [request, ...given.requests.slice(1)] }
}

/** Returns cases of an incomplete response: one still open, one whose connection ends. */
function unfinished(name: [string, string], raw: string, partialBody: string | null): ResponseCase[] {
  const pending = partialBody === null ? 'head' : 'body'
  const partial = partialBody === null ? {} : { partialBody }
  const waiting: ResponseCase['expect'] = { verdict: 'accept', messages: [], error: null, pending, ...partial }
  const cut: ResponseCase['expect'] = { verdict: 'reject', messages: [], error: { stage: pending }, ...partial }
  return [
    make(name, raw, { expect: waiting }),
    make([name[0], `${name[1]}, and the connection ends`], raw, { expect: cut, eof: true }),
  ]
}

const OK = 'HTTP/1.1 200 OK\r\n'
const SIZED: Fields = [['Content-Length', '5']]
const LENGTH = 'Content-Length: 5\r\n'
const CODING = 'Transfer-Encoding: chunked\r\n'
const CODED: Fields = [['Transfer-Encoding', 'chunked']]
const CHUNKED = `${OK}${CODING}\r\n`

/** Headers of the example in RFC 9110 §3.9. */
const hello: Fields = [
  ['Date', 'Mon, 27 Jul 2009 12:28:53 GMT'],
  ['Server', 'Apache'],
  ['Last-Modified', 'Wed, 22 Jul 2009 19:15:56 GMT'],
  ['ETag', '"34aa387-d-1568eb00"'],
  ['Accept-Ranges', 'bytes'],
  ['Content-Length', '51'],
  ['Vary', 'Accept-Encoding'],
  ['Content-Type', 'text/plain'],
]
const HELLO = 'Hello World! My content includes a trailing CRLF.\r\n'
const lines = (fields: Fields) => fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
const greeting = `${OK}${lines(hello)}\r\n${HELLO}`

const TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
/** Value with all allowed bytes: VCHAR, obs-text, and white space between them (RFC 9110 §5.5). */
const VALUE = `!${Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('')} \t\x80\xa0\xff`

const statusLines: ResponseCase[] = [
  taken(['§4', 'no reason'], `HTTP/1.1 200 \r\n${LENGTH}\r\nhello`, { reason: '', headers: SIZED, body: 'hello' }),
  taken(['§4', 'no reason, and no space before it, as many send it'], `HTTP/1.1 200\r\n${LENGTH}\r\nhello`, {
    reason: '',
    headers: SIZED,
    body: 'hello',
  }),
  taken(['§4', 'tabs, spaces and obs-text in the reason'], `HTTP/1.1 404  Non\ttrouv\xe9 \r\n${LENGTH}\r\nhello`, {
    status: 404,
    reason: ' Non\ttrouv\xe9 ',
    headers: SIZED,
    body: 'hello',
  }),
  taken(['§4', 'a code of no class (RFC 9110 §15)'], `HTTP/1.1 999 Odd\r\n${LENGTH}\r\nhello`, {
    status: 999,
    reason: 'Odd',
    headers: SIZED,
    body: 'hello',
  }),
  taken(['§2.3', 'HTTP/1.0 closes'], `HTTP/1.0 200 OK\r\n${LENGTH}\r\nhello`, {
    version: '1.0',
    headers: SIZED,
    body: 'hello',
    keepAlive: false,
  }),
  taken(['§9.3', 'HTTP/1.0 that stays'], `HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n${LENGTH}\r\nhello`, {
    version: '1.0',
    headers: [['Connection', 'Keep-Alive'], ...SIZED],
    body: 'hello',
  }),
]

const fields: ResponseCase[] = [
  taken(['RFC 9110 §3.9', 'the example of a message'], greeting, { headers: hello, body: HELLO }),
  taken(['§5', 'white space around values'], `${OK}A:b\r\nC:\t d \t\r\nE: \r\nF:\r\n${LENGTH}\r\nhello`, {
    headers: [['A', 'b'], ['C', 'd'], ['E', ''], ['F', ''], ...SIZED],
    body: 'hello',
  }),
  taken(['§5', 'all that names and values may hold'], `${OK}${TOKEN}: ${VALUE}\r\n${LENGTH}\r\nhello`, {
    headers: [[TOKEN, VALUE], ...SIZED],
    body: 'hello',
  }),
  taken(['§5', 'repeated fields, in order'], `${OK}Set-Cookie: a\r\nX: :\r\nset-cookie: b\r\n${LENGTH}\r\nhello`, {
    headers: [['Set-Cookie', 'a'], ['X', ':'], ['set-cookie', 'b'], ...SIZED],
    body: 'hello',
  }),
  taken(['§9.6', 'close'], `${OK}Connection: a, Close\r\n${LENGTH}\r\nhello`, {
    headers: [['Connection', 'a, Close'], ...SIZED],
    body: 'hello',
    keepAlive: false,
  }),
  taken(['§9.6', 'what only looks like close'], `${OK}Connection: closed, not-close\r\n${LENGTH}\r\nhello`, {
    headers: [['Connection', 'closed, not-close'], ...SIZED],
    body: 'hello',
  }),
]

const framing: ResponseCase[] = [
  taken(['§6.2', 'a length with zeros before it'], `${OK}Content-Length: 0005\r\n\r\nhello`, {
    headers: [['Content-Length', '0005']],
    body: 'hello',
  }),
  taken(['§6.2', 'no body'], `${OK}content-length:0\r\n\r\n`, { headers: [['content-length', '0']] }),
  ...['5\t', '5 \t ', '5\t\t', '5\t \t'].map((value) =>
    taken(
      ['§5', `white space after a length: ${JSON.stringify(value)}`],
      `${OK}Content-Length: ${value}\r\n\r\nhello`,
      {
        headers: SIZED,
        body: 'hello',
      },
    ),
  ),
  taken(['§5', 'a tab after a length that is not the last field'], `${OK}Content-Length: 5\t\r\nA: b\t\r\n\r\nhello`, {
    headers: [...SIZED, ['A', 'b']],
    body: 'hello',
  }),
  ...['chunked\t', 'chunked \t ', 'chunked,', 'chunked ,\t,', ', chunked, ', 'gzip, chunked\t', 'gzip,,chunked,'].map(
    (value) =>
      taken(
        ['§6.1', `white space and empty elements after chunked: ${JSON.stringify(value)}`],
        `${OK}Transfer-Encoding: ${value}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
        { headers: [['Transfer-Encoding', value.trimEnd()]], body: 'hello' },
      ),
  ),
  taken(['§6.1', 'gzip, chunked'], `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, {
    headers: [['Transfer-Encoding', 'gzip, chunked']],
    body: 'hello',
  }),
  taken(
    ['§6.1', 'the same in two fields'],
    `${OK}Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    {
      headers: [
        ['Transfer-Encoding', 'gzip'],
        ['Transfer-Encoding', 'Chunked'],
      ],
      body: 'hello',
    },
  ),
  taken(
    ['§6.1', 'HTTP/1.0 with a coding closes whatever it says'],
    `HTTP/1.0 200 OK\r\n${CODING}Connection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    { version: '1.0', headers: [...CODED, ['Connection', 'keep-alive']], body: 'hello', keepAlive: false },
  ),
  closed(
    taken(['§6.3', 'neither: until the connection closes'], `${OK}\r\nhello`, { body: 'hello', keepAlive: false }),
  ),
  ...['identity', 'Identity', ', identity ,'].map((coding) =>
    closed(
      taken(
        ['§6.3', 'identity is no coding: until the connection closes'],
        `${OK}Transfer-Encoding: ${coding}\r\n\r\n5\r\nhello\r\n${OK}`,
        { headers: [['Transfer-Encoding', coding.trim()]], body: `5\r\nhello\r\n${OK}`, keepAlive: false },
      ),
    ),
  ),
  closed(
    taken(['§6.3', 'and nothing comes'], 'HTTP/1.0 200 OK\r\n\r\n', { version: '1.0', body: '', keepAlive: false }),
  ),
  ...[204, 304].map((status) =>
    taken(
      ['§6.3', `${status} has no body, whatever it says`],
      `HTTP/1.1 ${status} A\r\n${LENGTH}\r\nHTTP/1.1 ${status} A\r\n${CODING}\r\n${OK}${LENGTH}\r\nhello`,
      { status, reason: 'A', headers: SIZED },
      { status, reason: 'A', headers: CODED },
      { headers: SIZED, body: 'hello' },
    ),
  ),
  answering(
    { method: 'HEAD' },
    taken(
      ['§6.3', 'nor has the answer to HEAD'],
      `${OK}${CODING}\r\n${OK}${LENGTH}\r\nhello`,
      { headers: CODED },
      { headers: SIZED, body: 'hello' },
    ),
  ),
  taken(['RFC 9110 §15.3.6', '205 is framed as any other'], `HTTP/1.1 205 A\r\n${LENGTH}\r\nhello`, {
    status: 205,
    reason: 'A',
    headers: SIZED,
    body: 'hello',
  }),
  answering(
    { method: 'CONNECT' },
    taken(['§6.3', '2xx to CONNECT is a tunnel, whatever it says'], `${OK}${CODING}\r\n`, {
      headers: CODED,
      tunnel: true,
    }),
  ),
  answering(
    { method: 'CONNECT' },
    taken(['§6.3', 'a refused CONNECT is not'], `HTTP/1.1 407 No\r\n${LENGTH}\r\nhello`, {
      status: 407,
      reason: 'No',
      headers: SIZED,
      body: 'hello',
    }),
  ),
]

const chunks: ResponseCase[] = [
  taken(
    ['§7.1', 'sizes in both cases, with zeros before them'],
    `${CHUNKED}00a\r\n0123456789\r\nB\r\nabcdefghijk\r\n000\r\n\r\n`,
    {
      headers: CODED,
      body: '0123456789abcdefghijk',
    },
  ),
  taken(['§7.1', 'data that looks like framing'], `${CHUNKED}7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n`, {
    headers: CODED,
    body: '\r\n0\r\n\r\n',
  }),
  taken(['§7.1.1', 'extensions mean nothing'], `${CHUNKED}5;a;b=c;d="e;\\"\\\\ \t\xff"\r\nhello\r\n0;last=""\r\n\r\n`, {
    headers: CODED,
    body: 'hello',
  }),
  taken(
    ['§7.1.1', 'empty extensions, beyond the grammar: they change no border'],
    `${CHUNKED}5;=x;a=\r\nhello\r\n0\r\n\r\n`,
    {
      headers: CODED,
      body: 'hello',
    },
  ),
  taken(
    ['§7.1.2', 'trailers stay apart from fields, and change nothing'],
    `${CHUNKED}5\r\nhello\r\n0\r\nExpires: \t1 \r\nConnection: close\r\nTransfer-Encoding: x\r\n\r\n${OK}${LENGTH}\r\nhello`,
    {
      headers: CODED,
      body: 'hello',
      trailers: [
        ['Expires', '1'],
        ['Connection', 'close'],
        ['Transfer-Encoding', 'x'],
      ],
    },
    { headers: SIZED, body: 'hello' },
  ),
]

const early: Message = {
  status: 103,
  reason: 'Early Hints',
  headers: [['Link', '</style.css>; rel=preload; as=style']],
}
const LINK = 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n'

const sequences: ResponseCase[] = [
  taken(
    ['RFC 8297 §2', 'early hints twice, then the response'],
    `${LINK}\r\n${LINK}Content-Length: 9\r\n\r\n${OK}${LENGTH}\r\nhello`,
    { ...early, informational: true },
    { ...early, headers: [...(early.headers as Fields), ['Content-Length', '9']], informational: true },
    { headers: SIZED, body: 'hello' },
  ),
  taken(
    ['§9.3.2', 'responses in the order of requests'],
    `${greeting}${CHUNKED}0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${greeting}`,
    { headers: hello, body: HELLO },
    { headers: CODED },
    { status: 100, reason: 'Continue', informational: true },
    { headers: hello, body: HELLO },
  ),
  ...['\r\n', '\r\n'.repeat(8)].map((lines) =>
    taken(
      ['§2.2, §9.2', 'empty lines before, between and after responses'],
      `${lines}${CHUNKED}0\r\n\r\n${lines}HTTP/1.1 100 Continue\r\n\r\n${lines}${OK}${LENGTH}\r\nhello${lines}`,
      { headers: CODED },
      { status: 100, reason: 'Continue', informational: true },
      { headers: SIZED, body: 'hello' },
    ),
  ),
  answering(
    { method: 'GET', upgrade: 'websocket' },
    taken(
      ['§6.3, RFC 9110 §7.8', '101 hands over all that follows'],
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n',
      {
        status: 101,
        reason: 'Switching Protocols',
        headers: [
          ['Connection', 'upgrade'],
          ['Upgrade', 'websocket'],
          ['Content-Length', '3'],
        ],
        tunnel: true,
      },
    ),
  ),
  answering(
    { method: 'GET', upgrade: 'websocket' },
    taken(['RFC 9110 §15.5.22', '426 does not'], `HTTP/1.1 426 A\r\nUpgrade: websocket\r\n${LENGTH}\r\nhello`, {
      status: 426,
      reason: 'A',
      headers: [['Upgrade', 'websocket'], ...SIZED],
      body: 'hello',
    }),
  ),
]

const incomplete: ResponseCase[] = [
  ...[
    'HTTP',
    'HTTP/1.1 20',
    'HTTP/1.1 200 O',
    `${OK}`,
    `${OK}Conte`,
    `${OK}Content-Length: 1`,
    `${OK}A: b\r\n\r`,
  ].flatMap((raw) => unfinished(['§8', `a head cut after ${JSON.stringify(raw.slice(-12))}`], raw, null)),
  ...unfinished(['§8', 'a body short of its length'], `${OK}Content-Length: 10\r\n\r\nhello`, 'hello'),
  ...[
    '5',
    '5\r\nhel',
    '5\r\nhello\r\n',
    '5\r\nhello\r\n0',
    '5\r\nhello\r\n0\r\n',
    '5\r\nhello\r\n0\r\nX: y\r\n\r',
  ].flatMap((body) => unfinished(['§8', `chunks cut after ${JSON.stringify(body)}`], CHUNKED + body, 'hello')),
]

/** Responses that RFC 9112 shows or allows, written from its sections. */
export const examples: ResponseCase[] = [...statusLines, ...fields, ...framing, ...chunks, ...sequences, ...incomplete]
