import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { Agent, type Dispatcher, Pool, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin, type Origin } from '../servers/origin.js'

type Options = ConstructorParameters<typeof Agent>[0]

/** Origin that closes each connection after its response, which has whether a TLS session was resumed. */
async function resuming() {
  const ca = await authority()
  const listener = (
    request: { socket: object },
    reply: { setHeader(...field: string[]): void; end(text: string): void },
  ) => {
    reply.setHeader('connection', 'close')
    reply.end((request.socket as TLSSocket).isSessionReused() ? 'resumed' : 'new')
  }
  const identity = await serverIdentity(ca)
  const origins: Origin[] = await Promise.all([1, 2].map(() => httpsOrigin(listener as never, identity)))
  return { ca: ca.cert, origins }
}

async function once(agent: Agent, origin: string): Promise<string> {
  const { body } = await agent.request({ origin, path: '/', method: 'GET' })
  const text = await body.text()
  while (Object.keys(agent.stats).length > 0) await new Promise(setImmediate)
  return text
}

t.test('resumes the TLS sessions of an origin whose dispatcher was closed', async (t) => {
  const { ca, origins } = await resuming()
  const [{ url }, { url: other }] = origins as [Origin, Origin]
  const agents: Record<string, Options> = {
    'by default': { connect: { ca } },
    'of Clients': { connect: { ca }, connections: 1 },
    'with few connections': { connect: { ca }, maxTotalConnections: 5 },
    'with an option of its own': { connect: { ca }, maxCachedSessions: 5, connectTimeout: 7000 },
    'with a factory': { connect: { ca }, factory: (origin, options) => new Pool(origin, options) },
    'with a factory that adds options': {
      connect: { ca },
      factory: (origin, options) => new Pool(origin, { ...options, connections: 3, pipelining: 2 }),
    },
  }
  for (const [name, options] of Object.entries(agents)) {
    const agent = new Agent(options)
    t.equal(await once(agent, url), 'new', name)
    t.equal(await once(agent, url), 'resumed', name)
    t.equal(await once(agent, other), 'new', name)
    t.equal(await once(agent, url), 'resumed', name)
    await agent.close()
  }
  await Promise.all(origins.map((origin) => origin.close()))
})

t.test('keeps no more TLS sessions than maxCachedSessions, of all origins together', async (t) => {
  const { ca, origins } = await resuming()
  const [{ url }, { url: other }] = origins as [Origin, Origin]
  for (const options of [{ maxCachedSessions: 1, connect: { ca } }, { connect: { ca, maxCachedSessions: 1 } }]) {
    const agent = new Agent(options)
    const seen: string[] = []
    for (const origin of [url, url, other, url, url]) seen.push(await once(agent, origin))
    t.strictSame(seen, ['new', 'resumed', 'new', 'new', 'resumed'])
    await agent.close()
  }
  const none = new Agent({ maxCachedSessions: 0, connect: { ca } })
  t.strictSame([await once(none, url), await once(none, url)], ['new', 'new'])
  await none.close()
  await Promise.all(origins.map((origin) => origin.close()))
})

t.test('resumes no session under other options than it was made with', async (t) => {
  const { ca, origins } = await resuming()
  const { url } = origins[0] as Origin
  let strict = false
  const agent = new Agent({
    connect: { rejectUnauthorized: false },
    factory: (origin, options) => new Pool(origin, strict ? { ...options, tls: { minVersion: 'TLSv1.3' } } : options),
  })
  t.equal(await once(agent, url), 'new')
  t.equal(await once(agent, url), 'resumed')
  strict = true
  t.equal(await once(agent, url), 'new')
  await agent.close()
  const careless = new Agent({
    connect: { rejectUnauthorized: false },
    factory: (origin, options) => new Pool(origin, { ...options, connect: { ca } }),
  })
  t.equal(await once(careless, url), 'new')
  await careless.close()
  await Promise.all(origins.map((origin) => origin.close()))
})

t.test('a request with invalid arguments creates no dispatcher', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const proxy = await httpOrigin((_request, reply) => void reply.end('x'))
  const bad: Record<string, object> = {
    'a header': { headers: { x: 'a\nb' } },
    'a method': { method: 'G T' },
    'a path': { path: 'no slash' },
    'a body': { method: 'POST', body: 5 },
    'a time-out': { headersTimeout: -1 },
    'a length': { method: 'POST', body: 'text', headers: { 'content-length': '9' } },
  }
  const agents: Record<string, () => Dispatcher & { stats: object }> = {
    Agent: () => new Agent({ maxOrigins: 1 }),
    'an Agent of Clients': () => new Agent({ maxOrigins: 1, connections: 1 }),
    'an Agent with a factory': () =>
      new Agent({ maxOrigins: 1, factory: (origin, options) => new Pool(origin, options) }),
    ProxyAgent: () => new ProxyAgent({ uri: proxy.url, maxOrigins: 1 }),
  }
  for (const [name, make] of Object.entries(agents)) {
    const agent = make()
    const ask = (origin: string, options = {}) =>
      agent.request({ origin, path: '/', method: 'GET', ...options } as never)
    for (const [what, options] of Object.entries(bad)) {
      for (const scheme of ['http', 'https']) {
        await t.rejects(ask(`${scheme}://refused.example`, options), { code: /^UND_ERR_/ } as never, `${name}: ${what}`)
      }
      t.strictSame(Object.keys(agent.stats), [], `${name}: ${what}`)
    }
    const { body } = await ask(origin.url)
    t.equal(await body.text(), 'x', name)
    await t.rejects(ask(origin.url, { method: 'G T' }), { code: 'UND_ERR_INVALID_ARG' })
    t.strictSame(Object.keys(agent.stats), [origin.url], 'a dispatcher that completed a request is kept')
    await agent.close()
  }
  await Promise.all([origin.close(), proxy.close()])
})
