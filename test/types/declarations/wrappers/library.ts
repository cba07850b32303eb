/** What a library on top of sluice exports, with inferred types. Compiled with `declaration: true`, never run. */
import {
  Agent,
  BalancedPool,
  Client,
  connect,
  DecoratorHandler,
  Dispatcher,
  discover,
  dnsUpstreams,
  errors,
  getGlobalDispatcher,
  interceptors,
  LatencyRecorder,
  Pool,
  ProxyAgent,
  pipeline,
  RetryAgent,
  request,
  stream,
  upgrade,
} from 'sluice'

export const get = (path: string) => request(`http://x${path}`)
export const json = async (path: string) => (await request(`http://x${path}`)).body.json()
export const body = async (path: string) => (await get(path)).body
export const save = (path: string) => stream(path, null, ({ opaque }) => opaque as never)
export const tunnel = () => connect('http://x')
export const socket = () => upgrade('http://x', { protocol: 'y' })
export const upload = (path: string) => pipeline(path, ({ body }) => body)
export const pipelined = ({ pipeline }: Client) => pipeline

export const client = new Client('http://x', { timeouts: { total: 1000 } })
export const send = (options: Parameters<typeof client.request>[0]) => client.request(options)
export const sent = client.request({ path: '/', method: 'GET', opaque: { id: 1 } })
export const streamed = client.stream({ path: '/', method: 'GET' }, () => null as never)
export const connected = client.connect({ path: 'a:1' })
export const upgraded = client.upgrade({ path: '/' })
export const clientStats = client.stats
export const poolStats = new Pool('http://x').stats
export const agentStats = new Agent().stats
export const composed = client.compose(interceptors.retry(), interceptors.redirect({ maxRedirections: 3 }))
export const dispatcher = getGlobalDispatcher()
export const retrying = (options: ConstructorParameters<typeof RetryAgent>[1]) => new RetryAgent(client, options)
export const retry = interceptors.retry
export const dns = interceptors.dns
export const all = { ...interceptors }
export const intercept = client.compose((dispatch) => (options, handler) => dispatch(options, handler))
export const balanced = new BalancedPool(['http://a', { origin: 'http://b', weight: 2 }])
export const upstreams = discover(balanced, dnsUpstreams('http://a'))
export const queue = new LatencyRecorder().queue
export const proxied = (...given: ConstructorParameters<typeof ProxyAgent>) => new ProxyAgent(...given)
export const agentOptions = (given: Agent.Options) => ({ ...given, connections: 1 })
export const poolOptions = (given: Pool.Options) => given.factory
export const isTimeout = (error: unknown) => error instanceof errors.HeadersTimeoutError && error
export const located = (error: InstanceType<typeof errors.UndiciError>) =>
  [error.phase, error.fault, error.origin] as const
export const responded = (error: InstanceType<typeof errors.ResponseError>) => error.headers

export class Service extends Client {
  get(path: string) {
    return this.request({ path, method: 'GET' })
  }
  options(options: Dispatcher.RequestOptions<string>) {
    return { ...options, timeouts: { ...options.timeouts, total: 1 } }
  }
}

export class Own extends Dispatcher {
  override dispatch(...[options, handler]: Parameters<Dispatcher['dispatch']>) {
    return client.dispatch(options, handler)
  }
}

export class Logged extends DecoratorHandler {
  started = [] as Parameters<DecoratorHandler['onResponseStart']>[]
  override onResponseStart(...given: Parameters<DecoratorHandler['onResponseStart']>) {
    this.started.push(given)
    return super.onResponseStart(...given)
  }
}
