import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { isIterable, unpolluted, unpollutedRequest } from '../../lib/base/prototype-pollution.js'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  EnvHttpProxyAgent,
  HealthCheck,
  interceptors,
  leastRequests,
  OutlierDetection,
  Pool,
  ProxyAgent,
  peakEwma,
  RetryAgent,
  RoundRobinPool,
  request,
} from '../../lib/index.js'

/** Adds the properties `names` to `Object.prototype` while `work` runs. */
async function polluted<Result>(names: Record<PropertyKey, unknown>, enumerable: boolean, work: () => Result) {
  const keys = Reflect.ownKeys(names)
  for (const key of keys) {
    Object.defineProperty(Object.prototype, key, { value: names[key], enumerable, configurable: true, writable: true })
  }
  try {
    return await work()
  } finally {
    for (const key of keys) Reflect.deleteProperty(Object.prototype, key)
  }
}

t.test('reads options that are own properties or inherited from a class of the caller', async (t) => {
  class Given {
    own = 1
    get inherited() {
      return 2
    }
  }
  const given = new Given() as Given & { extra?: unknown; method?: unknown }
  const derived: unknown[] = [given, Object.create(given), Object.freeze(Object.create({ own: 1, inherited: 2 }))]
  for (const read of [unpolluted, unpollutedRequest]) {
    for (const one of derived)
      t.match({ ...(read(one) as object) }, { own: 1, inherited: 2 }, 'a copy has the properties')
    const plain = [{ own: 1 }, Object.create(null), runInNewContext('({ own: 1 })'), [1], null, undefined, 'text']
    for (const one of plain) t.equal(read(one), one, 'a plain object is returned itself')
  }
  for (const enumerable of [true, false]) {
    for (const read of [unpolluted, unpollutedRequest]) {
      await polluted({ method: 'DELETE' }, enumerable, () => {
        const own = read(given)
        t.strictSame([own.own, own.inherited, own.method], [1, 2, undefined])
        t.equal({ ...own }.method, undefined, 'nor does a copy have it')
        t.equal(read({ method: 'GET' }).method, 'GET')
      })
    }
  }
})

t.test('an iterator in Object.prototype does not make objects iterable', async (t) => {
  for (const iteration of [Symbol.iterator, Symbol.asyncIterator] as const) {
    await polluted({ [iteration]: function* () {} }, false, () => {
      t.equal(isIterable({}, iteration), false)
      t.equal(isIterable([]), true)
      t.equal(isIterable(new Map()), true)
    })
  }
})

/** Echo server in a child process, because a polluted prototype would break a server in this process. */
async function echoServer() {
  const program = `require('http').createServer((q, r) => { let n = ''; q.on('data', (c) => (n += c)).on('end', () => r.end(q.method + q.url + q.rawHeaders + n)) }).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: `http://127.0.0.1:${Number(String(port))}`, close: () => child.kill() }
}

const senders: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  RoundRobinPool: (url) => new RoundRobinPool(url),
  BalancedPool: (url) => new BalancedPool([url]),
  'BalancedPool with settings': (url) => {
    const outlierDetection = new OutlierDetection()
    return new BalancedPool([{ origin: url }], { outlierDetection, healthCheck: new HealthCheck({ interval: 1e6 }) })
  },
  'BalancedPool, least requests': (url) => new BalancedPool(url, { strategy: leastRequests() }),
  'BalancedPool, peak EWMA': (url) => new BalancedPool(url, { strategy: peakEwma() }),
  'BalancedPool.addUpstream': (url) => new BalancedPool().addUpstream(url, {}),
  Agent: () => new Agent(),
  ProxyAgent: (url) => new ProxyAgent({ uri: url, proxyTunnel: false }),
  EnvHttpProxyAgent: () => new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: '' }),
  RetryAgent: (url) => new RetryAgent(new Client(url)),
  dump: (url) => new Client(url).compose(interceptors.dump()),
  dns: () => new Agent().compose(interceptors.dns()),
  retry: (url) => new Client(url).compose(interceptors.retry({ retryBudget: {} })),
  responseError: (url) => new Client(url).compose(interceptors.responseError()),
  decompress: (url) => new Client(url).compose(interceptors.decompress()),
  hedge: (url) => new Pool(url).compose(interceptors.hedge({ delay: 1e6 })),
}

