import { inspect } from 'node:util'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  type BalancedPoolOptions,
  Client,
  Dispatcher,
  EnvHttpProxyAgent,
  getGlobalDispatcher,
  HealthCheck,
  interceptors,
  OutlierDetection,
  Pool,
  ProxyAgent,
  RetryAgent,
  RoundRobinPool,
  request,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }
const none = 'connected: 0, free: 0, pending: 0, queued: 0, running: 0, size: 0'
const one = 'connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0'
const unused = 'http://127.0.0.1:9'
/** Options with secrets, and what is shown of them. */
const secrets = {
  connect: { key: 'SECRET', passphrase: 'SECRET' },
  headers: { authorization: 'SECRET' },
  password: 'SECRET',
  reuse: 'fifo',
  headersTimeout: 0,
  bodyTimeout: 300_000,
  timeouts: { total: 5000 },
} as const
const shown = 'reuse: fifo, headersTimeout: 0, timeouts.total: 5000'

/** Returns the text without times and numbers of connections. */
function textOf(value: unknown, options = {}): string {
  return inspect(value, options)
    .replace(/ for \d+ ms/g, ' for … ms')
    .replace(/#\d+/g, '#')
}

const pool = new Pool(unused, { ...secrets, connections: 3 })
const balanced = new BalancedPool(unused, { ...secrets, strategy: 'peak-ewma' })
const ofPool = `Pool ${unused}, reuse: fifo, headersTimeout: 0, connections: 3, timeouts.total: 5000, ${none}`
const member = `Pool ${unused}, ${shown}, ${none}`
const retried = new RetryAgent(pool)
const proxied = new ProxyAgent({ ...secrets, uri: 'http://user:SECRET@127.0.0.1:9', token: 'SECRET', maxOrigins: 5 })
const ofProxies = 'reuse: fifo, headersTimeout: 0, maxOrigins: 5, timeouts.total: 5000, origins: 0'
const agents = `[\n  Agent, ${ofProxies},\n  ${member}\n]`
const env = new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: '', connections: 2, token: 'SECRET' })
const unconnected = "connected: false, pending: 0, running: 0, size: 0 [ 'not connected' ]"

