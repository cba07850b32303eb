import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  type DispatchInterceptor,
  EnvHttpProxyAgent,
  interceptors,
  LatencyRecorder,
  Pool,
  ProxyAgent,
  RedirectHandler,
  RetryAgent,
  RetryHandler,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

type Dispatch = Dispatcher['dispatch']

/** Options as callers and interceptors derive them; in none all options are own properties. */
const forms: Record<string, (origin: string) => object> = {
  'of a class with getters': (origin) =>
    new (class {
      #path = '/a'
      get origin() {
        return origin
      }
      get path() {
        return this.#path
      }
      get method() {
        return 'GET'
      }
      get headers() {
        return { 'x-a': '1' }
      }
    })(),
  'of Object.create()': (origin) =>
    Object.create({ origin, path: '/', method: 'GET', headers: { 'x-a': '1' } }, { path: { value: '/a' } }),
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  BalancedPool: (url) => new BalancedPool(url),
  Agent: () => new Agent(),
  'Agent with timeouts': () => new Agent({ timeouts: { total: 60_000 } }),
  ProxyAgent: (url) => new ProxyAgent({ uri: url, proxyTunnel: false }),
  EnvHttpProxyAgent: () => new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: '', noProxy: '*' }),
  RetryAgent: (url) => new RetryAgent(new Client(url)),
}

const all: Record<string, DispatchInterceptor> = {
  decompress: interceptors.decompress(),
  dns: interceptors.dns(),
  dump: interceptors.dump(),
  hedge: interceptors.hedge({ delay: 60_000 }),
  latency: interceptors.latency(new LatencyRecorder()),
  redirect: interceptors.redirect({ maxRedirections: 3 }),
  responseError: interceptors.responseError(),
  retry: interceptors.retry(),
}

/** Ways to send through a dispatcher. */
const ways: Record<string, (dispatcher: Dispatcher) => Dispatch> = {
  'dispatch()': (dispatcher) => (options, handler) => dispatcher.dispatch(options, handler),
  RetryHandler: (dispatcher) => (options, handler) => {
    const dispatch: Dispatch = (options, handler) => dispatcher.dispatch(options, handler)
    return dispatch(options, new RetryHandler(options, { dispatch, handler }))
  },
  'RedirectHandler.buildDispatch()': (dispatcher) => RedirectHandler.buildDispatch(dispatcher, 3),
}
for (const [name, interceptor] of Object.entries(all)) {
  ways[`interceptors.${name}`] = (dispatcher) => {
    const composed = dispatcher.compose(interceptor)
    return (options, handler) => composed.dispatch(options, handler)
  }
  ways[`interceptors.${name} used alone`] = (dispatcher) =>
    interceptor((options, handler) => dispatcher.dispatch(options, handler))
}

for (const [kind, make] of Object.entries(dispatchers)) {
  for (const [form, optionsFor] of Object.entries(forms)) {
    t.test(`a ${kind} and interceptors over it accept options ${form}`, async (t) => {
      const requested: unknown[] = []
      const origin = await httpOrigin((request, reply) => {
        requested.push(
          `${request.method} ${new URL(request.url as string, 'http://a').pathname} ${request.headers['x-a']}`,
        )
        reply.end()
      })
      const url = origin.url.replace('127.0.0.1', 'localhost')
      for (const [name, way] of Object.entries(ways)) {
        const dispatcher = make(url)
        const recorder = new Recorder()
        way(dispatcher)(optionsFor(url) as Dispatcher.DispatchOptions, recorder)
        await recorder.ended
        t.strictSame([recorder.error, recorder.statusCode, requested.pop()], [null, 200, 'GET /a 1'], name)
        await dispatcher.close()
      }
      await origin.close()
    })
  }
}

t.test('RedirectHandler and RetryHandler resend inherited options', async (t) => {
  const requested: unknown[] = []
  const origin = await httpOrigin((request, reply) => {
    requested.push(`${request.url} ${request.headers['x-a']}`)
    if (requested.length === 1) reply.writeHead(302, { location: '/b' })
    else if (requested.length === 2) reply.statusCode = 503
    reply.end()
  })
  for (const optionsFor of Object.values(forms)) {
    requested.length = 0
    const agent = new Agent()
    const dispatch: Dispatch = (options, handler) => agent.dispatch(options, handler)
    const recorder = new Recorder()
    const options = optionsFor(origin.url) as Dispatcher.DispatchOptions
    const again: Dispatch = (given, handler) => {
      const retrying = new RetryHandler(given, { dispatch, handler })
      return dispatch(given, retrying)
    }
    const redirecting = new RedirectHandler(again, 3, options, recorder)
    again(options, redirecting)
    await recorder.ended
    t.equal(recorder.statusCode, 200)
    t.strictSame(requested, ['/a 1', '/b 1', '/b 1'])
    await agent.close()
  }
  await origin.close()
})
