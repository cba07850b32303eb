import net from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import {
  Client,
  type Dispatcher,
  type DispatchHandler,
  interceptors,
  type LegacyDispatchHandler,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { type Attack, counted, each } from './catalogue.js'
import { get, outcome } from './requests-to-attacker.js'

/** A fault of the calling program. It must fail its own request only, neither process nor client. */
interface CallerFault extends Attack {
  options(): object
  sluice: string
}

const boom = () => {
  throw Object.assign(new Error('boom'), { code: 'BOOM' })
}
const good = 'fails this request alone'
const post = { path: '/', method: 'POST' }
const misdeeds: CallerFault[] = [
  {
    what: 'a source that throws at once',
    good,
    options: () => ({ ...post, body: { [Symbol.asyncIterator]: boom } }),
    sluice: 'BOOM',
  },
  {
    what: 'a source that throws later',
    good,
    options: () => ({
      ...post,
      body: (function* () {
        yield 'x'
        boom()
      })(),
    }),
    sluice: 'BOOM',
  },
  {
    what: 'a source that rejects',
    good,
    options: () => ({
      ...post,
      body: (async function* () {
        yield 'x'
        boom()
      })(),
    }),
    sluice: 'BOOM',
  },
  {
    what: 'a body of an unsupported type',
    good,
    options: () => ({ ...post, body: { [Symbol.asyncIterator]: () => ({}) } }),
    sluice: 'TypeError',
  },
  {
    what: 'a source whose chunks are not bytes',
    good,
    options: () => ({ ...post, body: Readable.from([{}, 5]) }),
    sluice: 'UND_ERR_INVALID_ARG',
  },
  {
    what: 'a stream that fails',
    good,
    options: () => ({
      ...post,
      body: new Readable({
        read() {
          this.destroy(Object.assign(new Error(), { code: 'BOOM' }))
        },
      }),
    }),
    sluice: 'BOOM',
  },
  {
    what: 'a getter that throws in the options',
    good,
    options: () => ({
      ...get,
      get body() {
        return boom()
      },
    }),
    sluice: 'BOOM',
  },
  {
    what: 'a getter that throws in the headers',
    good,
    options: () => ({
      ...get,
      headers: {
        get a() {
          return boom()
        },
      },
    }),
    sluice: 'BOOM',
  },
  {
    what: 'headers whose iterator throws',
    good,
    options: () => ({ ...get, headers: { [Symbol.iterator]: boom } }),
    sluice: 'BOOM',
  },
  {
    what: 'a query whose value throws',
    good,
    options: () => ({ ...get, query: { a: { toString: boom } } }),
    sluice: 'UND_ERR_INVALID_ARG',
  },
  {
    what: 'a form whose iterator throws',
    good,
    options: () => ({ ...post, body: { [Symbol.toStringTag]: 'FormData', [Symbol.iterator]: boom } }),
    sluice: 'BOOM',
  },
  {
    what: 'a Blob whose stream throws',
    good,
    options: () => ({ ...post, body: { [Symbol.toStringTag]: 'Blob', size: 2, type: '', stream: boom } }),
    sluice: 'BOOM',
  },
  { what: 'onInfo that throws', good, options: () => ({ ...get, onInfo: boom }), sluice: 'BOOM' },
  { what: 'a signal that is none', good, options: () => ({ ...get, signal: {} }), sluice: 'UND_ERR_INVALID_ARG' },
]

async function hinting() {
  return httpOrigin((request, reply) => {
    request.resume()
    reply.writeEarlyHints({ link: '</a>; rel=preload' }, () => reply.end('mine'))
  })
}

t.test('a faulty request body or option fails its own request only', (t) =>
  each(t, misdeeds, async (t, { options, sluice }) => {
    const origin = await hinting()
    const client = new Client(origin.url)
    t.strictSame(
      [await outcome(client), await outcome(client, options()), await outcome(client)],
      ['mine', sluice, 'mine'],
    )
    await client.destroy()
    await origin.close()
  }),
)

interface Connecting extends Attack {
  connect(options: object, callback: (...result: unknown[]) => void): unknown
  sluice: string
  /** Code of the error that each request raises as an uncaught exception. */
  uncaught?: string
}

function open(port: string): net.Socket {
  return net.connect(Number(port), '127.0.0.1').on('error', () => {})
}

const connectors: Connecting[] = [
  { what: 'throws', good: 'fails what waits', connect: boom, sluice: 'BOOM' },
  {
    what: 'fails twice',
    good: 'reports the first error',
    connect: (_options, callback) =>
      [1, 2].map((code) => callback(Object.assign(new Error(), { code: `BOOM${code}` }), null)),
    sluice: 'BOOM1',
  },
  {
    what: 'fails, then throws',
    good: 'reports the first error; the exception is uncaught',
    connect: (_options, callback) => {
      callback(Object.assign(new Error(), { code: 'FIRST' }), null)
      boom()
    },
    sluice: 'FIRST',
    uncaught: 'BOOM',
  },
  {
    what: 'connects twice',
    good: 'uses the first socket',
    connect: (options, callback) => {
      for (let i = 0; i < 2; i++) {
        const socket = open((options as { port: string }).port)
        socket.once('connect', () => callback(null, socket))
      }
    },
    sluice: 'mine',
  },
  {
    what: 'connects, then fails',
    good: 'uses the first socket',
    connect: (options, callback) => {
      const socket = open((options as { port: string }).port)
      socket.once('connect', () => {
        callback(null, socket)
        callback(new Error('after all'), null)
      })
    },
    sluice: 'mine',
  },
]

t.test('a faulty connector fails its own request only', (t) =>
  each(t, connectors, async (t, { connect, sluice, uncaught }) => {
    const origin = await hinting()
    const thrown: unknown[] = []
    const onUncaught = (error: Error & { code?: unknown }) => void thrown.push(error.code)
    if (uncaught !== undefined) process.on('uncaughtException', onUncaught)
    const client = new Client(origin.url, { connect: connect as never })
    // Repeated, so that a request that stays queued is noticed.
    for (let i = 0; i < 3; i++) t.equal(await outcome(client), sluice)
    process.off('uncaughtException', onUncaught)
    t.strictSame(thrown, uncaught === undefined ? [] : [uncaught, uncaught, uncaught])
    await client.destroy()
    await origin.close()
  }),
)

t.test('connector options that no socket accepts fail the request', async (t) => {
  const origin = await hinting()
  for (const connect of [{ cert: 'none', key: 'none' }, { minVersion: 'TLSv9' }, { localAddress: 'none' }]) {
    const client = new Client(origin.url.replace('http:', 'https:'), { connect: connect as never })
    const first = await outcome(client)
    t.match(first, /^ERR_/)
    t.equal(await outcome(client), first)
    await client.destroy()
  }
  await origin.close()
})

const ELDER = ['onConnect', 'onHeaders', 'onData', 'onComplete'] as const
const NEWER = ['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd'] as const
const layers: [string, Dispatcher.DispatcherComposeInterceptor[]][] = [
  ['nothing', []],
  ['retry', [interceptors.retry({ maxRetries: 1, minTimeout: 1 })]],
  ['redirect', [interceptors.redirect({ maxRedirections: 1 })]],
  ['decompress', [interceptors.decompress()]],
  ['responseError', [interceptors.responseError()]],
  ['dump', [interceptors.dump()]],
  ['dns', [interceptors.dns()]],
]

/** Dispatches with a handler that throws in one of its callbacks. Resolves with its error, or with the last callback. */
function throwing(
  where: string,
  elder: boolean,
): { handler: DispatchHandler & LegacyDispatchHandler; result: Promise<unknown> } {
  let settle: (what: unknown) => void = () => {}
  const result = new Promise((resolve) => {
    settle = resolve
  })
  const at = (name: string) => () => {
    if (name === where) throw new Error(`thrown in ${name}`)
    if (name === 'onComplete' || name === 'onResponseEnd') settle('end')
  }
  const names = elder ? ELDER : NEWER
  const callbacks = Object.fromEntries(names.map((name) => [name, at(name)]))
  const onError = elder
    ? { onError: settle }
    : { onResponseError: (_controller: unknown, error: Error) => settle(error) }
  return { handler: { ...callbacks, ...onError } as DispatchHandler & LegacyDispatchHandler, result }
}

t.test('a handler that throws fails its own request only', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('mine'))
  for (const [name, chain] of layers) {
    const client = new Client(origin.url)
    const dispatcher = chain.length === 0 ? client : client.compose(...chain)
    for (const elder of [true, false]) {
      for (const where of elder ? ELDER : NEWER) {
        const { handler, result } = throwing(where, elder)
        dispatcher.dispatch({ ...get, origin: origin.url } as never, handler)
        // The interceptor dump discards the data, so onResponseData is never called.
        const silent = name === 'dump' && /Data$/.test(where)
        t.equal(String(await result), silent ? 'end' : `Error: thrown in ${where}`, `${where} over ${name}`)
        t.equal(await outcome(client), 'mine')
      }
    }
    await client.destroy()
  }
  await origin.close()
})

t.test('README.md has the number of these attacks', counted)
