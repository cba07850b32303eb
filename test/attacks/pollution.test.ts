import t from 'tap'
import { Agent, Client, interceptors, Pool, request } from '../../lib/index.js'
import { type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { type Attack, counted, each, PARSERS } from './catalogue.js'
import { get, outcome, wire } from './requests-to-attacker.js'

const prototype = Object.prototype as unknown as Record<string, unknown>

/** Property names that are special in JavaScript objects. */
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__']

for (const parser of PARSERS) {
  t.test(
    `response headers and trailers named like properties of Object.prototype are plain values, ${parser}`,
    async (t) => {
      for (const times of [1, 2, 3]) {
        const fields = NAMES.flatMap((name) => Array(times).fill(`${name}: polluted\r\n`)).join('')
        const origin = await rawOrigin((socket) =>
          onRequests(socket, () =>
            socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${fields}\r\n1\r\nx\r\n0\r\n${fields}\r\n`),
          ),
        )
        const client = new Client(origin.url, { parser })
        const wanted = times === 1 ? 'polluted' : Array(times).fill('polluted')
        const recorder = new Recorder()
        client.dispatch(get, recorder)
        await recorder.ended
        const { headers, trailers, body } = await client.request(get)
        await body.text()
        const composed = await client.compose(interceptors.decompress(), interceptors.retry()).request(get)
        await composed.body.text()
        for (const one of [
          recorder.headers,
          recorder.trailers,
          headers,
          trailers,
          composed.headers,
          composed.trailers,
        ]) {
          t.equal(Object.getPrototypeOf(one), prototype)
          for (const name of NAMES) {
            t.strictSame(Object.getOwnPropertyDescriptor(one, name.toLowerCase())?.value, wanted, `${name}, ${times}`)
          }
        }
        t.equal(({} as Record<string, unknown>).polluted, undefined)
        await client.destroy()
        await origin.close()
      }
    },
  )
}

/** Options parsed from untrusted JSON. */
interface ParsedOptions extends Attack {
  options: string
  sluice: RegExp | string
}

const REFUSED = 'UND_ERR_INVALID_ARG'
const written: ParsedOptions[] = [
  {
    what: 'options with __proto__',
    good: 'ignores them',
    options: '{"__proto__": {"method": "DELETE", "body": "evil", "path": "/evil"}}',
    sluice: /^GET \/ HTTP\/1.1\r\nhost: host\r\nconnection: keep-alive\r\n\r\n$/,
  },
  {
    what: 'headers object with __proto__',
    good: 'rejects an object as a value',
    options: '{"headers": {"__proto__": {"x-evil": "1"}}}',
    sluice: REFUSED,
  },
  {
    what: 'a header named __proto__',
    good: 'sends it like any other',
    options: '{"headers": {"__proto__": "1"}}',
    sluice: /\r\n__proto__: 1\r\n/,
  },
  {
    what: 'a query with __proto__',
    good: 'sends it like any other',
    options: '{"query": {"__proto__": "1"}}',
    sluice: /^GET \/\?__proto__=1 HTTP/,
  },
  {
    what: 'a header named constructor',
    good: 'sends it like any other',
    options: '{"headers": {"constructor": "1"}}',
    sluice: /\r\nconstructor: 1\r\n/,
  },
]

t.test('options parsed from untrusted JSON', (t) =>
  each(t, written, async (t, { options, sluice }) => {
    const { text, outcome } = await wire(JSON.parse(options))
    if (typeof sluice === 'string') t.strictSame({ text, outcome }, { text: '', outcome: sluice })
    else t.match(text, sluice)
    t.equal(({} as Record<string, unknown>)['x-evil'], undefined)
  }),
)

/**
 * Names of options of this library and of the Node functions that receive them. Event names are omitted: Node's own emitters
 * fail with them, and nothing is sent.
 */
const polluted: Record<string, unknown> = {
  path: '/evil',
  method: 'DELETE',
  body: 'evil',
  headers: { evil: '1' },
  query: { evil: '1' },
  origin: 'http://127.0.0.1:1',
  upgrade: 'evil',
  idempotent: false,
  blocking: true,
  reset: true,
  expectContinue: true,
  typeOfService: 'x',
  headersTimeout: 1,
  timeouts: { queue: 1, total: 1 },
  queue: 1,
  total: 1,
  deadline: 1,
  maxQueued: 0,
  bodyTimeout: 1,
  servername: 'evil',
  host: 'evil',
  hostname: 'evil',
  port: 1,
  protocol: 'https:',
  search: '?evil',
  pathname: '/evil',
  socketPath: '/evil.sock',
  localAddress: '9.9.9.9',
  localPort: 1,
  family: 6,
  session: 'x',
  timeout: 1,
  tls: 'x',
  keepAlive: 'x',
  pipelining: 0,
  maxRequestsPerClient: 1,
  maxResponseSize: 0,
  maxHeaderSize: 1,
  strictContentLength: false,
  parser: 'x',
  location: '/evil',
  maxRedirections: 5,
  retryOptions: 'x',
  dispatcher: 'x',
  agent: 'x',
  length: 1,
  type: 'evil',
  size: 1,
  name: 'evil',
}

interface Sender extends Attack {
  make(url: string): { request: Client['request']; destroy(): Promise<void> } | null
  options?: object
}

const fixed = 'sends what it would have sent'
const following = [interceptors.redirect({ maxRedirections: 1 }), interceptors.retry({ maxRetries: 0 })] as const
const senders: Sender[] = [
  { what: 'a Client', good: fixed, make: (url) => new Client(url) },
  {
    what: 'a Client with a body',
    good: fixed,
    make: (url) => new Client(url),
    options: { method: 'POST', body: 'abc' },
  },
  {
    what: 'a Client with a form',
    good: fixed,
    make: (url) => new Client(url),
    options: { method: 'PUT', body: new Blob(['ab']) },
  },
  { what: 'a Pool with interceptors', good: fixed, make: (url) => new Pool(url).compose(...following) as never },
  { what: 'an Agent', good: fixed, make: () => new Agent() },
  { what: 'request by URL', good: fixed, make: () => null },
  { what: 'request by the parts of a URL', good: fixed, make: () => null, options: { parts: true } },
]

async function sent(origin: Origin, { make, options }: Sender): Promise<string> {
  const dispatcher = make(origin.url)
  const { hostname, port, protocol } = new URL(origin.url)
  const to = options !== undefined && 'parts' in options ? { hostname, port, protocol } : `${origin.url}/`
  const own = { origin: origin.url, ...get, ...options }
  const result = await outcome({
    request: () => (dispatcher === null ? request(to) : dispatcher.request(own)),
  } as never)
  await dispatcher?.destroy()
  return result
}

t.test('ignores options in a polluted Object.prototype', (t) =>
  each(t, senders, async (t, sender) => {
    let text = ''
    const origin = await rawOrigin((socket) => {
      socket.on('data', (chunk) => {
        text += chunk
      })
      // A redirect without a location is not followed.
      onRequests(socket, () => socket.write(response('ok').replace('200 OK', '302 Found')))
    })
    t.equal(await sent(origin, sender), '302 ok')
    const wanted = text
    for (const [name, value] of Object.entries(polluted)) {
      text = ''
      prototype[name] = value
      try {
        await sent(origin, sender)
      } finally {
        delete prototype[name]
      }
      t.equal(text, wanted, name)
    }
    await origin.close()
  }),
)

t.test('README.md has the number of these attacks', counted)
