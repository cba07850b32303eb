import { once } from 'node:events'
import t, { type Test } from 'tap'
import { Agent, type Dispatcher, EnvHttpProxyAgent, errors } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin } from '../servers/origin.js'
import { type ProxyServer, proxyServer } from '../servers/proxy.js'

const ca = await authority()
const identity = await serverIdentity(ca)
const requestTls = { ca: ca.cert }
const NAMES = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'REQUEST_METHOD']

function setEnvironment(variables: Record<string, string>): void {
  for (const name of NAMES) delete process.env[name]
  Object.assign(process.env, variables)
}

const before = Object.fromEntries(
  NAMES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
)
t.before(() => setEnvironment({}))
t.after(() => setEnvironment(before))

async function peers() {
  const plain = await httpOrigin((_request, reply) => reply.end('plain'))
  const secure = await httpsOrigin((_request, reply) => reply.end('secure'), identity)
  const [one, two] = [await proxyServer(), await proxyServer()]
  const close = () => Promise.all([plain.close(), secure.close(), one.close(), two.close()])
  return { plain, secure, one, two, close }
}

async function get(agent: Dispatcher, origin: string): Promise<string> {
  const { body } = await agent.request({ origin, path: '/', method: 'GET' })
  return body.text()
}

const used = (proxy: ProxyServer) => [proxy.forwards.length, proxy.connects.length]

/** Which proxy a request to the plain and to the secure origin goes through. */
async function ways(t: Test, peer: Awaited<ReturnType<typeof peers>>, options: object): Promise<string> {
  const agent = new EnvHttpProxyAgent({ requestTls, connect: requestTls, ...options })
  const taken: string[] = []
  for (const origin of [peer.plain.url, peer.secure.url]) {
    const [one, two] = [used(peer.one), used(peer.two)]
    t.equal(await get(agent, origin), origin === peer.plain.url ? 'plain' : 'secure')
    const through = (now: number[], then: number[]) => now.join() !== then.join()
    taken.push(through(used(peer.one), one) ? 'one' : through(used(peer.two), two) ? 'two' : 'direct')
  }
  await agent.close()
  return taken.join(' ')
}

t.test('lower-case variables take precedence, and HTTP_PROXY is ignored in CGI programs', async (t) => {
  const peer = await peers()
  const [one, two] = [peer.one.url, peer.two.url]
  const bare = `127.0.0.1:${peer.one.port}`
  const cases: [Record<string, string>, object, string][] = [
    [{}, {}, 'direct direct'],
    [{ http_proxy: one }, {}, 'one one'],
    [{ https_proxy: one }, {}, 'direct one'],
    [{ http_proxy: one, https_proxy: two }, {}, 'one two'],
    [{ HTTP_PROXY: one }, {}, 'one one'],
    [{ HTTPS_PROXY: two, HTTP_PROXY: one }, {}, 'one two'],
    [{ http_proxy: one, HTTP_PROXY: two }, {}, 'one one'],
    [{ http_proxy: '', HTTP_PROXY: two }, {}, 'direct direct'],
    [{ http_proxy: one, https_proxy: '', HTTPS_PROXY: two }, {}, 'one one'],
    [{ http_proxy: one }, { httpProxy: two }, 'two two'],
    [{ http_proxy: one }, { httpProxy: new URL(two) }, 'two two'],
    [{}, { httpProxy: new URL(one), httpsProxy: new URL(two) }, 'one two'],
    [{ http_proxy: one }, { httpProxy: '' }, 'direct direct'],
    [{ http_proxy: one, https_proxy: one }, { httpsProxy: two }, 'one two'],
    [{}, { httpsProxy: two }, 'direct two'],
    [{ http_proxy: bare }, {}, 'one one'],
    [{ http_proxy: `  ${one} ` }, {}, 'one one'],
    [{ http_proxy: `localhost:${peer.one.port}` }, {}, 'one one'],
    [{ http_proxy: one, no_proxy: '127.0.0.1' }, {}, 'direct direct'],
    [{ http_proxy: one, NO_PROXY: '127.0.0.1' }, {}, 'direct direct'],
    [{ http_proxy: one, no_proxy: 'x', NO_PROXY: '127.0.0.1' }, {}, 'one one'],
    [{ http_proxy: one, no_proxy: '', NO_PROXY: '127.0.0.1' }, {}, 'one one'],
    [{ http_proxy: one, no_proxy: '127.0.0.1' }, { noProxy: 'x' }, 'one one'],
    [{ http_proxy: one, no_proxy: '127.0.0.1' }, { noProxy: '' }, 'one one'],
    [{ http_proxy: one }, { noProxy: '*' }, 'direct direct'],
    [{ http_proxy: one, no_proxy: `127.0.0.1:${peer.secure.port}` }, {}, 'one direct'],
    [{ HTTP_PROXY: one, REQUEST_METHOD: 'GET' }, {}, 'direct direct'],
    [{ http_proxy: one, REQUEST_METHOD: 'GET' }, {}, 'one one'],
  ]
  for (const [variables, options, expected] of cases) {
    setEnvironment(variables)
    t.equal(await ways(t, peer, options), expected, JSON.stringify([variables, options]))
  }
  setEnvironment({})
  await peer.close()
})