/**
 * Option names of dispatchers, interceptors, upstreams and requests, each of which would be rejected or change the request.
 * Event names such as `lookup` are omitted, because they break Node's own emitters.
 */
const names: Record<string, unknown> = {
  ...Object.fromEntries(
    (
      'throwOnError factory maxOrigins maxTotalConnections maxConnectionsPerOrigin connections clientTtl minConnections ' +
      'maxIdleConnections reuse maxQueued maxConnectionAge maxSize dumpMaxSize maxTTL maxItems dualStack affinity ' +
      'pick storage weight authority maxWeightPerServer errorPenalty strategy outlierDetection healthCheck slowStart ' +
      'consecutiveFailures interval baseEjectionTime maxEjectionTime maxEjectionPercent panicThreshold healthyThreshold ' +
      'unhealthyThreshold decayTime failureLatency random ratio minPerSecond retryBudget retryOptions skipStatusCodes ' +
      'skipErrorResponses responseHeaders onInfo highWaterMark timeouts timings tried typeOfService idempotent blocking ' +
      'reset expectContinue headersTimeout bodyTimeout upgrade method path body query origin headers maxRedirections ' +
      'keepAliveTimeout keepAliveMaxTimeout keepAliveTimeoutThreshold maxHeaderSize maxResponseSize pipelining ' +
      'maxRequestsPerClient strictContentLength parser connectTimeout socketPath localAddress maxCachedSessions allowH2 ' +
      'httpProxy httpsProxy noProxy uri token auth proxyTunnel requestTls proxyTls clientFactory maxHedges percentile'
    )
      .split(' ')
      .map((name) => [name, 'evil']),
  ),
  signal: AbortSignal.abort(),
  opaque: 'evil',
  [Symbol.iterator]: function* () {},
}

t.test('ignores enumerable and non-enumerable properties of Object.prototype as options', async (t) => {
  const server = await echoServer()
  const own = { origin: server.url, path: '/', method: 'GET', headers: { authorization: 'Bearer 1' } }
  for (const [sender, make] of Object.entries(senders)) {
    const send = async () => {
      const dispatcher = make(server.url)
      try {
        const { statusCode, body, opaque } = await dispatcher.request(own as never)
        return [statusCode, await body.text(), opaque]
      } catch (error) {
        return [(error as Error).message]
      } finally {
        await dispatcher.destroy()
      }
    }
    const wanted = await send()
    t.equal(wanted[0], 200, sender)
    for (const enumerable of [true, false]) {
      const isSame = async (some: Record<PropertyKey, unknown>) =>
        JSON.stringify(await polluted(some, enumerable, send)) === JSON.stringify(wanted)
      const wrong: string[] = []
      // All names at once. If that fails, each alone, to report which one.
      if (!(await isSame(names))) {
        for (const name of Reflect.ownKeys(names)) {
          if (!(await isSame({ [name]: names[name as string] }))) wrong.push(String(name))
        }
      }
      t.strictSame(wrong, [], `${sender}, ${enumerable ? 'enumerable' : 'non-enumerable'}`)
    }
  }
  server.close()
})

t.test('Infinity disables timeouts and allows unlimited pipelining', async (t) => {
  const server = await echoServer()
  const forever = Number.POSITIVE_INFINITY
  for (const options of [
    { headersTimeout: forever, bodyTimeout: forever, connectTimeout: forever },
    { timeouts: { queue: forever, connect: forever, headers: forever, body: forever, total: forever } },
    { connect: { timeout: forever } },
    { pipelining: forever },
  ]) {
    const client = new Client(server.url, options)
    const { statusCode, body } = await client.request({ path: '/', method: 'GET' })
    await body.dump()
    t.equal(statusCode, 200, JSON.stringify(Object.keys(options)))
    await client.close()
  }
  const limits = { headersTimeout: forever, bodyTimeout: forever, timeouts: { total: forever, deadline: forever } }
  const { statusCode, body } = await request(server.url, limits)
  await body.dump()
  t.equal(statusCode, 200)
  server.close()
})
