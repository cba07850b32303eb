import { Readable, Writable } from 'node:stream'
import { POISON } from './lent-body.js'
import type { Random } from './random.js'

/** An exception of callers' options. The request may fail with it. */
export class CallersError extends Error {}

/** Options of a request, and the expected request if they are accepted. */
export interface Wanted {
  readonly options: Record<string, unknown>
  /** Expected headers in order, names and values as text; null if unknown before sending. */
  readonly fields: readonly string[] | null
  /** Expected body, one character per byte; null if unknown before sending. */
  readonly body: string | null
  /** Memory of the body, which its caller overwrites once it was sent. */
  readonly lent: ReadonlySet<unknown>
  /** Description of the options. */
  readonly description: string
}

const NASTY = [
  'a',
  'Z',
  '-',
  ' ',
  '\t',
  '\r',
  '\n',
  '\r\n',
  '\0',
  ':',
  '\x7f',
  '\x80',
  '\xff',
  '\u0100',
  '\ud800',
  ',',
  '"',
  '%',
  '#',
  '?',
  '/',
  '@',
  '\r\nx: y',
  ' HTTP/1.1\r\n',
  '\u010d\u010a',
]
const METHODS = [
  'GET',
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'QUERY',
  'CONNECT',
  'TRACE',
  'PURGE',
  'get',
  'M-SEARCH',
]
const PATHS = [
  '/',
  '/',
  '/a/b?c=d',
  '/%0d%0a',
  '/a#b',
  'http://other.test/x',
  'HTTPS://a',
  '*',
  'fuzz.test:80',
  '',
  'a',
  '//a/b',
  '/..',
]
const NAMES = ['x-a', 'X-B', 'accept', 'cookie', 'x', "!#$%&'*+-.^_`|~", '__proto__', 'constructor', '0']
const SPECIAL = [
  'host',
  'Host',
  'connection',
  'Connection',
  'content-length',
  'Content-Length',
  'transfer-encoding',
  'Transfer-Encoding',
  'expect',
  'upgrade',
  'keep-alive',
  'trailer',
  'te',
  'proxy-connection',
  'content-type',
]
const SPECIAL_VALUES = [
  'a.test',
  'close',
  'keep-alive',
  '5',
  '0',
  '3',
  '+5',
  '5, 5',
  ' 5',
  '0x5',
  'chunked',
  'gzip, chunked',
  'identity',
  '100-continue',
  'websocket',
  'upgrade',
  '',
  'close, x',
  'a.test:80',
  'a b',
  'user@a',
]

export function nasty(random: Random): string {
  let text = ''
  for (let i = random.below(6); i >= 0; i--) text += random.pick(NASTY)
  return text
}

/** Returns a value of any type. */
function anything(random: Random): unknown {
  return random.pick<() => unknown>([
    () => undefined,
    () => null,
    () => true,
    () => 0,
    () => -1,
    () => Number.NaN,
    () => 1n,
    () => Symbol('x'),
    () => '',
    () => nasty(random),
    () => [],
    () => ['a', ['b']],
    () => ({}),
    () => Object.create(null),
    () => () => 'x',
    () => new Date(0),
    () => new Map([['a', 'b']]),
    () => ({ toString: () => 'GET\r\nx: y' }),
    () => ({ [Symbol.toPrimitive]: () => '/\r\n' }),
    () => new Proxy({}, { get: () => 'x' }),
    () => new Proxy([], {}),
    () => new String('/'),
    () => Buffer.from('/'),
  ])()
}

function value(random: Random): unknown {
  if (random.once(12)) return anything(random)
  if (random.once(8)) return nasty(random)
  return random.pick<unknown>(['a', 'b c', '', ' x ', 7, true, 'caf\xe9', ['a', 'b'], [], null, undefined])
}

function pair(random: Random): [name: unknown, value: unknown] {
  if (random.once(3)) return [random.pick(SPECIAL), random.once(8) ? value(random) : random.pick(SPECIAL_VALUES)]
  const name = random.once(16) ? anything(random) : random.once(12) ? nasty(random) : random.pick(NAMES)
  return [name, value(random)]
}

/** Returns headers as they must be sent if accepted. */
function flat(pairs: readonly [unknown, unknown][]): string[] {
  return pairs.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined)
      .flatMap((one) => [String(name), typeof one === 'symbol' ? 'x' : String(one ?? '')]),
  )
}

function headers(random: Random): { given: unknown; fields: string[] | null } {
  if (random.once(16)) return { given: anything(random), fields: null }
  const pairs = Array.from({ length: random.below(5) }, () => pair(random))
  switch (random.below(6)) {
    case 0: {
      const strings = pairs.flatMap(([name, value]) => (typeof value === 'string' ? [name, value] : [name, 'v']))
      return { given: random.once(20) ? [...strings, 'odd'] : strings, fields: null }
    }
    case 1:
      return { given: pairs, fields: typeof pairs[0] === 'string' ? null : safeFlat(pairs) }
    case 2:
      return { given: new Map(pairs), fields: null }
    case 3:
      return { given: thrower(random, pairs), fields: null }
    default: {
      const object: Record<string, unknown> = random.once(4) ? Object.create(null) : {}
      for (const [name, value] of pairs) {
        const own = { value, enumerable: true, configurable: true, writable: true }
        if (typeof name === 'string') Object.defineProperty(object, name, own)
      }
      const entries = Object.keys(object).map((name): [unknown, unknown] => [name, object[name]])
      return { given: object, fields: safeFlat(entries) }
    }
  }
}

