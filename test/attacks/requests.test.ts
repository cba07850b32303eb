import { Readable } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { type Attack, counted, each } from './catalogue.js'
import { outcome, wire } from './requests-to-attacker.js'

/** A value for one part of a request that tries to write another part, or another request. */
interface Injection extends Attack {
  options: () => object
  /** Text that the sent bytes contain, or the error code if nothing must be sent. */
  sluice: RegExp | string
  /** Outcome of a request that is sent. Default: a response. */
  outcome?: string
}

const REFUSED = 'UND_ERR_INVALID_ARG'
const REST = 'x\r\nevil: 1'
/** Characters whose low bytes are CR and LF. */
const WIDE = 'x\u010d\u010aevil: 1'
const MISMATCH = 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'

function refuse(what: string, options: object | (() => object), code = REFUSED): Injection {
  const make = typeof options === 'function' ? (options as () => object) : () => options
  return { what, good: 'refuses, nothing goes out', options: make, sluice: code }
}

/** Returns an object whose property has another value at each read. */
function changing(name: string, ...values: unknown[]): object {
  let looked = 0
  return Object.defineProperty({}, name, {
    enumerable: true,
    get: () => values[Math.min(looked++, values.length - 1)],
  })
}

/** Returns an array whose elements change after the first iteration. */
function changingArray(first: readonly unknown[], later: readonly unknown[]): unknown[] {
  const seen = new Set<string>()
  return new Proxy([...first], {
    get(target, key) {
      const index = String(key)
      if (!/^\d+$/.test(index)) return Reflect.get(target, key)
      const again = seen.has(index)
      seen.add(index)
      return again ? later[Number(index)] : target[Number(index)]
    },
  })
}

const text = { toString: () => REST }
const parts: Injection[] = [
  ...['\r', '\n', '\0', '\r\n', ' ', ':'].map((end) =>
    refuse(`${JSON.stringify(end)} in a name`, { headers: { [`a${end}b`]: '1' } }),
  ),
  ...['\r', '\n', '\0', '\r\n', '\x7f', '\x1b'].map((end) =>
    refuse(`${JSON.stringify(end)} in a value`, { headers: { a: `1${end}2` } }),
  ),
  ...['\r', '\n', '\0', ' ', '\t', '\x7f', 'é', '\u010a'].map((end) =>
    refuse(`${JSON.stringify(end)} in a path`, { path: `/a${end}b` }),
  ),
  ...['\r\n', ' ', '\0', 'é', ':'].map((end) => refuse(`${JSON.stringify(end)} in a method`, { method: `GET${end}X` })),
  ...['\r\n', ' ', '/', '?', '#', '@', '\\', 'é', '\0'].map((end) =>
    refuse(`${JSON.stringify(end)} in host`, { headers: { host: `a${end}b` } }),
  ),
  refuse('wide characters in a name', { headers: { [WIDE]: '1' } }),
  refuse('wide characters in a value', { headers: { a: WIDE } }),
  refuse('wide characters in a path', { path: `/${WIDE}` }),
  refuse('wide characters in a method', { method: `GET${WIDE}` }),
  refuse('wide characters in host', { headers: { host: WIDE } }),
  refuse('wide characters in a protocol', { upgrade: WIDE }),
  refuse('a line end in a protocol', { upgrade: REST }),
  refuse('a line end in one of several values', { headers: { a: ['1', REST] } }),
  refuse('a line end in a flat list', { headers: ['a', REST] }),
  refuse('a line end in an iterable', { headers: new Map([['a', REST]]) }),
  refuse('a line end at the end of a value', { headers: { a: '1\n' } }),
  refuse('a target without a slash', { path: 'evil' }),
  refuse('a target of another scheme', { path: 'file:///etc/passwd' }),
  {
    what: 'bytes above ASCII in a value',
    good: 'sends them as they are',
    options: () => ({ headers: { a: '\xe9\xff' } }),
    sluice: /\r\na: \xe9\xff\r\n/,
  },
  {
    what: 'line ends and wide characters in a query',
    good: 'encodes them',
    options: () => ({ query: { [REST]: `${WIDE}&b#c` } }),
    sluice: /^GET \/\?x%0D%0Aevil%3A%201=x%C4%8D%C4%8Aevil%3A%201%26b%23c HTTP/,
  },
  refuse('half a character in a query', { query: { a: '\ud800' } }),
]

