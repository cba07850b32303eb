import { once } from 'node:events'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  buildConnector,
  Client,
  connect,
  type Dispatcher,
  discover,
  dnsUpstreams,
  EnvHttpProxyAgent,
  errors,
  HealthCheck,
  install,
  interceptors,
  leastRequests,
  OutlierDetection,
  Pool,
  ProxyAgent,
  peakEwma,
  pipeline,
  RetryAgent,
  RoundRobinPool,
  request,
  setGlobalDispatcher,
  stream,
  upgrade,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const url = 'http://127.0.0.1:1'
const any = (value: unknown) => value as never

/** Returns the first frame of the stack of an error. */
function firstFrame(error: unknown): string {
  const { stack, message, code } = error as Error & { code?: string }
  t.match(code, /^UND_ERR_(INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/, message)
  return stack?.split('\n').find((line) => /^ +at /.test(line)) ?? 'no frame'
}

/** Returns the error that a function throws, or rejects or calls back with. */
async function errorOf(act: (callback: (error: unknown) => void) => unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    try {
      Promise.resolve(act(resolve)).then((value) => value !== undefined && reject(new Error('no error')), resolve)
    } catch (error) {
      resolve(error)
    }
  })
}

t.test('the stack of an error of a constructor begins at its caller', async (t) => {
  const makers: Record<string, () => unknown> = {
    'a URL of a Client': () => new Client('localhost:3000'),
    'an option of a Client': () => new Client(url, { pipelining: -1 }),
    'useH2c of a Client': () => new Client(url, any({ useH2c: true })),
    'connect of a Client': () => new Client(url, { connect: any({ timeout: 'soon' }) }),
    'timeouts of a Client': () => new Client(url, { timeouts: any({ totl: 1 }) }),
    'a URL of a Pool': () => new Pool('localhost:3000'),
    'an option of a Pool': () => new Pool(url, { connections: -1 }),
    'an option of a RoundRobinPool': () => new RoundRobinPool(url, { bodyTimeout: -1 }),
    'an option of a BalancedPool': () => new BalancedPool([url], { strategy: any('none') }),
    'an upstream of a BalancedPool': () => new BalancedPool(['localhost:3000']),
    'an option of an Agent': () => new Agent({ connections: -1 }),
    'a URL of a ProxyAgent': () => new ProxyAgent('localhost:3128'),
    'a SOCKS proxy': () => new ProxyAgent('socks://localhost:3128'),
    'an option of a ProxyAgent': () => new ProxyAgent({ uri: url, connections: -1 }),
    'proxyTls of a ProxyAgent': () => new ProxyAgent({ uri: url, proxyTls: any({ timeout: 'soon' }) }),
    'an option of an EnvHttpProxyAgent': () => new EnvHttpProxyAgent({ connections: -1 }),
    'a proxy of an EnvHttpProxyAgent': () => new EnvHttpProxyAgent({ httpProxy: 'ftp://a' }),
    'an option of a RetryAgent': () => new RetryAgent(new Agent(), { maxRetries: -1 }),
    'an option of retry': () => interceptors.retry({ maxRetries: -1 }),
    'a budget of retry': () => interceptors.retry({ retryBudget: any({ rato: 1 }) }),
    'an option of redirect': () => interceptors.redirect({ maxRedirections: -1 }),
    'an option of dns': () => interceptors.dns({ maxTTL: -1 }),
    'an option of dump': () => interceptors.dump({ maxSize: -1 }),
    'an option of decompress': () => interceptors.decompress({ maxSize: -1 }),
    'an option of responseError': () => interceptors.responseError({ maxSize: -1 }),
    'an option of hedge': () => interceptors.hedge({ delay: -1 }),
    'a recorder of latency': () => interceptors.latency(any(1)),
    'a URL of dnsUpstreams': () => dnsUpstreams('localhost:3000'),
    'an option of leastRequests': () => leastRequests({ random: any(1) }),
    'an option of peakEwma': () => peakEwma({ decayTime: -1 }),
    'an option of a HealthCheck': () => new HealthCheck({ path: any(1) }),
    'an option of OutlierDetection': () => new OutlierDetection({ interval: -1 }),
    'an option of a connector': () => buildConnector({ timeout: -1 }),
    'a dispatcher of a RetryAgent': () => new RetryAgent(any(1)),
    'a pool of discover': () => discover(any(1), any(1)),
    'the global dispatcher': () => setGlobalDispatcher(any(1)),
    'an installed dispatcher': () => install(any(1)),
  }
  for (const [name, make] of Object.entries(makers)) t.match(firstFrame(await errorOf(make)), /caller\.test/, name)
  const pool = new BalancedPool([url])
  const methods: Record<string, () => unknown> = {
    addUpstream: () => pool.addUpstream('localhost:3000'),
    'addUpstream with a weight': () => pool.addUpstream(url, { weight: -1 }),
    removeUpstream: () => pool.removeUpstream('localhost:3000'),
    getUpstream: () => pool.getUpstream('localhost:3000'),
    compose: () => pool.compose(any(1)),
    close: () => pool.close(any(1)),
    destroy: () => pool.destroy(null, any(1)),
    warm: () => new Pool(url).warm(-1),
  }
  for (const [name, call] of Object.entries(methods)) t.match(firstFrame(await errorOf(call)), /caller\.test/, name)
  class Own extends Client {
    static readonly line = 'Own'
    constructor() {
      super('localhost:3000')
    }
  }
  t.match(
    firstFrame(await errorOf(() => new Own())),
    /new Own .*caller\.test/,
    'a constructor of a subclass is a caller',
  )
})

