import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import * as sluice from '../../lib/index.js'
import { BalancedPool, Client, Pool } from '../../lib/index.js'
import { event, httpOrigin, rawOrigin } from '../servers/origin.js'
import { undiciHere } from './installed-undici.js'
import { type Outcome, outcomes, values } from './numeric-options.js'

const program = fileURLToPath(new URL('./numeric-options.js', import.meta.url))
const get = { path: '/', method: 'GET' }

/** Accepted values, and the options that accept exactly these. null and undefined mean the default. */
const taken: [string[], string[]][] = [
  [
    ['10'],
    [
      'Client.maxHeaderSize Client.autoSelectFamilyAttemptTimeout',
      'Agent.maxTotalConnections Agent.maxConnectionsPerOrigin hedge.maxHedges',
    ],
  ],
  [
    ['10', '1.5'],
    [
      'Client.keepAliveTimeout Client.keepAliveMaxTimeout dump.maxSize',
      'Client.maxConnectionAge addUpstream.weight hedge.percentile',
      'OutlierDetection.baseEjectionTime OutlierDetection.consecutiveFailures OutlierDetection.interval',
      'HealthCheck.interval HealthCheck.timeout HealthCheck.healthyThreshold',
      'retry.retryBudget.ratio retry.retryBudget.minPerSecond',
    ],
  ],
  [['10', '1.5', 'Infinity'], ['Agent.maxOrigins dns.maxItems']],
  [
    ['10', '0'],
    [
      'Client.maxCachedSessions Client.maxRequestsPerClient connect.maxCachedSessions connect.typeOfService',
      'request.typeOfService request.highWaterMark request.maxRedirections redirect.maxRedirections',
      'decompress.maxSize responseError.maxSize',
      'Client.maxQueued Pool.maxQueued Pool.minConnections Pool.maxIdleConnections',
    ],
  ],
  [['10', '0', '-1'], ['Client.maxResponseSize']],
  [
    ['10', '1.5', '0'],
    [
      'Pool.connections RoundRobinPool.connections BalancedPool.connections Agent.connections',
      'connect.keepAliveInitialDelay BalancedPool.slowStart hedge.delay',
    ],
  ],
  [['10', '1.5', '0', '-1'], ['Client.keepAliveTimeoutThreshold']],
  [
    ['10', '1.5', '0', 'Infinity'],
    [
      'Client.headersTimeout Client.bodyTimeout Client.connectTimeout request.headersTimeout request.bodyTimeout',
      'dns.maxTTL',
      ...['Client', 'Agent', 'request'].flatMap((place) =>
        ['queue', 'connect', 'headers', 'body', 'total'].map((name) => `${place}.timeouts.${name}`),
      ),
    ],
  ],
  // Strings too, like undici.
  [["'10'", "' 10 '", "'1e1'", "'1.5'", '10', '1.5'], ['BalancedPool.maxWeightPerServer BalancedPool.errorPenalty']],
  [
    ["'10'", "' 10 '", "'1e1'", "'Infinity'", '10', '0', 'Infinity'],
    [
      'Client.pipelining client.pipelining Pool.pipelining RoundRobinPool.pipelining BalancedPool.pipelining Agent.pipelining',
    ],
  ],
  [
    ["'10'", "' 10 '", "'1e1'", "'1.5'", "'Infinity'", '10', '1.5', '0', 'Infinity'],
    [
      'Pool.clientTtl RoundRobinPool.clientTtl BalancedPool.clientTtl Agent.clientTtl connect.timeout',
      'retry.maxRetries retry.minTimeout retry.maxTimeout retry.timeoutFactor',
      'RetryAgent.maxRetries RetryAgent.minTimeout RetryAgent.maxTimeout RetryAgent.timeoutFactor',
    ],
  ],
]

/** Options for which null does not mean the default, like in undici, or that are required. */
const required: Record<string, string[]> = {
  'Agent.maxOrigins': ['null'],
  'responseError.maxSize': ['null'],
  'hedge.delay': ['null', 'undefined'],
}

const expected = new Map<string, Set<string>>()
for (const [labels, options] of taken) {
  for (const option of options.join(' ').split(' ')) {
    const defaults = ['null', 'undefined'].filter((label) => !required[option]?.includes(label))
    expected.set(option, new Set([...labels, ...defaults]))
  }
}

const own = await outcomes(sluice, true)
const shared = await outcomes(sluice, false)

for (const [option, found] of Object.entries({ ...shared, ...own })) {
  t.test(`${option} accepts numbers and rejects other values`, async (t) => {
    const wanted = Object.keys(values).map((label) => [label, expected.get(option)?.has(label) ? 'taken' : 'refused'])
    t.strictSame(found, Object.fromEntries(wanted))
  })
}

t.test('covers every listed numeric option', async (t) => {
  t.strictSame([...expected.keys()].sort(), [...Object.keys(shared), ...Object.keys(own)].sort())
})

