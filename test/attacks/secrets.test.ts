import { inspect } from 'node:util'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  EnvHttpProxyAgent,
  interceptors,
  Pool,
  ProxyAgent,
  RetryAgent,
  request,
} from '../../lib/index.js'
import { rawOrigin } from '../servers/origin.js'
import { freePort } from '../servers/program.js'
import { proxyServer } from '../servers/proxy.js'
import { type Attack, counted, each } from './catalogue.js'

/** A failure whose error is logged. */
interface LoggedFailure extends Attack {
  fail(): unknown
}

const SECRET = 'hunter2'
const good = 'does not tell the secret'
const closed = await freePort()
const closedOrigin = `http://127.0.0.1:${closed}`
const secrets = { authorization: `Bearer ${SECRET}`, cookie: `id=${SECRET}`, 'x-api-key': SECRET }
const get = { path: '/', method: 'GET', headers: secrets }
const URLS = [
  `http://user:${SECRET}@host/path`,
  `http://user:${SECRET}@host:99999`,
  `http://user:${SECRET}@host:1?query`,
  `ftp://user:${SECRET}@host`,
  `//user:${SECRET}@host`,
  `user:${SECRET}@host`,
  `http://user:${SECRET}@ho st`,
  `http://user:${'long'.repeat(40)}${SECRET}@ho st`,
]

/** Runs a request with a client that is destroyed afterwards. */
async function by(
  dispatcher: { request: Client['request']; destroy(): Promise<void> },
  options: object = get,
): Promise<void> {
  try {
    const { body } = await dispatcher.request(options as never)
    await body.text()
  } finally {
    await dispatcher.destroy()
  }
}

async function cut(text: string, ask: (url: string) => Promise<void>): Promise<void> {
  const origin = await rawOrigin((socket) => socket.once('data', () => socket.end(text)))
  await ask(origin.url).finally(() => origin.close())
}

const constructors: LoggedFailure[] = URLS.flatMap((url) => [
  { what: `new Client of ${url}`, good, fail: () => new Client(url) },
  { what: `new Pool of ${url}`, good, fail: () => new Pool(url) },
  { what: `new BalancedPool of ${url}`, good, fail: () => new BalancedPool([url]) },
  { what: `new ProxyAgent of ${url.replace('//host', '//')}`, good, fail: () => new ProxyAgent(`${url}/path`) },
  { what: `new EnvHttpProxyAgent of ${url}`, good, fail: () => new EnvHttpProxyAgent({ httpProxy: `${url}/path` }) },
  { what: `a request to ${url}`, good, fail: () => request(url.replace('@host', '@host.invalid')) },
  {
    what: `an Agent to ${url}`,
    good,
    fail: () => by(new Agent(), { ...get, origin: url.replace('@host', '@host.invalid') }),
  },
])

const requests: LoggedFailure[] = [
  { what: 'a connection refused', good, fail: () => by(new Client(closedOrigin)) },
  { what: 'a connection refused to a pool', good, fail: () => by(new Pool(closedOrigin)) },
  {
    what: 'retries that are exhausted',
    good,
    fail: () =>
      by(new RetryAgent(new Agent(), { maxRetries: 1, minTimeout: 1 }) as never, { ...get, origin: closedOrigin }),
  },
  {
    what: 'a header value with a line end',
    good,
    fail: () => by(new Client(closedOrigin), { ...get, headers: { authorization: `${SECRET}\n` } }),
  },
  {
    what: 'a header value of the wrong type',
    good,
    fail: () => by(new Client(closedOrigin), { ...get, headers: { authorization: { secret: SECRET } } }),
  },
  {
    what: 'a bad host',
    good,
    fail: () => by(new Client(closedOrigin), { ...get, headers: { host: `user:${SECRET}@host` } }),
  },
  {
    what: 'a path with credentials',
    good,
    fail: () => by(new Client(closedOrigin), { ...get, path: `user:${SECRET}@host/` }),
  },
  { what: 'a response that is none', good, fail: () => cut('nonsense', (url) => by(new Client(url))) },
  {
    what: 'a truncated response',
    good,
    fail: () => cut('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx', (url) => by(new Client(url))),
  },
  {
    what: 'an error status',
    good,
    fail: () =>
      cut('HTTP/1.1 500 No\r\ncontent-length: 1\r\n\r\nx', (url) =>
        by(new Client(url).compose(interceptors.responseError()) as never),
      ),
  },
  {
    what: 'a redirect to a closed port',
    good,
    fail: () =>
      cut(`HTTP/1.1 302 No\r\nlocation: http://user:${SECRET}@[\r\ncontent-length: 0\r\n\r\n`, (url) =>
        by(new Client(url).compose(interceptors.redirect({ maxRedirections: 1 })) as never),
      ),
  },
  {
    what: 'a redirect to another protocol',
    good,
    fail: () =>
      cut(`HTTP/1.1 302 No\r\nlocation: ftp://user:${SECRET}@host/\r\ncontent-length: 0\r\n\r\n`, (url) =>
        by(new Client(url).compose(interceptors.redirect({ maxRedirections: 1 })) as never),
      ),
  },
]