t.test('the first request of a Client without a method fails with an argument error', async (t) => {
  for (const options of [{ path: '/' }, {}, { path: '/', method: undefined }]) {
    await t.rejects(new Client(url).request(any(options)), { code: 'UND_ERR_INVALID_ARG', message: /^method must be/ })
  }
})

t.test('the stack of an argument error of a method begins at its caller', async (t) => {
  const origin = await httpOrigin((_request, response) => void response.end('whole'))
  const bad = { path: 1, method: 'GET' } as never
  const badHeaders = { path: '/', method: 'GET', headers: { 'a b': 'c' } }
  const dispatchers: Record<string, Dispatcher> = {
    Client: new Client(origin.url),
    Pool: new Pool(origin.url),
    Agent: new Agent(),
    BalancedPool: new BalancedPool(origin.url),
    composed: new Pool(origin.url).compose(interceptors.redirect({ maxRedirections: 2 })),
  }
  for (const [name, dispatcher] of Object.entries(dispatchers)) {
    const at = { origin: origin.url }
    const calls: Record<string, (callback: (error: unknown) => void) => unknown> = {
      request: () => dispatcher.request({ ...at, ...(bad as object) } as never),
      'request with wrong headers': () => dispatcher.request({ ...at, ...badHeaders }),
      'request with a wrong length': () =>
        dispatcher.request({ ...at, path: '/', method: 'PUT', headers: { 'content-length': '2' }, body: 'long' }),
      'request with a wrong timeout': () => dispatcher.request({ ...at, path: '/', method: 'GET', bodyTimeout: -1 }),
      'request without options': () => dispatcher.request(any(undefined)),
      'request with CONNECT': () => dispatcher.request({ ...at, path: '/', method: 'CONNECT' }),
      'request with a wrong callback': () => dispatcher.request({ ...at, path: '/', method: 'GET' }, any(1)),
      'request with a callback': (callback) => dispatcher.request({ ...at, ...(bad as object) } as never, callback),
      stream: () =>
        dispatcher.stream(
          { ...at, ...(bad as object) } as never,
          any(() => {}),
        ),
      'stream with a wrong factory': () => dispatcher.stream({ ...at, path: '/', method: 'GET' }, any(1)),
      connect: () => dispatcher.connect({ ...at, ...(bad as object) } as never),
      upgrade: () => dispatcher.upgrade({ ...at, path: '/', protocol: any('') }),
      pipeline: (callback) =>
        void dispatcher.pipeline({ ...at, path: '/', method: 'GET' }, any(1)).on('error', callback),
    }
    for (const [kind, call] of Object.entries(calls))
      t.match(firstFrame(await errorOf(call)), /caller\.test/, `${name}: ${kind}`)
  }
  for (const name of ['Client', 'Pool', 'Agent', 'BalancedPool'] as const) {
    const dispatcher = dispatchers[name] as Dispatcher
    const dispatched = (callback: (error: unknown) => void) =>
      void dispatcher.dispatch({ origin: origin.url, ...(bad as object) } as never, {
        onResponseError: (_controller, error) => callback(error),
      })
    // An Agent and a BalancedPool pass the request to the dispatcher of an origin, which checks it.
    if (name === 'Client' || name === 'Pool') {
      t.match(firstFrame(await errorOf(dispatched)), /caller\.test/, `${name}: dispatch`)
    }
    t.match(firstFrame(await errorOf(() => dispatcher.dispatch(bad, any(1)))), /caller\.test/, `${name}: handler`)
  }
  const functions: Record<string, () => unknown> = {
    'request with a wrong URL': () => request('localhost:3000'),
    'request with a wrong option': () => request(url, any({ method: 1 })),
    'request with a wrong callback': () => request(url, {}, any(1)),
    'request with an agent': () => request(url, any({ agent: {} })),
    stream: () =>
      stream(
        url,
        any({ method: 1 }),
        any(() => {}),
      ),
    pipeline: () =>
      pipeline(
        'localhost:3000',
        any(() => {}),
      ),
    connect: () => connect(url, any({ path: 1 })),
    upgrade: () => upgrade(url, any({ protocol: '' })),
  }
  for (const [name, call] of Object.entries(functions)) t.match(firstFrame(await errorOf(call)), /caller\.test/, name)
  await Promise.all(Object.values(dispatchers).map((dispatcher) => dispatcher.close()))
  await origin.close()
})

