import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  DecoratorHandler,
  Dispatcher,
  type DispatchHandler,
  type DispatchOptions,
  EnvHttpProxyAgent,
  interceptors,
  LatencyRecorder,
  Pool,
  ProxyAgent,
  RedirectHandler,
  RetryHandler,
  RoundRobinPool,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

type Dispatch = Dispatcher['dispatch']

/** Wraps a handler in another one; `dispatch` sends to the dispatcher below. */
type Wrap = (handler: DispatchHandler, request: DispatchOptions, dispatch: Dispatch) => DispatchHandler

const wraps: Record<string, Wrap> = {
  DecoratorHandler: (handler) => new DecoratorHandler(handler),
  'a subclass of DecoratorHandler': (handler) => new (class extends DecoratorHandler {})(handler),
  RedirectHandler: (handler, request, dispatch) => new RedirectHandler(dispatch, 3, request, handler),
  RetryHandler: (handler, request, dispatch) =>
    new RetryHandler({ ...request, retryOptions: { maxRetries: 0 } }, { dispatch, handler }),
  'four handlers': (handler, request, dispatch) => {
    const retrying = new RetryHandler({ ...request, retryOptions: { maxRetries: 0 } }, { dispatch, handler })
    const redirecting = new RedirectHandler(dispatch, 3, request, new DecoratorHandler(retrying))
    return new DecoratorHandler(redirecting)
  },
}

/** Interceptors that are used without compose(). */
const alone = {
  decompress: interceptors.decompress(),
  dns: interceptors.dns(),
  dump: interceptors.dump(),
  hedge: interceptors.hedge({ delay: 60_000 }),
  latency: interceptors.latency(new LatencyRecorder()),
  redirect: interceptors.redirect({ maxRedirections: 3 }),
  responseError: interceptors.responseError(),
  retry: interceptors.retry({ maxRetries: 0 }),
}

/** A dispatcher of a caller that sends through another one. */
class Relay extends Dispatcher {
  readonly #base: Dispatcher

  constructor(base: Dispatcher) {
    super()
    this.#base = base
  }

  override dispatch(...request: Parameters<Dispatch>): boolean {
    return this.#base.dispatch(...request)
  }
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  'composed Client': (url) => new Client(url).compose(interceptors.redirect()),
  Pool: (url) => new Pool(url),
  RoundRobinPool: (url) => new RoundRobinPool(url),
  BalancedPool: (url) => new BalancedPool(url),
  Agent: () => new Agent(),
  ProxyAgent: (url) => new ProxyAgent({ uri: url, proxyTunnel: false }),
  EnvHttpProxyAgent: () => new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: '', noProxy: '*' }),
}

/** RetryHandler that knows its dispatcher from the request only, and waits for its callback. */
function waiting(request: DispatchOptions, dispatch: Dispatch) {
  const recorder = new Recorder()
  let note = () => {}
  const begun = new Promise<void>((resolve) => {
    note = resolve
  })
  const retryOptions = { retry: () => note() }
  const handler = new RetryHandler({ ...request, retryOptions }, { dispatch, handler: recorder })
  return { recorder, begun, handler }
}

for (const [kind, make] of Object.entries(dispatchers)) {
  t.test(`destroy() of ${kind} ends the wait of a RetryHandler inside other handlers`, async (t) => {
    const origin = await httpOrigin((request) => request.socket.destroy())
    const request: DispatchOptions = { origin: origin.url, path: '/', method: 'GET' }
    for (const [name, wrap] of Object.entries(wraps)) {
      const dispatcher = make(origin.url)
      const dispatch: Dispatch = (options, handler) => dispatcher.dispatch(options, handler)
      const { recorder, begun, handler } = waiting(request, dispatch)
      dispatcher.dispatch(request, wrap(handler, request, dispatch))
      await begun
      await dispatcher.destroy()
      t.match(recorder.error, { code: 'UND_ERR_DESTROYED', path: '/' }, name)
      t.strictSame(recorder.calls, ['start', 'error'], name)
    }
    for (const [name, interceptor] of Object.entries(alone)) {
      const dispatcher = make(origin.url)
      const dispatch: Dispatch = (options, handler) => dispatcher.dispatch(options, handler)
      const { recorder, begun, handler } = waiting(request, dispatch)
      interceptor(dispatch)(request, handler)
      await begun
      await dispatcher.destroy()
      t.match(recorder.error, { code: 'UND_ERR_DESTROYED', path: '/' }, `interceptors.${name}`)
    }
    await origin.close()
  })
}

t.test("destroy() ends the wait of a RetryHandler that reached a Client through a caller's dispatcher", async (t) => {
  const origin = await httpOrigin((request) => request.socket.destroy())
  const request = { origin: origin.url, path: '/', method: 'GET', timeouts: { queue: 60_000 } }
  const client = new Client(origin.url)
  const dispatcher = new Relay(client).compose(interceptors.dump())
  const { recorder, begun, handler } = waiting(request, (options, handler) => dispatcher.dispatch(options, handler))
  dispatcher.dispatch(request, new DecoratorHandler(handler))
  await begun
  await client.destroy()
  t.match(recorder.error, { code: 'UND_ERR_DESTROYED' })
  await origin.close()
})

t.test('a RetryHandler keeps waiting when a dispatcher of only some attempts is destroyed', async (t) => {
  const origin = await httpOrigin((request) => request.socket.destroy())
  const request = { origin: origin.url, path: '/', method: 'GET' }
  const parts: Client[] = []
  const pool = new Pool(origin.url, {
    factory(url, options) {
      parts.push(new Client(url, options as object))
      return parts.at(-1) as Client
    },
  })
  const { recorder, begun, handler } = waiting(request, (options, handler) => pool.dispatch(options, handler))
  pool.dispatch(request, new DecoratorHandler(handler))
  await begun
  await Promise.all(parts.map((part) => part.destroy()))
  t.equal(recorder.error, null)
  await pool.destroy()
  t.match(recorder.error, { code: 'UND_ERR_DESTROYED' })
  await origin.close()
})
