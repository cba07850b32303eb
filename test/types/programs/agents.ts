import { Agent, Client, type Dispatcher, Pool } from 'undici'

const options: Agent.Options = {
  connections: 10,
  maxOrigins: 100,
  keepAliveTimeout: 10,
  keepAliveMaxTimeout: 10,
  maxRequestsPerClient: 100,
  autoSelectFamily: true,
  autoSelectFamilyAttemptTimeout: 250,
  allowH2: false,
  factory(origin, opts) {
    const url = typeof origin === 'string' ? new URL(origin) : origin
    return url.protocol === 'https:' ? new Pool(url, opts) : new Client(url, opts)
  },
}

function makePool(origin: URL, opts: Pool.Options): Pool {
  return new Pool(origin, { ...opts, connections: opts.connections ?? 1 })
}

export const agent = new Agent(options)
export const inline = new Agent({ factory: (origin, opts) => new Pool(origin, { ...opts, connections: 2 }) })
export const narrow = new Pool('http://localhost', { factory: (origin, opts) => makePool(origin, opts) })
export const plain = new Pool('http://localhost', {
  factory: (origin: URL, opts: object): Dispatcher => new Client(origin, opts),
})
export const unlimited = new Agent({ connections: null, clientTtl: null })

export function configured(environment: Record<string, string | undefined>): Agent {
  const settings: Agent.Options = {}
  if (environment.TIMEOUT !== undefined) settings.headersTimeout = Number(environment.TIMEOUT)
  settings.bodyTimeout ??= settings.headersTimeout ?? 1000
  const limit: number = settings.maxResponseSize ?? -1
  return new Agent({ ...settings, maxResponseSize: limit })
}

/** Dispatched with an origin. */
export function ping(agent: Agent, origin: string | URL): Promise<number> {
  return agent.request({ origin, path: '/', method: 'HEAD' }).then(({ statusCode }) => statusCode)
}

export async function tunnel(agent: Agent): Promise<void> {
  const { socket, statusCode } = await agent.connect({ origin: 'http://localhost', path: 'a.example:443' })
  socket.end(String(statusCode))
  // @ts-expect-error: an agent has no origin of its own
  await agent.connect({ path: 'a.example:443' })
}

// @ts-expect-error: a factory makes dispatchers
export const wrong = new Agent({ factory: () => ({}) })
// @ts-expect-error: replaced by pipelining long ago
export const old = new Agent({ keepAlive: false })
