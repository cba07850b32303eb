import { setImmediate as tick } from 'node:timers/promises'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  buildConnector,
  Client,
  dnsUpstreams,
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
} from '../../lib/index.js'
import { documentedOptions } from '../documents/options/names.js'
import { httpOrigin } from '../servers/origin.js'

const url = 'http://127.0.0.1:1'
const warnings: (Error & { code?: string })[] = []
process.on('warning', (warning) => warnings.push(warning))

/** Returns the messages of the warnings that `act` causes. */
async function warningsOf(act: () => unknown): Promise<string[]> {
  warnings.length = 0
  await act()
  // Warnings are emitted in the next tick.
  await tick()
  for (const { code } of warnings) if (code !== 'SLUICE_UNKNOWN_OPTION') throw new Error(`another warning: ${code}`)
  return warnings.map(({ message }) => message)
}

const any = (options: object) => options as never

t.test('objects that only sluice has reject unknown options', async (t) => {
  const cases: Record<string, () => unknown> = {
    'timeouts.totl is not an option: use total': () => new Client(url, { timeouts: any({ totl: 1 }) }),
    'timeouts.request is not an option: use queue, connect, headers, body, total, deadline': () =>
      new Agent({ timeouts: any({ request: 1 }) }),
    'hedge.maxHedge is not an option: use maxHedges': () => interceptors.hedge(any({ delay: 1, maxHedge: 2 })),
    'budget.Ratio is not an option: use ratio, minPerSecond': () =>
      interceptors.hedge({ delay: 1, budget: any({ x: 1 }) }),
    'retryBudget.rato is not an option: use ratio': () => interceptors.retry({ retryBudget: any({ rato: 1 }) }),
    'HealthCheck.pth is not an option': () => new HealthCheck(any({ pth: '/' })),
    'OutlierDetection.consecutiveFailure is not an option: use consecutiveFailures': () =>
      new OutlierDetection(any({ consecutiveFailure: 1 })),
    'leastRequests.rnd is not an option: use random': () => leastRequests(any({ rnd: Math.random })),
    'peakEwma.decay is not an option': () => peakEwma(any({ decay: 1 })),
    'upstream.wieght is not an option: use weight': () => new BalancedPool([any({ origin: url, wieght: 2 })]),
    'upstream.authorty is not an option: use authority': () =>
      new BalancedPool().addUpstream(url, any({ authorty: 'a' })),
    'dnsUpstreams.minTtl is not an option: use minTTL': () => dnsUpstreams('http://a.test', any({ minTtl: 1 })),
  }
  for (const [message, make] of Object.entries(cases)) {
    const start = message.replace('Ratio', 'x')
    t.throws(make, { code: 'UND_ERR_INVALID_ARG', message: new RegExp(`^${start}`) })
  }
  const client = new Client(url)
  const sent = client.request({ path: '/', method: 'GET', timeouts: any({ totl: 1 }) })
  await t.rejects(sent, { code: 'UND_ERR_INVALID_ARG', message: 'timeouts.totl is not an option: use total' })
  const passed = { delay: 1, maxHedge: undefined }
  t.doesNotThrow(() => interceptors.hedge(any(passed)), 'undefined means not given')
  t.doesNotThrow(() => interceptors.hedge(any(Object.setPrototypeOf({ delay: 1 }, { inherited: 1 }))))
})

t.test('dispatchers warn once of a misspelled or misplaced option', async (t) => {
  const instead = (name: string, text: string, bag = 'a dispatcher') =>
    `${name} is not an option of ${bag}: use ${text}`
  const cases: [string, string | null, () => unknown][] = [
    ['connection', 'connections', () => new Pool(url, any({ connection: 10 }))],
    ['headerTimeout', 'headersTimeout', () => new Client(url, any({ headerTimeout: 10 }))],
    ['bodytimeout', 'bodyTimeout', () => new Agent(any({ bodytimeout: 10 }))],
    ['keepAliveTiemout', 'keepAliveTimeout', () => new RoundRobinPool(url, any({ keepAliveTiemout: 10 }))],
    ['stratgy', 'strategy', () => new BalancedPool([url], any({ stratgy: 'round-robin' }))],
    ['pipelinig', 'pipelining', () => new ProxyAgent(any({ uri: url, pipelinig: 2 }))],
    ['rejectUnauthorized', 'connect: { … } of the dispatcher', () => new Pool(url, any({ rejectUnauthorized: false }))],
    ['maxSockets', 'connections of a Pool or Agent', () => new Agent(any({ maxSockets: 1 }))],
    ['proxy', 'a ProxyAgent', () => new Agent(any({ proxy: url }))],
  ]
  for (const [name, text, make] of cases) {
    t.strictSame(await warningsOf(make), [instead(name, text as string)])
    t.strictSame(await warningsOf(make), [], 'once')
  }
  const others: [string, () => unknown][] = [
    [instead('proxytls', 'proxyTls', 'a ProxyAgent'), () => new ProxyAgent(any({ uri: url, proxytls: {} }))],
    [
      instead('httpsproxy', 'httpsProxy', 'an EnvHttpProxyAgent'),
      () => new EnvHttpProxyAgent(any({ httpsproxy: url })),
    ],
    [
      instead('ca', 'requestTls for the origin, proxyTls for the proxy', 'a ProxyAgent'),
      () => new ProxyAgent(any({ uri: url, ca: 'x' })),
    ],
    [
      instead('cert', 'requestTls for the origin, proxyTls for the proxy', 'an EnvHttpProxyAgent'),
      () => new EnvHttpProxyAgent(any({ httpProxy: url, cert: 'x' })),
    ],
    [instead('serverName', 'servername', 'connect'), () => new Client(url, { connect: any({ serverName: 'a' }) })],
    [instead('connectTimeout', 'timeout', 'connect'), () => buildConnector(any({ connectTimeout: 1 }))],
    [instead('retries', 'maxRetries', 'interceptors.retry'), () => interceptors.retry(any({ retries: 3 }))],
    [
      instead('statusCode', 'statusCodes', 'interceptors.retry'),
      () => new RetryAgent(new Agent(), any({ statusCode: [1] })),
    ],
    [
      instead('maxRedirection', 'maxRedirections', 'interceptors.redirect'),
      () => interceptors.redirect(any({ maxRedirection: 3 })),
    ],
    [instead('maxsize', 'maxSize', 'interceptors.dump'), () => interceptors.dump(any({ maxsize: 3 }))],
    [instead('maxSiz', 'maxSize', 'interceptors.responseError'), () => interceptors.responseError(any({ maxSiz: 3 }))],
    [
      instead('skipStatusCode', 'skipStatusCodes', 'interceptors.decompress'),
      () => interceptors.decompress(any({ skipStatusCode: [] })),
    ],
    [instead('maxTtl', 'maxTTL', 'interceptors.dns'), () => interceptors.dns(any({ maxTtl: 3 }))],
  ]
  for (const [message, make] of others) t.strictSame(await warningsOf(make), [message])
})

