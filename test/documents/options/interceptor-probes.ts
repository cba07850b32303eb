import { gzipSync } from 'node:zlib'
import { Agent, type Dispatcher, interceptors } from '../../../lib/index.js'
import { answer, get, type Probe, served, using } from './probe.js'

type Options = Record<string, unknown>
type Listener = Parameters<typeof served>[0]
type Interceptor = Dispatcher.DispatcherComposeInterceptor

/** Returns the outcome of a request through an interceptor. */
const through =
  (
    make: (options: object) => Interceptor,
    listener: Listener,
    { base = {}, request = {} }: { base?: Options; request?: Options },
  ) =>
  (options: Options) =>
    served(listener, ({ url }) =>
      using(new Agent().compose(make({ ...base, ...options })), async (agent) => {
        try {
          const { statusCode, body } = await agent.request({ origin: url, ...get, ...request } as never)
          return `${statusCode} ${await body.text()}`
        } catch (error) {
          const { code, body } = error as { code: string; body?: unknown }
          return body ? `${code} ${body}` : code
        }
      }),
    )

const failing: Listener = (_request, reply) => void reply.writeHead(500).end('no')

/** Returns the number of attempts. */
const attempts =
  (listener: Listener = failing) =>
  async (options: Options) => {
    let count = 0
    const counting: Listener = (request, reply) => {
      count++
      listener(request, reply)
    }
    await through(interceptors.retry, counting, { base: { minTimeout: 1, timeoutFactor: 1 } })(options)
    return String(count)
  }

/** Returns whether retries take more than 600 ms. */
const pace =
  (base: Options, listener: Listener = failing) =>
  async (options: Options) => {
    const begun = performance.now()
    await through(interceptors.retry, listener, { base })(options)
    return performance.now() - begun > 600 ? 'slow' : 'fast'
  }

/** Redirects `/` to `/next` of the same server by another name, and returns the request received there. */
const redirecting: Listener = (request, reply) => {
  const host = request.headers['x-other'] === undefined ? '' : `http://localhost:${request.socket.localPort}`
  if (request.url === '/') reply.writeHead(302, { location: `${host}/next` }).end()
  else reply.end(String(request.headers['x-a']))
}
const followed = (base: Options, headers: Options = { 'x-a': '1' }) =>
  through(interceptors.redirect, redirecting, { base, request: { headers } })

const compressed =
  (status: number): Listener =>
  (_request, reply) =>
    void reply.writeHead(status, { 'content-encoding': 'gzip' }).end(gzipSync('abc'))
const decoded = (status: number) => async (options: Options) =>
  (await through(interceptors.decompress, compressed(status), {})(options)).replace(/[^ -~]+.*/s, 'encoded')

/** Sends requests to some hosts through the dns interceptor, and returns the looked-up hosts. */
const lookedUp =
  (hosts: string[], wait = 0) =>
  async (options: Options) => {
    const lookups: string[] = []
    const lookup = (
      { hostname }: URL,
      { family }: { family: unknown },
      callback: (error: null, found: object[]) => void,
    ) => {
      lookups.push(`${hostname.slice(0, 1)}${family || ''}`)
      callback(null, [{ address: '127.0.0.1', family: 4, ttl: 60_000 }])
    }
    return served(
      (_request, reply) => void reply.end(),
      ({ port }) =>
        using(new Agent().compose(interceptors.dns({ lookup, ...options } as never)), async (agent) => {
          for (const host of hosts) {
            await answer(agent, { origin: `http://${host}.test:${port}` })
            await new Promise((resolve) => setTimeout(resolve, wait))
          }
          return lookups.join(' ')
        }),
    )
  }