for (const [title, dispatcher, text] of [
  ['a Client', new Client(unused, { parser: 'js' }), `Client ${unused}, parser: js, ${unconnected}`],
  ['a Client with defaults', new Client(unused, { pipelining: 1 }), `Client ${unused}, ${unconnected}`],
  ['a Pool', pool, ofPool],
  ['a composed Pool', pool.compose(interceptors.dump()), ofPool],
  ['a RoundRobinPool', new RoundRobinPool(unused), `RoundRobinPool ${unused}, ${none}`],
  ['an Agent', new Agent({ connections: 2 }), 'Agent, connections: 2, origins: 0'],
  ['a RetryAgent', retried, ofPool.replace('Pool', 'RetryAgent')],
  ['a ProxyAgent', proxied, `ProxyAgent, ${ofProxies} ${agents}`],
  ['an EnvHttpProxyAgent', env, 'EnvHttpProxyAgent, connections: 2, origins: 0 [ Agent, connections: 2, origins: 0 ]'],
  ['the global dispatcher', getGlobalDispatcher(), 'Agent, origins: 0'],
  [
    'a BalancedPool',
    balanced,
    `BalancedPool, ${shown.replace('timeouts', 'strategy: peak-ewma, timeouts')}, ${none} [\n  ${unused}, weight: 100, healthy [\n    ${member}\n  ]\n]`,
  ],
] as const) {
  t.test(`util.inspect shows origin, changed options, counters and parts of ${title}`, async (t) => {
    t.equal(textOf(dispatcher), text)
    t.equal(String(dispatcher), text.replace(/ \[[\s\S]*/, ''), 'as text: in one line')
    t.notMatch(inspect(dispatcher, { depth: 20, showHidden: true }), /SECRET|_events|kCapture/)
  })
}

t.test('util.inspect shows the clients and connections of a pool as deep as `depth` allows', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const pool = new Pool(origin.url, { connections: 3, headersTimeout: 1000 })
  await (await pool.request(get)).body.dump()
  const line = `Pool ${origin.url}, connections: 3, headersTimeout: 1000, ${one}`
  const client = `Client ${origin.url}, connected: true, pending: 0, running: 0, size: 0`
  const connection = "[ '# idle for … ms; 0 in flight, 1 sent' ]"
  t.equal(textOf(pool), `${line} [\n  ${client} ${connection}\n]`)
  t.equal(textOf(pool, { depth: 0 }), `${line} [\n  ${client}\n]`)
  t.equal(textOf({ a: { pool } }, { depth: 0 }), '{ a: [Object] }')
  t.equal(textOf({ pool }, { depth: 0 }), `{\n  pool: ${line}\n}`)
  t.equal(textOf(pool, { depth: null, compact: false, breakLength: 200 }).split('\n').length, 5)
  t.equal(textOf(pool, { breakLength: Number.POSITIVE_INFINITY }), `${line} [ ${client} ${connection} ]`)
  t.match(inspect(pool, { colors: true }), '\u001b[36mPool ')
  t.same(JSON.parse(JSON.stringify(pool.stats)), { connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0 })
  t.match(inspect(pool.stats), /^PoolStats \{\s+connected: 1,/)
  await pool.close()
  t.match(String(pool), /, destroyed$/)
  await origin.close()
})

t.test('util.inspect shows what Node.js shows of prototypes, and of dispatchers without a core', async (t) => {
  class Own extends Dispatcher {
    readonly name = 'own'
  }
  t.match(inspect(new Own()), /^Own \{[\s\S]*name: 'own'/)
  t.equal(String(new Own()), '[object Object]')
  t.equal(inspect(Pool.prototype), 'OriginPool {}')
  t.match(inspect(new Pool(unused, { factory: () => new Own() })), none)
})

/** Balances between an origin that responds and one that does not, until `done` accepts the text of the second. */
async function failing(options: BalancedPoolOptions, done: RegExp): Promise<string> {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const pool = new BalancedPool([origin.url, unused], options)
  let line = ''
  for (let i = 0; i < 200 && !done.test(line); i++) {
    await pool.request(get).then(
      ({ body }) => body.dump(),
      () => {},
    )
    line = pool
      .inspect()
      .split('\n')
      .find((text) => text.startsWith(`  ${unused}`)) as string
    if (!inspect(pool).includes(line.trim())) line = 'inspect() and util.inspect differ'
  }
  await pool.destroy()
  await origin.close()
  return line
}

t.test('inspect of a BalancedPool shows weight and state of its upstreams', async (t) => {
  const outlierDetection = new OutlierDetection({ consecutiveFailures: 2 })
  t.match(await failing({ outlierDetection }, /failing/), `  ${unused}, weight: 85, failing: 1 in a row`)
  t.match(await failing({ outlierDetection }, /ejected/), /weight: (70|85), ejected, (29|30) s left$/)
  const healthCheck = new HealthCheck({ interval: 1, unhealthyThreshold: 1000 })
  t.match(await failing({ healthCheck }, /failing/), /, failing: \d+ health checks in a row$/)
  const strict = new HealthCheck({ interval: 1, unhealthyThreshold: 1 })
  t.match(await failing({ healthCheck: strict }, /ejected/), /, ejected by health checks$/)
  const watcher = {
    panicThreshold: 0,
    watch: (setEjected: (upstream: never, ejected: boolean) => void) => ({
      joined: (upstream: { origin: string }) => setEjected(upstream as never, upstream.origin === unused),
      left() {},
      stop() {},
    }),
  }
  t.match(await failing({ outlierDetection: watcher as never }, /ejected/), /weight: 100, ejected$/)
  const added = new BalancedPool([], { slowStart: 60_000 }).addUpstream(unused)
  t.match(added.inspect(), `  ${unused}, weight: 10, healthy, slow start\n`)
  await added.close()
})

t.test('inspect of a BalancedPool shows removed upstreams by their pools', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.write('ok'))
  const pool = new BalancedPool(origin.url)
  const { body } = await pool.request(get)
  pool.removeUpstream(origin.url)
  t.match(
    inspect(pool),
    `[\n  Pool ${origin.url}, connected: 1, free: 0, pending: 0, queued: 0, running: 1, size: 1, closed [`,
  )
  body.on('error', () => {}).destroy()
  await pool.close()
  await origin.close()
})

t.test('util.inspect shows the state of a response body in one line', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.setHeader('content-length', 2).end('ok'))
  const response = await request(origin.url)
  t.match(inspect(response), /body: BodyReadable \{\s+contentLength: '2',\s+bodyUsed: false,/)
  t.equal(await response.body.text(), 'ok', 'does not use the body')
  t.match(inspect(response.body), /bodyUsed: true,\s+ended: true,\s+destroyed: \w+\s+\}$/)
  t.doesNotThrow(() => inspect(Object.getPrototypeOf(response.body)))
  await getGlobalDispatcher().close()
  await origin.close()
})