t.test('the constructor reads the proxies, each request reads no_proxy', async (t) => {
  const peer = await peers()
  const early = new EnvHttpProxyAgent()
  setEnvironment({ http_proxy: peer.one.url })
  await get(early, peer.plain.url)
  t.strictSame(used(peer.one), [0, 0])
  const agent = new EnvHttpProxyAgent()
  const fixed = new EnvHttpProxyAgent({ noProxy: 'x' })
  setEnvironment({ http_proxy: peer.two.url })
  await get(agent, peer.plain.url)
  t.strictSame(used(peer.one), [1, 0])
  process.env.no_proxy = '127.0.0.1'
  await get(agent, peer.plain.url)
  t.strictSame(used(peer.one), [1, 0], 'a change of no_proxy applies to a running agent')
  await get(fixed, peer.plain.url)
  t.strictSame(used(peer.one), [2, 0], 'the noProxy option takes precedence')
  delete process.env.no_proxy
  await get(agent, peer.plain.url)
  t.strictSame(used(peer.one), [3, 0])
  t.strictSame(used(peer.two), [0, 0])
  t.match(agent.stats[peer.plain.url], { connected: 1, free: 1 })
  await Promise.all([early.close(), agent.close(), fixed.close()])
  setEnvironment({})
  await peer.close()
})

t.test('options are passed to the internal agents', async (t) => {
  const peer = await peers()
  const strict = await proxyServer({ authorization: 'Bearer t' })
  const made: string[] = []
  const agent = new EnvHttpProxyAgent({
    httpProxy: strict.url,
    noProxy: 'localhost',
    token: 'Bearer t',
    proxyTunnel: true,
    connections: 0,
    factory(origin, options) {
      made.push(`${new URL(origin).origin} ${'token' in options}`)
      return new Agent().compose((dispatch) => (request, handler) => dispatch({ ...request, origin }, handler))
    },
    clientFactory(origin) {
      return new Agent().compose((dispatch) => (request, handler) => dispatch({ ...request, origin }, handler))
    },
  })
  await get(agent, peer.plain.url)
  await get(agent, `http://localhost:${peer.plain.port}`)
  t.strictSame(made, [`${peer.plain.url} false`, `http://localhost:${peer.plain.port} false`])
  await agent.close()
  const other = new EnvHttpProxyAgent({ httpProxy: strict.url, token: 'Bearer t', proxyTunnel: true })
  await get(other, peer.plain.url)
  t.strictSame(used(strict), [0, 1])
  await other.close()
  await Promise.all([peer.close(), strict.close()])
})

t.test('events, drain, close and destroy', async (t) => {
  const peer = await peers()
  const agent = new EnvHttpProxyAgent({ httpProxy: peer.one.url, noProxy: 'localhost', connections: 1 })
  const drained = once(agent, 'drain')
  const connected: boolean[] = []
  agent.on('connect', (_origin, targets) => connected.push(targets[0] === agent))
  await get(agent, peer.plain.url)
  await get(agent, `http://localhost:${peer.plain.port}`)
  t.strictSame(connected, [true, true])
  t.equal(((await drained)[0] as URL).origin, peer.plain.url)
  t.strictSame(Object.keys(agent.stats).sort(), [peer.plain.url, `http://localhost:${peer.plain.port}`].sort())
  const last = get(agent, peer.plain.url)
  await agent.close()
  t.equal(await last, 'plain')
  t.equal(agent.destroyed, true)
  await t.rejects(get(agent, peer.plain.url), errors.ClientDestroyedError)
  const another = new EnvHttpProxyAgent({ httpProxy: peer.one.url })
  const failed = t.rejects(get(another, peer.plain.url), { message: 'enough' })
  await another.destroy(new Error('enough'))
  await failed
  await peer.close()
})

t.test('rejects invalid options, proxies and origins', async (t) => {
  for (const options of [
    null,
    5,
    { httpProxy: 5 },
    { httpsProxy: {} },
    { noProxy: 5 },
    { token: 'a', auth: 'b', httpProxy: 'http://x' },
  ]) {
    t.throws(() => new EnvHttpProxyAgent(options as object), errors.InvalidArgumentError, JSON.stringify(options))
  }
  for (const name of ['http_proxy', 'https_proxy']) {
    for (const value of ['ftp://user:secret@x', 'http://user:secret@x:99999', 'user:secret@x/path']) {
      setEnvironment({ [name]: value })
      try {
        new EnvHttpProxyAgent()
        t.fail(value)
      } catch (error) {
        t.match(error, { code: 'UND_ERR_INVALID_ARG', message: new RegExp(`^${name}: uri must`) })
        t.notMatch((error as Error).message, /secret/)
      }
    }
  }
  setEnvironment({})
  const agent = new EnvHttpProxyAgent({
    httpProxy: 'my.proxy.server:8080',
    httpsProxy: 'my.proxy.server:8443',
    noProxy: 'localhost',
  })
  for (const origin of [undefined, '', 'x', 5]) {
    const options = { origin: origin as string, path: '/', method: 'GET' as const }
    await t.rejects(agent.request(options), errors.InvalidArgumentError, String(origin))
  }
  await agent.close()
})

t.test(
  'maxTotalConnections of an EnvHttpProxyAgent counts direct connections and those to proxies together',
  async (t) => {
    const proxy = await proxyServer()
    const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
    const other = await httpOrigin((_request, reply) => void reply.end('ok'))
    const noProxy = new URL(origin.url).host
    const agent = new EnvHttpProxyAgent({ httpProxy: proxy.url, noProxy, maxTotalConnections: 1 })
    const statuses: number[] = []
    for (const url of [origin.url, other.url, origin.url]) {
      const { statusCode, body } = await agent.request({ origin: url, path: '/', method: 'GET' })
      await body.dump()
      statuses.push(statusCode)
      const connected = Object.values(agent.stats).reduce((sum, stats) => sum + Number(stats.connected), 0)
      t.equal(connected, 1, 'the idle connection of the other dispatcher is closed')
    }
    t.strictSame(statuses, [200, 200, 200])
    agent.closeIdle()
    await agent.close()
    await Promise.all([proxy.close(), origin.close(), other.close()])
  },
)