t.test('errors of the caller and errors that occur later keep their stack', async (t) => {
  const own = new errors.InvalidArgumentError('own')
  const { stack: before } = own
  const client = new Client(url)
  await t.rejects(client.request({ path: '/', method: 'GET', signal: AbortSignal.abort(own) }), own)
  const throwing = client.compose(() => () => {
    throw own
  })
  await t.rejects(throwing.request({ path: '/', method: 'GET' }), own)
  t.equal(own.stack, before)
  const duplex = client.pipeline({ path: '/', method: 'GET' }, ({ body }) => body)
  const [refused] = await once(duplex.end(), 'error')
  t.match(refused.stack, /ECONNREFUSED/)
  await client.close()
})

t.test('the stack of a network error contains the async functions that wait for the request', async (t) => {
  const client = new Client(url)
  const options = { path: '/', method: 'GET', origin: url }
  const calls: Record<string, () => Promise<unknown>> = {
    request: () => client.request(options),
    stream: () =>
      client.stream(
        options,
        any(() => {}),
      ),
    upgrade: () => client.upgrade(options),
    'request through interceptors': () =>
      client.compose(interceptors.redirect({ maxRedirections: 2 })).request(options),
    'request by URL': () => request(url),
  }
  for (const [name, call] of Object.entries(calls)) {
    const loadOrders = async () => {
      await call()
    }
    const error = await loadOrders().catch((error) => error)
    t.match(error, { code: 'ECONNREFUSED' }, name)
    t.match(error.stack, /ECONNREFUSED.*\n.*\n {4}at async loadOrders \(.*caller\.test/, name)
  }
  const own = Object.assign(new Error('of the caller'), { fault: 'network' })
  const { stack: before } = own
  const refusing = new Client(url, { connect: (_options, callback) => callback(own, null) })
  const failure = await refusing.request({ path: '/', method: 'GET' }).catch((error) => error)
  t.equal(failure.cause, own)
  const aborted = client.request({ path: '/', method: 'GET', signal: AbortSignal.abort(own) })
  await t.rejects(aborted, own)
  t.equal(own.stack, before)
  await Promise.all([client.close(), refusing.close()])
})