/** Numbers that undici accepts and sluice rejects. */
const stricter: Record<string, string[]> = {
  // undici refuses Infinity for a Pool, whose option this is.
  'Agent.connections': ['Infinity'],
  'BalancedPool.connections': ['Infinity'],
  // undici treats 0 as the default and accepts any weight.
  'BalancedPool.maxWeightPerServer': ['0', 'Infinity', "'Infinity'"],
  'BalancedPool.errorPenalty': ['0', 'Infinity', "'Infinity'"],
  'connect.keepAliveInitialDelay': ['Infinity'],
  'Client.pipelining': ['1.5', "'1.5'"],
  'client.pipelining': ['1.5', "'1.5'"],
  'Pool.pipelining': ['1.5', "'1.5'"],
  'RoundRobinPool.pipelining': ['1.5', "'1.5'"],
  'BalancedPool.pipelining': ['1.5', "'1.5'"],
  'Agent.pipelining': ['1.5', "'1.5'"],
  // Node rejects it when it is used.
  'Client.autoSelectFamilyAttemptTimeout': ['0'],
}
const numbers = new Set(["'10'", "' 10 '", "'1e1'", "'1.5'", "'Infinity'", '10', '1.5', '0', 'Infinity', 'undefined'])

const stage = await undiciHere()
t.test(
  'accepts every number and numeric string that undici accepts',
  { skip: typeof stage === 'string' && stage },
  async (t) => {
    const { node, library } = stage as Exclude<typeof stage, string>
    const { stdout } = await promisify(execFile)(node, [program, library.href], {
      env: { PATH: process.env.PATH, NODE_V8_COVERAGE: '' },
      maxBuffer: 1e7,
    })
    const beside: Record<string, Record<string, Outcome>> = JSON.parse(
      stdout.split('\n').find((line) => line.startsWith('{')) as string,
    )
    t.strictSame(Object.keys(beside), Object.keys(shared))
    for (const [option, found] of Object.entries(beside)) {
      const refused = [...numbers].filter((label) => found[label] === 'taken' && shared[option]?.[label] !== 'taken')
      t.strictSame(refused.sort(), (stricter[option] ?? []).sort(), option)
    }
  },
)

t.test('a numeric string for pipelining sets the number of pipelined requests', async (t) => {
  const seen: string[] = []
  const origin = await rawOrigin((socket) => {
    socket.on('data', (data) => {
      seen.push(...(String(data).match(/GET/g) ?? []))
      if (seen.length < 3) return
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx'.repeat(3))
    })
  })
  for (const make of [
    () => new Client(origin.url, { pipelining: '3' as never }),
    () => Object.assign(new Client(origin.url), { pipelining: '3' }),
    () => new Pool(origin.url, { connections: 1, pipelining: '3' as never }),
    () => new sluice.Agent({ connections: 1, pipelining: '3' as never }),
  ]) {
    const dispatcher = make()
    if (dispatcher instanceof Client) t.equal(dispatcher.pipelining, 3)
    const responses = [1, 2, 3].map(() => dispatcher.request({ ...get, origin: origin.url }))
    for (const one of responses) t.equal(await (await one).body.text(), 'x')
    t.equal(seen.splice(0).length, 3)
    await dispatcher.close()
  }
  await origin.close()
})

t.test('a numeric string for clientTtl closes the client after that time', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const pool = new Pool(origin.url, { clientTtl: '20' as never })
  const disconnected = event(pool, 'disconnect')
  await (await pool.request(get)).body.text()
  await disconnected
  t.equal(pool.stats.connected, 0)
  await pool.close()
  await origin.close()
})

t.test('timeout of the connector as a string bounds a connection', async (t) => {
  const silent = await rawOrigin(() => {})
  const client = new Client(silent.url.replace('http:', 'https:'), { connect: { timeout: '20' as never } })
  await t.rejects(client.request(get), { code: 'UND_ERR_CONNECT_TIMEOUT' })
  await client.destroy()
  await silent.close()
})

t.test('weights of a BalancedPool as strings are those of the numbers', async (t) => {
  const orders: string[][] = []
  for (const form of [String, Number]) {
    const order: string[] = []
    const origins = ['http://a', 'http://b']
    const pool = new BalancedPool(origins, {
      maxWeightPerServer: form(100) as never,
      errorPenalty: form(60) as never,
      factory: (origin) => {
        const { host } = origin as URL
        const made = new Client(origin, {
          connect: (_options, callback) => void setImmediate(() => callback(new Error(host), null)),
        })
        return made
      },
    })
    for (let i = 0; i < 12; i++) await pool.request(get).catch((error: Error) => order.push(error.message))
    orders.push(order)
    await pool.destroy()
  }
  t.equal(orders[0]?.length, 12)
  t.strictSame(orders[0], orders[1])
})
