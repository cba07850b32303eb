import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  interceptors,
  LatencyRecorder,
  Pool,
  ProxyAgent,
  RetryAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { byFetch, callers, unlucky } from './caller-code.js'
import { careless } from './careless.js'
import { bad, DUMPED, dumped, good, intercepted, type Operation, upgrades } from './operations.js'
import type { Places } from './origin.js'
import type { Random } from './random.js'
import { lostUploads, uploads } from './sources.js'

/** One way to ask, with what it is asked. */
export interface Kind {
  readonly name: string
  /** Requests at once. */
  readonly width: number
  /** Connections that it may have, for each origin. */
  readonly connections: number
  /** Named in each request; none for dispatchers of one origin. */
  readonly origins: readonly string[]
  /** Where `fetch` asks, for those of one origin. */
  readonly base: string
  readonly operations: readonly Operation[]
  /** Its server breaks connections: others may be hit. */
  readonly faulty: boolean
  open(): Dispatcher
  /** Its parts, where it chooses among them by other things than their free connections. */
  parts?(dispatcher: Dispatcher): readonly Dispatcher[]
}

const { retry, redirect, decompress, dns, dump, hedge, latency, responseError } = interceptors
const QUICK = { minTimeout: 1, maxTimeout: 5 }

const any = [...good, ...callers, ...uploads]
const calm = { origins: [], operations: any, faulty: false, width: 6, connections: 4 } as const
/**
 * Who closes with requests unread resets, and of the answers before that the reader may lose what it had not taken
 * (RFC 9112 §9.6): of a server that closes, a slow reader in a pipeline may come to harm, and so it is not asked there.
 */
const piped = { ...calm, operations: any.filter(({ name }) => name !== 'last') } as const
const rough = {
  origins: [],
  operations: [...any, ...bad, ...unlucky, ...lostUploads],
  faulty: true,
  width: 6,
  connections: 4,
} as const

/** One connection. */
const single = { connections: 1 } as const

/** What is told of a kind, but for where `fetch` asks: at the plain origin. */
type Told = Omit<Kind, 'base'> & { base?: string }

function clients({ plain, secure, ca, unix }: Places): Told[] {
  const [origin] = plain as [string]
  const tls = { connect: { ca } }
  return [
    { ...calm, ...single, name: 'Client', operations: [...any, ...upgrades], open: () => new Client(origin) },
    {
      ...piped,
      ...single,
      name: 'Client, pipelining 10',
      width: 10,
      open: () => new Client(origin, { pipelining: 10 }),
    },
    { ...rough, ...single, name: 'Client, faults', open: () => new Client(origin) },
    {
      ...rough,
      ...single,
      name: 'Client, pipelining 10, faults',
      width: 10,
      open: () => new Client(origin, { pipelining: 10 }),
    },
    {
      ...rough,
      ...single,
      name: 'Client, parser js, faults',
      open: () => new Client(origin, { parser: 'js', pipelining: 2 }),
    },
    { ...rough, ...single, name: 'Client, TLS, faults', base: secure, open: () => new Client(secure, tls) },
    {
      ...calm,
      ...single,
      name: 'Client, unix socket',
      base: 'http://localhost',
      open: () => new Client('http://localhost', { socketPath: unix }),
    },
  ]
}

function pools({ plain, secure, ca }: Places, random: Random): Told[] {
  const [origin] = plain as [string]
  const upstreams = [...plain]
  const factory = (at: URL, options: object) => new Client(at, options).compose(careless(random))
  return [
    {
      ...piped,
      name: 'Pool',
      width: 16,
      connections: 8,
      open: () => new Pool(origin, { connections: 8, pipelining: 2 }),
    },
    { ...rough, name: 'Pool, clientTtl, faults', open: () => new Pool(origin, { connections: 4, clientTtl: 50 }) },
    { ...calm, name: 'Pool, TLS', base: secure, open: () => new Pool(secure, { connections: 4, connect: { ca } }) },
    {
      ...calm,
      name: 'Pool, dump',
      operations: dumped,
      open: () => new Pool(origin, { connections: 4 }).compose(dump({ maxSize: DUMPED })),
    },
    {
      ...calm,
      name: 'Pool, careless interceptor',
      open: () => new Pool(origin, { connections: 4 }).compose(careless(random)),
    },
    { ...rough, name: 'Pool of composed clients, faults', open: () => new Pool(origin, { connections: 4, factory }) },
    { ...rough, name: 'RoundRobinPool, faults', open: () => new RoundRobinPool(origin, { connections: 4 }) },
    {
      ...rough,
      name: 'BalancedPool, faults',
      connections: 2,
      open: () => new BalancedPool(upstreams, { connections: 2 }),
      parts: (pool) => upstreams.map((upstream) => (pool as BalancedPool).getUpstream(upstream) as Dispatcher),
    },
  ]
}

function agents({ plain, secure, ca, proxy }: Places, random: Random): Told[] {
  const both = [...plain, secure]
  const connect = { ca }
  const composed = () =>
    new Agent({ connections: 4, connect }).compose(
      dns({ maxTTL: 50 }),
      redirect({ maxRedirections: 5 }),
      decompress(),
      retry(QUICK),
    )
  const hedged = () =>
    new Agent({ connections: 4, connect }).compose(
      responseError(),
      latency(new LatencyRecorder()),
      careless(random),
      hedge({ delay: 10, budget: { ratio: 1 } }),
    )
  const tunnels = { uri: proxy, requestTls: { ca }, connections: 4 }
  return [
    { ...calm, name: 'Agent', origins: both, open: () => new Agent({ connections: 4, connect }) },
    { ...calm, name: 'Agent, interceptors', origins: both, operations: [...any, ...intercepted], open: composed },
    { ...calm, name: 'Agent, hedge', origins: both, open: hedged },
    { ...rough, name: 'RetryAgent, faults', open: () => new RetryAgent(new Pool(both[0] as string), QUICK) },
    { ...calm, name: 'ProxyAgent', origins: both, open: () => new ProxyAgent(tunnels) },
    { ...rough, name: 'ProxyAgent, faults', origins: both, open: () => new ProxyAgent(tunnels) },
  ]
}

/** Every kind of dispatcher, at servers that behave and at servers that do not. */
export function kinds(places: Places, random: Random): Kind[] {
  const [base] = places.plain as [string]
  return [...clients(places), ...pools(places, random), ...agents(places, random)].map((kind) => ({ base, ...kind }))
}

/** Those that `fetch` is asked of, and nothing else. */
export function fetching(all: readonly Kind[]): Kind[] {
  const only = all.map((kind) => ({ ...kind, operations: byFetch(kind.operations) }))
  return only.filter(({ operations }) => operations.length > 0)
}