async function throughProxy(uri: (port: number) => string, origin: string): Promise<void> {
  const proxy = await proxyServer({ authorization: 'another' })
  await by(new ProxyAgent(uri(proxy.port)) as never, { ...get, origin }).finally(() => proxy.close())
}

const proxies: LoggedFailure[] = [
  ...['http://a.test', 'https://a.test'].flatMap((origin) => [
    {
      what: `a proxy that refuses ${origin}`,
      good,
      fail: () => throughProxy((port) => `http://user:${SECRET}@127.0.0.1:${port}`, origin),
    },
    {
      what: `a proxy that is not running for ${origin}`,
      good,
      fail: () => throughProxy(() => `http://user:${SECRET}@127.0.0.1:${closed}`, origin),
    },
    {
      what: `a proxy whose TLS fails for ${origin}`,
      good,
      fail: () => throughProxy((port) => `https://user:${SECRET}@127.0.0.1:${port}`, origin),
    },
  ]),
  {
    what: 'a token with an end of line',
    good,
    fail: () => new ProxyAgent({ uri: closedOrigin, token: `Basic ${SECRET}\n` }),
  },
  {
    what: 'a token of the wrong type',
    good,
    fail: () => new ProxyAgent({ uri: closedOrigin, token: { secret: SECRET } as never }),
  },
  { what: 'a token beside auth', good, fail: () => new ProxyAgent({ uri: closedOrigin, token: SECRET, auth: SECRET }) },
  { what: 'credentials that are not encoded', good, fail: () => new ProxyAgent(`http://user:%ff${SECRET}@host`) },
]

/** Returns everything that a log may contain of an error. */
function shown(error: unknown): string {
  const text = [inspect(error, { depth: 20, showHidden: true }), String(error), (error as Error).stack]
  return [...text, JSON.stringify(error), inspect((error as Error).cause, { depth: 20 })].join('\n')
}

t.test('errors do not contain secrets', (t) =>
  each(t, [...constructors, ...requests, ...proxies], async (t, { fail }) => {
    const error = await (async () => fail())().then(
      () => null,
      (error: Error) => error,
    )
    t.ok(error instanceof Error, 'the request fails')
    const base64 = Buffer.from(`user:${SECRET}`).toString('base64')
    t.notMatch(shown(error), new RegExp(`${SECRET}|${base64}`))
  }),
)

t.test('an inspected dispatcher does not contain secrets', async (t) => {
  const url = `http://user:${SECRET}@127.0.0.1:${closed}`
  const proxied = new ProxyAgent({ uri: url, token: SECRET })
  const all = [
    new Client(url),
    new Pool(url),
    new BalancedPool([url]),
    proxied,
    new ProxyAgent(url),
    new EnvHttpProxyAgent({ httpProxy: url }),
  ]
  for (const one of all) {
    await (one as unknown as Agent).request({ ...get, origin: closedOrigin }).catch(() => {})
    t.notMatch(
      `${inspect(one, { depth: 20, showHidden: true })}${one}${JSON.stringify(one)}`,
      SECRET,
      one.constructor.name,
    )
    await one.destroy()
  }
})

t.test('README.md has the number of these attacks', counted)
