import net from 'node:net'
import { Agent, buildConnector, Client, EnvHttpProxyAgent, ProxyAgent } from '../../../lib/index.js'
import { authority, serverIdentity } from '../../servers/certificates.js'
import { httpsOrigin, rawOrigin } from '../../servers/origin.js'
import { type ProxyServer, proxyServer } from '../../servers/proxy.js'
import { clientProbes } from './client-probes.js'
import { answer, type Probe, served, using } from './probe.js'

type Options = Record<string, unknown>
type Name = 'setKeepAlive' | 'setTypeOfService'

/** Returns the arguments of a method call on the socket of a connection. */
const calledWith =
  (name: Name, ofRequest = false) =>
  async (options: Options) => {
    const prototype = net.Socket.prototype as unknown as Record<Name, unknown>
    const original = prototype[name]
    const calls: string[] = []
    prototype[name] = function (this: net.Socket, ...values: unknown[]) {
      if (this.remotePort !== undefined || this.connecting) calls.push(values.join(' '))
      return this
    }
    try {
      await served(
        (_request, reply) => void reply.end(),
        ({ url }) =>
          using(new Client(url, ofRequest ? {} : { connect: options }), (client) =>
            answer(client, ofRequest ? options : {}),
          ),
      )
    } finally {
      if (original === undefined) delete prototype[name]
      else prototype[name] = original
    }
    return calls[0] ?? 'not called'
  }

/** Returns the options that `net.connect` receives. */
async function given(name: string, options: object): Promise<string> {
  const original = net.connect
  let seen: unknown
  const spy = (...values: unknown[]) => {
    seen = (values[0] as Options)[name]
    return Reflect.apply(original, net, values)
  }
  net.connect = spy as typeof net.connect
  try {
    await served(
      (_request, reply) => void reply.end(),
      ({ url }) => using(new Client(url, options), (client) => answer(client, {})),
    )
  } finally {
    net.connect = original
  }
  return String(seen)
}

/** Returns the request that a proxy receives through a ProxyAgent or EnvHttpProxyAgent. */
async function proxied(
  make: (proxy: ProxyServer) => ProxyAgent | EnvHttpProxyAgent,
  show: (proxy: ProxyServer, answer: string) => string,
): Promise<string> {
  const proxy = await proxyServer()
  try {
    return await served(
      (_request, reply) => void reply.end('direct'),
      ({ url }) => using(make(proxy), async (agent) => show(proxy, await answer(agent, { origin: url }))),
    )
  } finally {
    await proxy.close()
  }
}
const field =
  (name: string) =>
  ({ forwards }: ProxyServer) =>
    String(forwards[0]?.headers[name])
const counts = ({ forwards, connects }: ProxyServer) => `${forwards.length} ${connects.length}`
const over = (show: (proxy: ProxyServer) => string) => (options: Options) =>
  proxied((proxy) => new ProxyAgent({ uri: proxy.url, ...options }), show)

/** Connects by TLS to an origin through a tunnel, or to the proxy. */
const secured = (name: 'requestTls' | 'proxyTls') => async (options: Options) => {
  const ca = await authority()
  const identity = await serverIdentity(ca)
  const proxy = await proxyServer(name === 'proxyTls' ? { tls: identity } : {})
  const origin = await httpsOrigin((_request, reply) => void reply.end('x'), identity)
  const plain = await served(
    (_request, reply) => void reply.end('x'),
    ({ url }) => {
      const target = name === 'proxyTls' ? url : `https://localhost:${origin.port}`
      const uri = proxy.url.replace('127.0.0.1', 'localhost')
      const tls = name in options ? { [name]: { ca: ca.cert } } : {}
      return using(new ProxyAgent({ uri, ...tls }), (agent) => answer(agent, { origin: target }))
    },
  )
  await origin.close()
  await proxy.close()
  return plain === 'x' ? 'x' : 'not trusted'
}

