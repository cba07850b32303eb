import { type Dispatcher, EnvHttpProxyAgent, Pool, ProxyAgent, setGlobalDispatcher } from 'undici'

const options: ProxyAgent.Options = {
  uri: 'http://proxy.example:3128',
  token: `Basic ${Buffer.from('user:password').toString('base64')}`,
  headers: { 'x-proxy': 'yes', 'x-number': 1 },
  requestTls: { ca: 'x', rejectUnauthorized: true },
  proxyTls: { servername: 'proxy.example', timeout: 1000 },
  proxyTunnel: true,
  connections: 5,
  clientFactory: (origin, opts) => new Pool(origin, opts),
}

export const agents: Dispatcher[] = [
  new ProxyAgent('http://proxy.example'),
  new ProxyAgent(options),
  new EnvHttpProxyAgent(),
]
setGlobalDispatcher(
  new EnvHttpProxyAgent({ httpProxy: 'http://a', httpsProxy: 'http://b', noProxy: 'localhost', bodyTimeout: 1 }),
)

export function behind(uri: string, rest: Omit<ProxyAgent.Options, 'uri'> = {}): ProxyAgent {
  return new ProxyAgent({ ...rest, uri, clientFactory: (origin: URL, opts: Pool.Options) => new Pool(origin, opts) })
}

export const settings: EnvHttpProxyAgent.Options = { ...options, httpProxy: options.uri }

export async function through(agent: ProxyAgent): Promise<void> {
  agent.dispatch({ origin: 'http://localhost', path: '/', method: 'GET' }, { onResponseError() {} })
  await agent.close()
}

// @ts-expect-error: a proxy agent needs a proxy
export const none = new ProxyAgent({ token: 'x' })
// @ts-expect-error: noProxy is a string
export const list = new EnvHttpProxyAgent({ noProxy: ['localhost'] })
