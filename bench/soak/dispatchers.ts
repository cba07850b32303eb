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
import { callers, faultyServerOperations, fetchOperations } from './caller-code.js'
import { bad, DUMPED, dumped, good, intercepted, type Operation, upgrades } from './operations.js'
import type { Addresses } from './origin.js'
import { randomInterceptor } from './random-interceptor.js'
import type { Random } from './seeded-random.js'
import { lostUploads, uploads } from './sources.js'

/** A kind of dispatcher, and the operations to run on it. */
export interface Kind {
  readonly name: string
  /** Operations in progress at once. */
  readonly width: number
  /** Connection limit for each origin. */
  readonly connections: number
  /** Origins to name in requests; empty for dispatchers of one origin. */
  readonly origins: readonly string[]
  /** Base URL for `fetch`, for dispatchers of one origin. */
  readonly base: string
  readonly operations: readonly Operation[]
  /** Whether its server breaks connections, which other requests on them may notice. */
  readonly faulty: boolean
  open(): Dispatcher
  /** Returns its upstreams, if it does not select them by free connections. */
  parts?(dispatcher: Dispatcher): readonly Dispatcher[]
}

const { retry, redirect, decompress, dns, dump, hedge, latency, responseError } = interceptors
const QUICK = { minTimeout: 1, maxTimeout: 5 }

const any = [...good, ...callers, ...uploads]
const calm = { origins: [], operations: any, faulty: false, width: 6, connections: 4 } as const
/**
 * Without the operation `last`: a server that closes with unread pipelined requests sends RST, which discards responses
 * that the client has not read yet (RFC 9112 §9.6).
 */
const piped = { ...calm, operations: any.filter(({ name }) => name !== 'last') } as const
const rough = {
  origins: [],
  operations: [...any, ...bad, ...faultyServerOperations, ...lostUploads],
  faulty: true,
  width: 6,
  connections: 4,
} as const

const single = { connections: 1 } as const

/** A kind whose `base` defaults to the plain origin. */
type KindWithoutBase = Omit<Kind, 'base'> & { base?: string }

function clients({ plain, secure, ca, unix }: Addresses): KindWithoutBase[] {
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

function pools({ plain, secure, ca }: Addresses, random: Random): KindWithoutBase[] {
  const [origin] = plain as [string]
  const upstreams = [...plain]
  const factory = (at: URL, options: object) => new Client(at, options).compose(randomInterceptor(random))
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
      name: 'Pool, random interceptor',
      open: () => new Pool(origin, { connections: 4 }).compose(randomInterceptor(random)),
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

function agents({ plain, secure, ca, proxy }: Addresses, random: Random): KindWithoutBase[] {
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
      randomInterceptor(random),
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

/** Returns every kind of dispatcher, with servers that behave and servers that do not. */
export function kinds(addresses: Addresses, random: Random): Kind[] {
  const [base] = addresses.plain as [string]
  return [...clients(addresses), ...pools(addresses, random), ...agents(addresses, random)].map((kind) => ({
    base,
    ...kind,
  }))
}

/** Returns the kinds with operations of `fetch` only. */
export function fetchKinds(all: readonly Kind[]): Kind[] {
  const reduced = all.map((kind) => ({ ...kind, operations: fetchOperations(kind.operations) }))
  return reduced.filter(({ operations }) => operations.length > 0)
}