t.test('requests warn of a misspelled or misplaced option', async (t) => {
  const origin = await httpOrigin((_request, response) => void response.end())
  const client = new Client(origin.url, { pipelining: 20 })
  const send = async (more: object) => {
    const { body } = await client.request({ path: '/', method: 'GET', ...more })
    await body.dump()
  }
  for (const [name, message] of [
    ['bodyTimout', 'bodyTimout is not an option of a request: use bodyTimeout'],
    [
      'timeout',
      'timeout is not an option of a request: use timeouts: { total }, or connect: { timeout } of the dispatcher',
    ],
    ['json', 'json is not an option of a request: use body: JSON.stringify(value)'],
  ] as const) {
    t.strictSame(await warningsOf(() => send({ [name]: 1000 })), [message])
    t.strictSame(await warningsOf(() => send({ [name]: 1000 })), [], 'once')
  }
  t.strictSame(await warningsOf(() => send(Object.create({ headrs: {} }))), [], 'inherited options are not checked')
  for (let sent = 0; sent < 50; sent++) await send({})
  const later = () => Promise.all(Array.from({ length: 1024 }, () => send({ heders: {} })))
  t.strictSame(await warningsOf(later), ['heders is not an option of a request: use headers'], 'one of 1024 is checked')
  await client.close()
  await origin.close()
})

t.test('documented options, those of Node and those of other libraries cause no warning', async (t) => {
  const ofDispatcher = ['Client', 'Pool', 'RoundRobinPool', 'Agent']
  const tls = `ALPNProtocols SNICallback allowHalfOpen allowPartialTrustChain blockList ca cert checkServerIdentity
    ciphers clientCertEngine crl dhparam ecdhCurve enableTrace family fd hints honorCipherOrder host keepAlive key lookup
    localAddress localPort maxVersion minDHSize minVersion noDelay passphrase path pfx port privateKeyEngine
    privateKeyIdentifier pskCallback readable rejectUnauthorized requestCert requestOCSP secureContext secureOptions
    secureProtocol servername session sessionIdContext sessionTimeout signal sigalgs ticketKeys timeout writable`
  const attempt = (make: () => unknown) => {
    try {
      return make()
    } catch {
      // The value may be of the wrong type; names are checked before.
    }
  }
  for (const documented of documentedOptions()) {
    const [group, , name] = documented.split('.') as [string, string, string]
    const given = any({ [name]: 1 })
    const make = ofDispatcher.includes(group)
      ? () => new Client(url, given)
      : group === 'ProxyAgent'
        ? () => new ProxyAgent(any({ uri: url, [name]: 1 }))
        : group === 'EnvHttpProxyAgent'
          ? () => new EnvHttpProxyAgent(given)
          : group === 'RetryHandler'
            ? () => interceptors.retry(given)
            : () => buildConnector(group === 'buildConnector' ? given : {})
    t.strictSame(await warningsOf(() => attempt(make)), [], documented)
  }
  for (const name of tls.split(/\s+/)) {
    t.strictSame(await warningsOf(() => attempt(() => buildConnector(any({ [name]: 'x' })))), [], name)
  }
  const foreign = { interceptors: {}, agentId: 1, tags: [], retry: 1, url, meta: {}, requestId: 1, httpVersion: 2 }
  t.strictSame(await warningsOf(() => new Agent(any(foreign))), [])
})