const objects: Injection[] = [
  refuse('a value that is an object with toString', { headers: { a: text } }),
  refuse('a method that is an object with toString', { method: text }),
  refuse('a path that is an object with toString', { path: text }),
  refuse('a protocol that is an object with toString', { upgrade: text }),
  refuse('a value that is an array in an array', { headers: { a: [[REST]] } }),
  refuse('a value that changes back after its check', { headers: changing('a', REST, 'good') }),
  {
    what: 'a value that changes after its check',
    good: 'reads it once',
    options: () => ({ headers: changing('a', 'good', REST) }),
    sluice: /\r\na: good\r\n(?!evil)/,
  },
  {
    what: 'a path that changes after its check',
    good: 'sends what it checked',
    options: () => changing('path', '/good', '/good', '/good', `/${REST}`),
    sluice: /^GET \/good HTTP/,
  },
  {
    what: 'a flat list that changes',
    good: 'reads it once',
    options: () => ({ headers: changingArray(['x', '1', 'a', 'good'], ['x', REST, REST, REST]) }),
    sluice: /\r\na: good\r\n(?!evil)/,
  },
  {
    what: 'pairs that change',
    good: 'reads it once',
    options: () => ({ headers: [changingArray(['a', 'good'], [REST, REST])] }),
    sluice: /\r\na: good\r\n(?!evil)/,
  },
  {
    what: 'values that change',
    good: 'reads it once',
    options: () => ({ headers: { a: changingArray(['good'], [REST]) } }),
    sluice: /\r\na: good\r\n(?!evil)/,
  },
  {
    what: 'an iterator of fields that is read twice',
    good: 'reads it once',
    options: () => ({ headers: [['a', 'good']].values() }),
    sluice: /\r\na: good\r\n(?!evil)/,
  },
]

