// Every option that undici's types declare: its effect in sluice.

import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  EnvHttpProxyAgent,
  interceptors,
  Pool,
  ProxyAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { proxyServer } from '../servers/proxy.js'
import { clientProbes, type Make, poolProbes } from './options/client-probes.js'
import { connectorProbes } from './options/connector-probes.js'
import { interceptorProbes } from './options/interceptor-probes.js'
import { documentedOptions } from './options/names.js'
import { answer, served, using } from './options/probe.js'
import { requestProbes } from './options/request-probes.js'
import { idle, refused } from './options/without-effect.js'

const proxy = await proxyServer()

const pools: Record<string, Make> = {
  Pool: (url, options) => new Pool(url, options),
  RoundRobinPool: (url, options) => new RoundRobinPool(url, options),
  BalancedPool: (url, options) => new BalancedPool(url, options),
  Agent: (_url, options) => new Agent(options),
  EnvHttpProxyAgent: (_url, options) => new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: '', ...options }),
}
const makers: Record<string, Make> = { Client: (url, options) => new Client(url, options) }
for (const [name, make] of Object.entries(pools)) {
  makers[name] = (url, options) => make(url, { connections: 1, ...options })
}
const proxies: Record<string, Make> = {
  ProxyAgent: (_url, options) => new ProxyAgent({ uri: proxy.url, ...options }),
  'ProxyAgent with proxyTunnel': (_url, options) => new ProxyAgent({ uri: proxy.url, proxyTunnel: true, ...options }),
  'EnvHttpProxyAgent with a proxy': (_url, options) =>
    new EnvHttpProxyAgent({ httpProxy: proxy.url, httpsProxy: '', noProxy: '', ...options }),
}
const limits = ['maxHeaderSize', 'headersTimeout', 'bodyTimeout', 'maxResponseSize', 'strictContentLength']
const limitProbes = Object.fromEntries(Object.entries(clientProbes).filter(([name]) => limits.includes(name)))

for (const [probes, of, dispatchers] of [
  [clientProbes, 'of a Client', makers],
  [poolProbes, 'of a Pool', pools],
  [limitProbes, 'that limits requests', proxies],
] as const) {
  for (const [dispatcher, make] of Object.entries(dispatchers)) {
    t.test(`every option ${of} has its effect in: ${dispatcher}`, async (t) => {
      const checks = Object.entries(probes).map(async ([option, probe]) => {
        t.equal(await probe.observe(make, {}), probe.without, `without ${option}`)
        t.equal(await probe.observe(make, { [option]: probe.given }), probe.with, `with ${option}`)
      })
      await Promise.all(checks)
    })
  }
}

const nameOf = (option: string) => option.slice(option.lastIndexOf('.') + 1)
const probes = { ...requestProbes, ...interceptorProbes, ...connectorProbes }

for (const [option, probe] of Object.entries(probes)) {
  t.test(`${option} has its effect`, async (t) => {
    t.equal(await probe.observe({}), probe.without, 'without')
    t.equal(await probe.observe({ [nameOf(option)]: probe.given }), probe.with, 'with')
  })
}

t.test('Agent.Options.maxOrigins limits the origins of an Agent', async (t) => {
  const observe = (options: object) =>
    served(
      (_request, reply) => void reply.end('x'),
      ({ url, port }) =>
        using(new Agent(options), async (agent) => {
          await answer(agent, { origin: url })
          return answer(agent, { origin: `http://localhost:${port}` })
        }),
    )
  t.equal(await observe({}), 'x')
  t.equal(await observe({ maxOrigins: 1 }), 'UND_ERR_MAX_ORIGINS_REACHED')
})

t.test('every option that undici declares has its effect, is rejected, or is listed as without effect', async (t) => {
  const inPools = Object.keys(poolProbes).flatMap((name) => [`Pool.Options.${name}`, `RoundRobinPool.Options.${name}`])
  const known = [
    ...Object.keys(clientProbes).map((name) => `Client.Options.${name}`),
    ...inPools,
    ...['Agent.Options.factory', 'Agent.Options.maxOrigins'],
    ...Object.keys(probes),
    ...Object.values(idle).flat(),
    ...Object.keys(refused),
  ]
  t.strictSame(documentedOptions().sort(), known.sort())
})

t.test('options without effect are accepted and listed in the README', async (t) => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const [, section = ''] = /### Options without effect\n(.*?)\n#/s.exec(readme) ?? []
  const listed = [...section.matchAll(/`(\w+)`/g)].map(([, name]) => name)
  for (const option of Object.values(idle).flat()) t.ok(listed.includes(nameOf(option)), option)

  const client = {
    allowH2: true,
    h2Options: { maxConcurrentStreams: 1, connectionWindowSize: 1, pingInterval: 1, settings: {}, useH2c: false },
    maxConcurrentStreams: 1,
    initialWindowSize: 1,
    connectionWindowSize: 1,
    pingInterval: 1,
    webSocket: { maxFragments: 1, maxPayloadSize: 1 },
    eventSource: { maxEventSize: 1 },
    useMilo: true,
    connect: { allowH2: true, preferH2: true, host: 'nowhere.test', hostname: 'nowhere.test', ALPNProtocols: ['x'] },
  }
  const ofProxies = { connect: () => t.fail('called'), tls: { host: 'nowhere.test' } }
  for (const [dispatcher, make] of Object.entries({ ...makers, ...proxies })) {
    const options = dispatcher in proxies ? { ...client, ...ofProxies } : client
    const seen = await served(
      (request, reply) => void reply.end(request.httpVersion),
      ({ url }) => using(make(url, options), (made) => answer(made, { origin: url })),
    )
    t.equal(seen, '1.1')
  }
  t.doesNotThrow(() => interceptors.responseError({ throwOnError: false } as never))
})

t.test('unsupported options are rejected by name', async (t) => {
  for (const [option, value] of Object.entries(refused)) {
    const name = nameOf(option)
    const given = option.startsWith('Client.H2Options')
      ? [{ [name]: value }, { h2Options: { [name]: value } }]
      : [{ [name]: value }]
    for (const options of given) {
      for (const [dispatcher, make] of Object.entries({ ...makers, ...proxies })) {
        t.throws(() => make('http://localhost', options), { message: new RegExp(name) }, `${name} of ${dispatcher}`)
      }
    }
  }
})

t.test('forwarded and tunneled requests go through the proxy', async (t) => {
  t.ok(proxy.forwards.length > 0)
  t.ok(proxy.connects.length > 0)
  await proxy.close()
})