/** Options of interceptors, and of dispatchers that accept the same. */
export const interceptorProbes: Record<string, Probe> = {
  'RetryHandler.RetryOptions.throwOnError': {
    given: false,
    without: 'UND_ERR_REQ_RETRY',
    with: '500 no',
    observe: through(interceptors.retry, failing, { base: { maxRetries: 1, minTimeout: 1 } }),
  },
  'RetryHandler.RetryOptions.retry': {
    given: (error: Error, _context: object, callback: (error: Error) => void) => callback(error),
    without: '6',
    with: '1',
    observe: attempts(),
  },
  'RetryHandler.RetryOptions.maxRetries': { given: 2, without: '6', with: '3', observe: attempts() },
  'RetryHandler.RetryOptions.methods': { given: ['PUT'], without: '6', with: '1', observe: attempts() },
  'RetryHandler.RetryOptions.statusCodes': { given: [503], without: '6', with: '1', observe: attempts() },
  'RetryHandler.RetryOptions.errorCodes': {
    given: ['ECONNREFUSED'],
    without: '6',
    with: '1',
    observe: attempts((request) => void request.socket.destroy()),
  },
  'RetryHandler.RetryOptions.maxTimeout': {
    given: 1,
    without: 'slow',
    with: 'fast',
    observe: pace({ maxRetries: 1, minTimeout: 800 }),
  },
  'RetryHandler.RetryOptions.minTimeout': {
    given: 800,
    without: 'fast',
    with: 'slow',
    observe: pace({ maxRetries: 1, maxTimeout: 800, minTimeout: 1 }),
  },
  'RetryHandler.RetryOptions.timeoutFactor': {
    given: 40,
    without: 'fast',
    with: 'slow',
    observe: pace({ maxRetries: 2, minTimeout: 20 }),
  },
  'RetryHandler.RetryOptions.retryAfter': {
    given: false,
    without: 'slow',
    with: 'fast',
    observe: pace(
      { maxRetries: 1, minTimeout: 1 },
      (_request, reply) => void reply.writeHead(503, { 'retry-after': '1' }).end(),
    ),
  },
  'Interceptors.RedirectInterceptorOpts.maxRedirections': {
    given: 1,
    without: '302 ',
    with: '200 1',
    observe: followed({}),
  },
  'Interceptors.RedirectInterceptorOpts.throwOnMaxRedirect': {
    given: true,
    without: '302 ',
    with: 'UND_ERR_REDIRECT_MAX',
    observe: through(
      interceptors.redirect,
      ({ url }, reply) => void reply.writeHead(302, { location: `${url}a` }).end(),
      {
        base: { maxRedirections: 1 },
      },
    ),
  },
  'Interceptors.RedirectInterceptorOpts.stripHeadersOnRedirect': {
    given: ['x-a'],
    without: '200 1',
    with: '200 undefined',
    observe: followed({ maxRedirections: 1 }),
  },
  'Interceptors.RedirectInterceptorOpts.stripHeadersOnCrossOriginRedirect': {
    given: ['x-a'],
    without: '200 1',
    with: '200 undefined',
    observe: followed({ maxRedirections: 1 }, { 'x-a': '1', 'x-other': 'yes' }),
  },
  'Interceptors.DumpInterceptorOpts.maxSize': {
    given: 1,
    without: '200 ',
    with: 'UND_ERR_ABORTED',
    observe: through(interceptors.dump, (_request, reply) => void reply.end('abc'), {}),
  },
  'Interceptors.DecompressInterceptorOpts.skipErrorResponses': {
    given: false,
    without: '500 encoded',
    with: '500 abc',
    observe: decoded(500),
  },
  'Interceptors.DecompressInterceptorOpts.skipStatusCodes': {
    given: [200],
    without: '200 abc',
    with: '200 encoded',
    observe: decoded(200),
  },
  'Interceptors.DecompressInterceptorOpts.maxSize': {
    given: 2,
    without: '200 abc',
    with: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    observe: decoded(200),
  },
  'Interceptors.ResponseErrorInterceptorOpts.maxSize': {
    given: 1,
    without: 'UND_ERR_RESPONSE no',
    with: 'UND_ERR_RESPONSE n',
    observe: through(
      interceptors.responseError,
      (_request, reply) => void reply.writeHead(500, { 'content-type': 'text/plain' }).end('no'),
      {},
    ),
  },
  'Interceptors.DNSInterceptorOpts.maxTTL': { given: 5, without: 'a', with: 'a a', observe: lookedUp(['a', 'a'], 20) },
  'Interceptors.DNSInterceptorOpts.maxItems': {
    given: 1,
    without: 'a b',
    with: 'a b a',
    observe: lookedUp(['a', 'b', 'a']),
  },
  'Interceptors.DNSInterceptorOpts.lookup': {
    given: (_origin: URL, _options: object, callback: (error: Error) => void) => callback(new Error('mine')),
    without: 'a',
    with: '',
    observe: lookedUp(['a']),
  },
  'Interceptors.DNSInterceptorOpts.pick': {
    given: () => ({ address: '127.0.0.1', family: 4, ttl: 1, port: 1 }),
    without: '',
    with: 'ECONNREFUSED',
    observe: (options) => {
      const lookup = (_origin: URL, _options: object, callback: (error: null, found: object[]) => void) =>
        callback(null, [{ address: '127.0.0.1', family: 4, ttl: 60_000 }])
      return served(
        (_request, reply) => void reply.end(),
        ({ port }) =>
          using(new Agent().compose(interceptors.dns({ lookup, ...options } as never)), (agent) =>
            answer(agent, { origin: `http://a.test:${port}` }),
          ),
      )
    },
  },
  'Interceptors.DNSInterceptorOpts.dualStack': { given: false, without: 'a', with: 'a4', observe: lookedUp(['a']) },
  'Interceptors.DNSInterceptorOpts.affinity': {
    given: 6,
    without: 'null',
    with: '6',
    observe: async (options) => {
      const addresses = { 4: '127.0.0.1', 6: '::1' }
      const lookup = (_origin: URL, _options: object, callback: (error: null, found: object[]) => void) =>
        callback(
          null,
          Object.entries(addresses).map(([family, address]) => ({ address, family: Number(family), ttl: 60_000 })),
        )
      let used = ''
      const pick = (_origin: URL, records: { records: Record<number, { ips: object[] }> }, affinity: number) => {
        used ||= String(affinity)
        return records.records[4]?.ips[0]
      }
      return served(
        (_request, reply) => void reply.end(),
        ({ port }) =>
          using(new Agent().compose(interceptors.dns({ lookup, pick, ...options } as never)), async (agent) => {
            await answer(agent, { origin: `http://a.test:${port}` })
            return used
          }),
      )
    },
  },
  'Interceptors.DNSInterceptorOpts.storage': {
    given: { size: 0, get: () => null, set() {}, delete() {}, full: () => false },
    without: 'a',
    with: 'a a',
    observe: lookedUp(['a', 'a']),
  },
}
