import { inspect } from 'node:util'
import t from 'tap'
import { interceptors, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin, type Origin } from '../servers/origin.js'
import { type ProxyPart, proxyServer, tunnel } from '../servers/proxy.js'
import { type Attack, counted, each } from './catalogue.js'
import { outcome } from './requests-to-attacker.js'

const ca = await authority()
const identity = await serverIdentity(ca)
const tls = { ca: ca.cert }

/** Data that is meant for the proxy or the origin only. */
interface Leak extends Attack {
  /** Origin of the request: plain or TLS. */
  to: 'http:' | 'https:'
  options?: Partial<ProxyAgent.Options>
  /** Response of the origin. Default: `mine`. */
  reply?: { status: number; headers?: Record<string, string> }
  /** Behaviour of the proxy. Default: correct. */
  proxy?: ProxyPart
  /** Outcome of the request. Default: `mine`. */
  sluice?: string
}

const FOR_PROXY = 'proxyword'
const FOR_ORIGIN = 'originword'
const EVIL = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil'
const target = (url: string | undefined): number => Number(/:(\d+)$/.exec(url ?? '')?.[1])

const leaks: Leak[] = [
  { what: 'a tunnel', good: 'sends neither party the credentials of the other', to: 'https:' },
  {
    what: 'a tunnel to a plain origin',
    good: 'sends neither party the credentials of the other',
    to: 'http:',
    options: { proxyTunnel: true },
  },
  {
    what: 'proxy credentials in headers',
    good: 'sends them to the proxy only',
    to: 'https:',
    options: { token: '', headers: { 'proxy-authorization': FOR_PROXY } },
  },
  {
    what: '407 from the origin',
    good: 'treats it as a response',
    to: 'https:',
    reply: { status: 407, headers: { 'proxy-authenticate': 'Basic' } },
    sluice: '407 mine',
  },
  {
    what: '401 from the origin',
    good: 'treats it as a response',
    to: 'https:',
    reply: { status: 401, headers: { 'www-authenticate': 'Basic' } },
    sluice: '401 mine',
  },
  {
    what: 'a proxy that refuses',
    good: 'sends it nothing else',
    to: 'https:',
    proxy: { onConnect: (_request, socket) => Boolean(socket.end('HTTP/1.1 407 No\r\ncontent-length: 4\r\n\r\nevil')) },
    sluice: 'UND_ERR_ABORTED',
  },
  {
    what: 'a proxy that answers CONNECT by a redirect',
    good: 'does not follow',
    to: 'https:',
    proxy: {
      onConnect: (_request, socket) =>
        Boolean(socket.end('HTTP/1.1 302 No\r\nlocation: http://evil.test/\r\ncontent-length: 4\r\n\r\nevil')),
    },
    sluice: 'UND_ERR_ABORTED',
  },
  {
    what: 'a proxy that answers CONNECT by 101',
    good: 'refuses',
    to: 'https:',
    proxy: { onConnect: (_request, socket) => Boolean(socket.end(`HTTP/1.1 101 No\r\n\r\n${EVIL}`)) },
    sluice: 'UND_ERR_PRX_CONN',
  },
  {
    what: 'a proxy that answers CONNECT by the response itself',
    good: 'rejects it, as it is not TLS',
    to: 'https:',
    proxy: {
      onConnect: (_request, socket) => Boolean(socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil${EVIL}`)),
    },
    sluice: '',
  },
  {
    what: 'a proxy that sends bytes before the origin',
    good: 'does not use it as a response',
    to: 'http:',
    options: { proxyTunnel: true },
    proxy: {
      onConnect: (request, socket) => tunnel(socket, { port: target(request.url), greeting: EVIL }) === undefined,
    },
    sluice: 'not evil',
  },
]

async function origins(seen: string[], reply: Leak['reply'] = { status: 200 }): Promise<Record<Leak['to'], Origin>> {
  const listener: Parameters<typeof httpOrigin>[0] = (request, answer) => {
    seen.push(request.rawHeaders.join(' '))
    answer.writeHead(reply.status, reply.headers ?? {}).end('mine')
  }
  return { 'http:': await httpOrigin(listener), 'https:': await httpsOrigin(listener, identity) }
}

t.test('keeps data for the proxy from the origin, and the reverse', (t) =>
  each(t, leaks, async (t, { to, options, reply, proxy: part, sluice = 'mine' }) => {
    const seen: string[] = []
    const all = await origins(seen, reply)
    const proxy = await proxyServer(part)
    const agent = new ProxyAgent({ uri: proxy.url, token: FOR_PROXY, requestTls: tls, ...options })
    const request = {
      origin: all[to].url,
      path: '/',
      method: 'GET',
      headers: { authorization: FOR_ORIGIN, cookie: FOR_ORIGIN },
    }
    const result = await outcome(agent as never, request)
    if (sluice.startsWith('not ')) t.not(result, sluice.slice(4))
    else if (sluice !== '') t.equal(result, sluice)
    else t.match(result, /^(EPROTO|ECONNRESET|ERR_SSL_.*)$/)
    t.ok(proxy.connects.length > 0)
    for (const connect of proxy.connects) {
      t.equal(connect.headers['proxy-authorization'], FOR_PROXY)
      t.notMatch(inspect(connect), FOR_ORIGIN)
    }
    for (const fields of seen) t.notMatch(fields, FOR_PROXY)
    t.equal(proxy.forwards.length, 0)
    await agent.destroy()
    await Promise.all([proxy.close(), all['http:'].close(), all['https:'].close()])
  }),
)

t.test(
  'a redirect to another origin through a proxy sends no credentials of the first origin or of the proxy',
  async (t) => {
    const seen: string[] = []
    const all = await origins(seen)
    const moving = await httpOrigin(
      (_request, answer) => void answer.writeHead(302, { location: all['https:'].url }).end(),
    )
    const proxy = await proxyServer()
    const agent = new ProxyAgent({ uri: proxy.url, token: FOR_PROXY, requestTls: tls })
    const following = agent.compose(interceptors.redirect({ maxRedirections: 1 }))
    const request = { origin: moving.url, path: '/', method: 'GET', headers: { authorization: FOR_ORIGIN } }
    t.equal(await outcome(following as never, request), 'mine')
    t.equal(seen.length, 1)
    t.notMatch(seen[0], new RegExp(`${FOR_ORIGIN}|${FOR_PROXY}`))
    t.notMatch(inspect(proxy.connects), FOR_ORIGIN)
    await agent.destroy()
    await Promise.all([moving, proxy, all['http:'], all['https:']].map((one) => one.close()))
  },
)

t.test('sends nothing to a proxy whose certificate is for another name', async (t) => {
  const proxy = await proxyServer({ tls: await serverIdentity(ca, 'other.example') })
  const agent = new ProxyAgent({ uri: proxy.url, token: FOR_PROXY, proxyTls: tls, requestTls: tls })
  for (const origin of ['http://a.test', 'https://a.test']) {
    t.equal(await outcome(agent as never, { origin, path: '/', method: 'GET' }), 'UND_ERR_PRX_TLS')
  }
  t.strictSame([proxy.connects, proxy.forwards], [[], []])
  await agent.destroy()
  await proxy.close()
})

t.test('README.md has the number of these attacks', counted)