/** Options of connectors, and of the agents that use proxies. */
export const connectorProbes: Record<string, Probe> = {
  'Client.Options.autoSelectFamilyAttemptTimeout': {
    given: 500,
    without: 'undefined',
    with: '500',
    observe: (options) => given('autoSelectFamilyAttemptTimeout', options),
  },
  'buildConnector.BuildOptions.port': {
    given: 'used below',
    without: 'elsewhere',
    with: 'connected',
    observe: async (options) => {
      const origin = await rawOrigin(() => {})
      const connect = buildConnector('port' in options ? { port: origin.port } : { port: 1 })
      const seen = await new Promise<string>((resolve) => {
        connect({ hostname: '127.0.0.1', protocol: 'http:', port: '' }, (error, socket) => {
          socket?.destroy()
          resolve(error === null ? 'connected' : 'elsewhere')
        })
      })
      await origin.close()
      return seen
    },
  },
  'buildConnector.BuildOptions.timeout': {
    given: 20,
    without: 'x',
    with: 'UND_ERR_CONNECT_TIMEOUT',
    observe: (options) => nested('connectTimeout', options),
  },
  'buildConnector.BuildOptions.maxCachedSessions': {
    given: 0,
    without: 'true',
    with: 'false',
    observe: (options) => nested('maxCachedSessions', options),
  },
  'buildConnector.BuildOptions.socketPath': {
    given: 'used below',
    without: 'tcp',
    with: 'unix',
    observe: (options) => nested('socketPath', options),
  },
  'buildConnector.BuildOptions.keepAlive': {
    given: false,
    without: 'true 60000',
    with: 'not called',
    observe: calledWith('setKeepAlive'),
  },
  'buildConnector.BuildOptions.keepAliveInitialDelay': {
    given: 5_000,
    without: 'true 60000',
    with: 'true 5000',
    observe: calledWith('setKeepAlive'),
  },
  'buildConnector.BuildOptions.typeOfService': {
    given: 32,
    without: 'not called',
    with: '32',
    observe: calledWith('setTypeOfService'),
  },
  'Dispatcher.DispatchOptions.typeOfService': {
    given: 32,
    without: 'not called',
    with: '32',
    observe: calledWith('setTypeOfService', true),
  },
  'ProxyAgent.Options.uri': {
    given: 'used below',
    without: 'UND_ERR_INVALID_ARG',
    with: '1 0',
    observe: async (options) => {
      try {
        return await proxied((proxy) => new ProxyAgent(('uri' in options ? { uri: proxy.url } : {}) as never), counts)
      } catch (error) {
        return (error as { code: string }).code
      }
    },
  },
  'ProxyAgent.Options.auth': {
    given: 'YTpi',
    without: 'undefined',
    with: 'Basic YTpi',
    observe: over(field('proxy-authorization')),
  },
  'ProxyAgent.Options.token': {
    given: 'Bearer a',
    without: 'undefined',
    with: 'Bearer a',
    observe: over(field('proxy-authorization')),
  },
  'ProxyAgent.Options.headers': { given: { 'x-a': '1' }, without: 'undefined', with: '1', observe: over(field('x-a')) },
  'ProxyAgent.Options.requestTls': { given: 'used', without: 'not trusted', with: 'x', observe: secured('requestTls') },
  'ProxyAgent.Options.proxyTls': { given: 'used', without: 'not trusted', with: 'x', observe: secured('proxyTls') },
  'ProxyAgent.Options.clientFactory': {
    given: () => new Agent({ factory: () => new Client('http://127.0.0.1:1') }),
    without: '1 0',
    with: '0 0',
    observe: over(counts),
  },
  'ProxyAgent.Options.proxyTunnel': { given: true, without: '1 0', with: '0 1', observe: over(counts) },
  'EnvHttpProxyAgent.Options.httpProxy': {
    given: 'used',
    without: '0 0',
    with: '1 0',
    observe: (options) =>
      proxied(
        (proxy) =>
          new EnvHttpProxyAgent({ httpProxy: 'httpProxy' in options ? proxy.url : '', httpsProxy: '', noProxy: '' }),
        counts,
      ),
  },
  'EnvHttpProxyAgent.Options.httpsProxy': {
    given: 'used',
    without: '0',
    with: '1',
    observe: async (options) => {
      const proxy = await proxyServer()
      const httpsProxy = 'httpsProxy' in options ? proxy.url : ''
      await using(new EnvHttpProxyAgent({ httpProxy: '', httpsProxy, noProxy: '' }), (agent) =>
        answer(agent, { origin: 'https://localhost:1' }),
      )
      await proxy.close()
      return String(proxy.connects.length)
    },
  },
  'EnvHttpProxyAgent.Options.noProxy': {
    given: '127.0.0.1',
    without: '1 0',
    with: '0 0',
    observe: (options) =>
      proxied(
        (proxy) => new EnvHttpProxyAgent({ httpProxy: proxy.url, httpsProxy: '', noProxy: '', ...options }),
        counts,
      ),
  },
}

/** Returns the probe of a Client option for the same option of its connector. */
function nested(name: string, options: Options): Promise<string> {
  const probe = clientProbes[name]
  if (probe === undefined) throw new Error(`${name} has no probe`)
  return probe.observe(
    (url, options) => {
      const { connect, connectTimeout, maxCachedSessions, socketPath, ...rest } = options as Options
      const moved = { timeout: connectTimeout, maxCachedSessions, socketPath }
      const found = Object.fromEntries(Object.entries(moved).filter(([, value]) => value !== undefined))
      return new Client(url, { ...rest, connect: { ...(connect as object), ...found } })
    },
    Object.keys(options).length === 0 ? {} : { [name]: probe.given },
  )
}