const framing: Injection[] = [
  refuse('content-length with transfer-encoding', {
    method: 'POST',
    body: 'abc',
    headers: { 'content-length': '3', 'transfer-encoding': 'chunked' },
  }),
  refuse('content-length twice', {
    method: 'POST',
    body: 'abc',
    headers: ['content-length', '3', 'Content-Length', '3'],
  }),
  refuse('content-length twice, as a list', { method: 'POST', body: 'abc', headers: { 'content-length': ['3', '4'] } }),
  ...['3, 3', '+3', '0x3', '3 ', ' 3', '3.0', '3e0', '-3', '', '٣'].map((length) =>
    refuse(`content-length ${JSON.stringify(length)}`, {
      method: 'POST',
      body: 'abc',
      headers: { 'content-length': length },
    }),
  ),
  ...['gzip', 'chunked, chunked', 'identity', 'chunked ', 'x chunked', 'chunked;a=b', 'gzip, chunked', ''].map(
    (coding) =>
      refuse(`transfer-encoding ${JSON.stringify(coding)}`, {
        method: 'POST',
        body: 'abc',
        headers: { 'transfer-encoding': coding },
      }),
  ),
  refuse('transfer-encoding twice', {
    method: 'POST',
    body: 'abc',
    headers: ['transfer-encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
  }),
  refuse(
    'a length that is not the body’s',
    { method: 'POST', body: 'abc', headers: { 'content-length': '1' } },
    MISMATCH,
  ),
  refuse('a length without a body', { headers: { 'content-length': '5' } }, MISMATCH),
  refuse('connection options that remove a header', { headers: { connection: 'close, content-length' } }),
  refuse('an upgrade header', { headers: { upgrade: 'h2c' } }),
  refuse('host twice', { headers: ['host', 'a', 'Host', 'b'] }),
  refuse('an unknown expectation', { headers: { expect: REST.slice(0, 1) } }, 'UND_ERR_NOT_SUPPORTED'),
  {
    what: 'transfer-encoding without a body',
    good: 'omits it',
    options: () => ({ headers: { 'transfer-encoding': 'chunked' } }),
    sluice: /^(?!.*transfer-encoding)/is,
  },
  {
    what: 'an empty chunk in a chunked body',
    good: 'does not send it as the last chunk',
    options: () => ({ method: 'POST', body: Readable.from([Buffer.from('a'), Buffer.alloc(0), Buffer.from('b')]) }),
    sluice: /\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n$/,
  },
  {
    what: 'trailers in a body that looks like chunks',
    good: 'sends it as data',
    options: () => ({ method: 'POST', body: Readable.from([Buffer.from('0\r\nevil: 1\r\n\r\n')]) }),
    sluice: /\r\n\r\ne\r\n0\r\nevil: 1\r\n\r\n\r\n0\r\n\r\n$/,
  },
]

function blob(extra: object): object {
  const stream = async function* () {
    yield Buffer.from('ab')
  }
  return Object.defineProperties(
    { [Symbol.toStringTag]: 'Blob', size: 2, type: '', stream },
    Object.getOwnPropertyDescriptors(extra),
  )
}

function form(...pairs: unknown[][]): object {
  return { [Symbol.toStringTag]: 'FormData', [Symbol.iterator]: () => pairs.values() }
}

class Longer extends Uint8Array {
  override get length() {
    return { toString: () => '0\r\n\r\nGET /evil' } as never
  }
}

const bodies: Injection[] = [
  refuse('a Blob whose type getter is overridden', () => ({
    method: 'POST',
    body: Object.defineProperty(new Blob(['ab']), 'type', { value: REST }),
  })),
  refuse('a Blob-like object whose type has two lines', () => ({ method: 'POST', body: blob({ type: REST }) })),
  refuse('a Blob-like object whose size is a string', () => ({ method: 'POST', body: blob({ size: `2\r\n${REST}` }) })),
  refuse('a Blob-like object whose size is negative', () => ({ method: 'POST', body: blob({ size: -2 }) })),
  {
    what: 'a Blob-like object shorter than its size',
    good: 'closes the connection',
    options: () => ({ method: 'POST', body: blob({ size: 3 }) }),
    sluice: /content-length: 3\r\n/,
    outcome: MISMATCH,
  },
  {
    what: 'a Blob-like object longer than its size',
    good: 'closes the connection',
    options: () => ({ method: 'POST', body: blob({ size: 1 }) }),
    sluice: /content-length: 1\r\n/,
    outcome: MISMATCH,
  },
  refuse('a form with a file whose size is a string', () => ({
    method: 'POST',
    body: form(['a', blob({ size: REST })]),
  })),
  {
    what: 'a Uint8Array whose class overrides length',
    good: 'counts the bytes itself',
    options: () => ({ method: 'POST', body: [new Longer([65, 66])] }),
    sluice: /\r\n\r\n2\r\nAB\r\n0\r\n\r\n$/,
  },
  {
    what: 'a form with quotes and line ends in its names',
    good: 'escapes them',
    options: () => {
      const body = new FormData()
      body.append(`n"\r\n${REST}`, new File(['v'], `f"\r\n${REST}`, { type: 'a/b' }))
      return { method: 'POST', body }
    },
    sluice:
      /; name="n%22%0D%0Ax%0D%0Aevil: 1"; filename="f%22%0D%0Ax%0D%0Aevil: 1"\r\nContent-Type: a\/b\r\n\r\nv\r\n--/,
  },
  {
    what: 'a file whose type changes after its check',
    good: 'reads it once',
    options: () => {
      return { method: 'POST', body: form(['a', blob(changing('type', 'a/b', REST))]) }
    },
    sluice: /\r\nContent-Type: a\/b\r\n\r\nab\r\n--/,
  },
  {
    what: 'a part name that is an object with toString',
    good: 'sends it as text',
    options: () => ({ method: 'POST', body: form([{ replace: () => ({ replace: () => REST }) }, 'v']) }),
    sluice: /; name="\[object Object\]"\r\n\r\nv\r\n--/,
  },
]

t.test('prevents injection into requests', (t) =>
  each(t, [...parts, ...objects, ...framing, ...bodies], async (t, { options, sluice, outcome: wanted = 'ok' }) => {
    const { text, outcome } = await wire(options())
    if (typeof sluice === 'string') return t.strictSame({ text, outcome }, { text: '', outcome: sluice })
    t.match(text, sluice)
    t.equal(text.match(/HTTP\/1\.1\r\n/g)?.length, 1, 'one request')
    t.equal(outcome, wanted)
  }),
)

/** A body whose buffer is transferred or shrunk before it is sent. Missing bytes would be taken from the next request. */
interface TransferredBody extends Attack {
  body: (take: (() => void)[]) => unknown
  /** Expected bytes, if all are copied before the transfer. */
  whole?: number
}

function taken(make: () => Uint8Array, by: (buffer: ArrayBuffer) => void): (take: (() => void)[]) => Uint8Array {
  return (take) => {
    const bytes = make()
    take.push(() => by(bytes.buffer as ArrayBuffer))
    return bytes
  }
}

const transfer = (buffer: ArrayBuffer): void => void structuredClone(buffer, { transfer: [buffer] })
const resizable = (size: number) => {
  const Resizable = ArrayBuffer as new (size: number, options: object) => ArrayBuffer
  return new Uint8Array(new Resizable(size, { maxByteLength: 2 * size })).fill(65)
}
const shrink = (buffer: ArrayBuffer): void => (buffer as ArrayBuffer & { resize(size: number): void }).resize(3)
/** Length of a body that is copied at dispatch on an open connection, and of one that is not. */
const SHORT = 9
const LONG = 200_000
const takings: TransferredBody[] = [
  {
    what: 'a short body whose buffer is transferred after dispatch',
    good: 'sends the original bytes',
    body: taken(() => new Uint8Array(SHORT).fill(65), transfer),
    whole: SHORT,
  },
  {
    what: 'a short body whose buffer shrinks',
    good: 'sends the original bytes',
    body: taken(() => resizable(SHORT), shrink),
    whole: SHORT,
  },
  {
    what: 'a long body whose buffer is transferred after dispatch',
    good: 'fails the request',
    body: taken(() => new Uint8Array(LONG).fill(65), transfer),
  },
  {
    what: 'a long body whose buffer shrinks',
    good: 'fails the request',
    body: taken(() => resizable(LONG), shrink),
  },
  ...[SHORT, LONG].map((size) => ({
    what: `a chunk of ${size} bytes whose buffer its source transfers`,
    good: 'sends the original bytes',
    body: () =>
      (async function* () {
        const piece = new Uint8Array(size).fill(65)
        yield piece
        transfer(piece.buffer)
      })(),
    whole: size,
  })),
]

t.test("sends no other memory when the body's buffer is transferred or shrunk", (t) =>
  each(t, takings, async (t, { body, whole }) => {
    let bodies = ''
    const origin = await httpOrigin((request, reply) => {
      request.setEncoding('latin1').on('data', (text) => {
        bodies += text
      })
      request.on('end', () => reply.end('ok'))
    })
    for (const warm of [false, true]) {
      const client = new Client(origin.url)
      if (warm) t.equal(await outcome(client), 'ok')
      const take: (() => void)[] = []
      const running = outcome(client, { path: '/', method: 'PUT', idempotent: true, body: body(take) })
      const takeAll = () => {
        for (const one of take) one()
      }
      // An idle connection sends the body in the same event-loop turn; the buffer is transferred before the turn ends.
      if (warm) takeAll()
      else client.on('connect', () => process.nextTick(takeAll))
      t.equal(await running, whole === undefined ? MISMATCH : 'ok')
      t.equal(await outcome(client), 'ok', 'the next request completes')
      await client.destroy()
    }
    t.equal(bodies, 'A'.repeat(2 * (whole ?? 0)), 'the server receives no other bytes')
    await origin.close()
  }),
)

t.test('README.md has the number of these attacks', counted)