function safeFlat(pairs: readonly [unknown, unknown][]): string[] | null {
  try {
    return flat(pairs)
  } catch {
    return null
  }
}

function* thrower(random: Random, pairs: readonly [unknown, unknown][]): Generator<[unknown, unknown]> {
  for (const one of pairs) {
    if (random.once(6)) throw new CallersError('headers')
    yield one
  }
}

const CONTENT = 'hello \0\r\n\xff'

/** Returns a body, and its bytes if it completes. */
function body(random: Random): { given: unknown; bytes: string | null; lent: ReadonlySet<unknown> } {
  // In its own memory, never of Node's pool.
  const bytes = Buffer.from(Uint8Array.from(Buffer.from(CONTENT, 'latin1')).buffer)
  const other = Uint8Array.from(bytes)
  const pieces = [bytes.subarray(0, 3), bytes.subarray(3, 3), bytes.subarray(3)]
  const lent = new Set<unknown>([bytes.buffer, other.buffer])
  return { ...madeBody(random, { bytes, other, pieces }), lent }
}

interface Lent {
  bytes: Buffer
  other: Uint8Array
  pieces: Uint8Array[]
}

function madeBody(random: Random, { bytes, other, pieces }: Lent): { given: unknown; bytes: string | null } {
  const utf8 = Buffer.from(CONTENT).toString('latin1')
  const whole = (given: unknown) => ({ given, bytes: CONTENT })
  return random.pick<() => { given: unknown; bytes: string | null }>([
    () => ({ given: CONTENT, bytes: utf8 }),
    () => ({ given: '', bytes: '' }),
    () => whole(bytes),
    () => whole(other),
    () => whole(new DataView(other.buffer)),
    () => whole(other.buffer),
    () => ({ given: new Uint8Array(0), bytes: '' }),
    () => whole(Readable.from(pieces)),
    () => whole(new Blob([bytes])),
    () => whole(generator(pieces)),
    () => whole(reused(pieces)),
    () => whole(pieces),
    () => whole(asynchronous(pieces)),
    () => ({ given: new URLSearchParams({ a: '\r\n' }), bytes: 'a=%0D%0A' }),
    () => ({ given: form(random), bytes: null }),
    () => ({ given: failing(random, pieces), bytes: null }),
    () => ({ given: Readable.from(failing(random, pieces)), bytes: null }),
    () => ({ given: Readable.from([]).destroy(), bytes: null }),
    () => ({ given: new Writable(), bytes: null }),
    () => ({ given: new Blob([bytes]).stream(), bytes: null }),
    () => ({ given: [1, {}], bytes: null }),
    () => ({ given: anything(random), bytes: null }),
  ])()
}

function form(random: Random): FormData {
  const form = new FormData()
  form.append(nasty(random), nasty(random))
  form.append('file', new Blob(['x'], { type: 'a/b' }), nasty(random))
  return form
}

function* generator(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  yield* pieces
}

/** An iterable that reuses its memory for the next chunk. */
function* reused(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  const memory = new Uint8Array(64)
  for (const piece of pieces) {
    memory.fill(POISON)
    memory.set(piece)
    yield memory.subarray(0, piece.length)
  }
  memory.fill(POISON)
}

async function* asynchronous(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    await null
    yield piece
  }
}

async function* failing(random: Random, pieces: readonly Uint8Array[]): AsyncGenerator<unknown> {
  for (const piece of pieces) {
    if (random.once(3)) throw new CallersError('body')
    // A Readable fails with its own error at null.
    yield random.once(3) ? (anything(random) ?? piece) : piece
  }
}

const OTHERS = [
  'idempotent',
  'blocking',
  'reset',
  'expectContinue',
  'headersTimeout',
  'bodyTimeout',
  'typeOfService',
  'upgrade',
  'origin',
  'throwOnError',
  'signal',
  'opaque',
  'responseHeaders',
]

/** Returns random options. */
export function wanted(random: Random): Wanted {
  const options: Record<string, unknown> = {
    method: random.once(20) ? anything(random) : random.once(20) ? nasty(random) : random.pick(METHODS),
    path: random.once(20) ? anything(random) : random.once(10) ? `/${nasty(random)}` : random.pick(PATHS),
  }
  let fields: readonly string[] | null = []
  let bytes: string | null = ''
  let lent: ReadonlySet<unknown> = new Set()
  if (random.once(2)) {
    const made = headers(random)
    options.headers = made.given
    fields = made.fields
  }
  if (random.once(3)) {
    const made = body(random)
    options.body = made.given
    bytes = made.bytes
    lent = made.lent
  }
  if (random.once(8))
    options.query = random.once(4) ? anything(random) : { [nasty(random)]: value(random), b: [1, null] }
  if (random.once(6)) options[random.pick(OTHERS)] = random.once(2) ? true : anything(random)
  if (random.once(24)) options.upgrade = random.once(2) ? nasty(random) : 'websocket'
  if (random.once(64)) {
    Object.defineProperty(options, random.pick(['method', 'path', 'headers', 'body', 'upgrade']), {
      get() {
        throw new CallersError('getter')
      },
    })
  }
  return { options, fields, body: bytes, lent, description: describe(options) }
}

function describe(options: object): string {
  const parts = Object.getOwnPropertyNames(options).map((name) => {
    const { value } = Object.getOwnPropertyDescriptor(options, name) ?? {}
    try {
      const text = typeof value === 'symbol' || typeof value === 'bigint' ? String(value) : JSON.stringify(value)
      return `${name}: ${text ?? typeof value}`
    } catch {
      return `${name}: ${typeof value}`
    }
  })
  return parts.join(', ')
}
