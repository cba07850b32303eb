import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  interceptors,
  Pool,
  ProxyAgent,
  RetryAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { bad, good, intercepted, type Operation, upgrades } from './operations.js'
import type { Places } from './origin.js'

/** One way to ask, with what it is asked. */
export interface Kind {
  readonly name: string
  /** Requests at once. */
  readonly width: number
  /** Named in each request; none for dispatchers of one origin. */
  readonly origins: readonly string[]
  readonly operations: readonly Operation[]
  /** Its server breaks connections: others may be hit. */
  readonly faulty: boolean
  open(): Dispatcher
}

const { retry, redirect, decompress, dns } = interceptors
const QUICK = { minTimeout: 1, maxTimeout: 5 }

const calm = { origins: [], operations: good, faulty: false, width: 6 } as const
/**
 * Who closes with requests unread resets, and of the answers before that the reader may lose what it had not taken
 * (RFC 9112 §9.6): of a server that closes, a slow reader in a pipeline may come to harm, and so it is not asked there.
 */
const piped = { ...calm, operations: good.filter(({ name }) => name !== 'last') } as const
const rough = { origins: [], operations: [...good, ...bad], faulty: true, width: 6 } as const

function clients({ plain, secure, ca, unix }: Places): Kind[] {
  const [origin] = plain as [string]
  const tls = { connect: { ca } }
  return [
    { ...calm, name: 'Client', operations: [...good, ...upgrades], open: () => new Client(origin) },
    { ...piped, name: 'Client, pipelining 10', width: 10, open: () => new Client(origin, { pipelining: 10 }) },
    { ...rough, name: 'Client, faults', open: () => new Client(origin) },
    { ...rough, name: 'Client, pipelining 10, faults', width: 10, open: () => new Client(origin, { pipelining: 10 }) },
    { ...rough, name: 'Client, parser js, faults', open: () => new Client(origin, { parser: 'js', pipelining: 2 }) },
    { ...rough, name: 'Client, TLS, faults', open: () => new Client(secure, tls) },
    { ...calm, name: 'Client, unix socket', open: () => new Client('http://localhost', { socketPath: unix }) },
  ]
}

function pools({ plain, secure, ca }: Places): Kind[] {
  const [origin] = plain as [string]
  const upstreams = [...plain]
  return [
    { ...piped, name: 'Pool', width: 16, open: () => new Pool(origin, { connections: 8, pipelining: 2 }) },
    { ...rough, name: 'Pool, clientTtl, faults', open: () => new Pool(origin, { connections: 4, clientTtl: 50 }) },
    { ...calm, name: 'Pool, TLS', open: () => new Pool(secure, { connections: 4, connect: { ca } }) },
    { ...rough, name: 'RoundRobinPool, faults', open: () => new RoundRobinPool(origin, { connections: 4 }) },
    { ...rough, name: 'BalancedPool, faults', open: () => new BalancedPool(upstreams, { connections: 2 }) },
  ]
}

function agents({ plain, secure, ca, proxy }: Places): Kind[] {
  const both = [...plain, secure]
  const connect = { ca }
  const composed = () =>
    new Agent({ connections: 4, connect }).compose(
      dns({ maxTTL: 50 }),
      redirect({ maxRedirections: 5 }),
      decompress(),
      retry(QUICK),
    )
  const tunnels = { uri: proxy, requestTls: { ca }, connections: 4 }
  return [
    { ...calm, name: 'Agent', origins: both, open: () => new Agent({ connections: 4, connect }) },
    { ...calm, name: 'Agent, interceptors', origins: both, operations: [...good, ...intercepted], open: composed },
    { ...rough, name: 'RetryAgent, faults', open: () => new RetryAgent(new Pool(both[0] as string), QUICK) },
    { ...calm, name: 'ProxyAgent', origins: both, open: () => new ProxyAgent(tunnels) },
    { ...rough, name: 'ProxyAgent, faults', origins: both, open: () => new ProxyAgent(tunnels) },
  ]
}

/** Every kind of dispatcher, at servers that behave and at servers that do not. */
export function kinds(places: Places): Kind[] {
  return [...clients(places), ...pools(places), ...agents(places)]
}
