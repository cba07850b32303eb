import { Agent, BalancedPool, Client, Pool, RoundRobinPool } from '../../lib/index.js'
import type { Connector } from '../../lib/transport/connector.js'
import { drawKind, makeConnector } from './connectors.js'
import type { Features } from './features.js'
import { drawMemberKind, type MemberKind, memberFactory } from './members.js'
import type { Network } from './network.js'
import type { Manners } from './plan.js'
import type { Random } from './random.js'
import type { UserCode } from './user-code.js'

export type Kind = 'Client' | 'Pool' | 'RoundRobinPool' | 'BalancedPool' | 'Agent'
export type AnyDispatcher = Client | Pool | RoundRobinPool | BalancedPool | Agent

export const KINDS = ['Client', 'Client', 'Pool', 'RoundRobinPool', 'BalancedPool', 'Agent'] as const
export const ORIGINS = ['http://a.test:81', 'http://b.test:82', 'http://c.test:83']

export interface DispatcherParts {
  readonly kind: Kind
  readonly random: Random
  readonly manners: Manners
  readonly features: Features
  readonly network: Network
  readonly userCode: UserCode
  readonly pipelining: number
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
}

export interface Made {
  readonly dispatcher: AnyDispatcher
  /** Clients whose stats must add up to the dispatcher's; null if it creates them itself. */
  readonly clients: ReadonlySet<Client> | null
  /** Connection limit. */
  readonly most: number
  /** Connections are closed after some requests or some time. */
  readonly retires: boolean
  /** Connection limit of one origin, or Infinity. */
  readonly limit: number
  /** Kind of its members, or null if they are plain Clients. */
  readonly members: MemberKind | null
}

/** Creates the dispatcher of a run, with settings by its seed. */
export function makeDispatcher(parts: DispatcherParts): Made {
  const { kind, random, features } = parts
  const options = clientOptions(parts)
  const [first] = ORIGINS as [string]
  const retires = options.maxRequestsPerClient > 0 || options.maxConnectionAge !== null
  if (kind === 'Client') {
    const client = new Client(first, options)
    return { dispatcher: client, clients: new Set([client]), most: Infinity, limit: 1, retires, members: null }
  }
  const walks = !features.foreign && random.chance(0.5)
  const clients = new Set<Client>()
  const own = (origin: URL, given: object) => {
    parts.userCode.run('factory')
    const client = new Client(origin, given)
    clients.add(client)
    return client
  }
  const foreign = { ...parts, kind: drawMemberKind(random) }
  const members = features.foreign ? foreign.kind : null
  const factory = features.foreign ? memberFactory(foreign) : own
  const custom = features.foreign || walks
  if (features.foreign) parts.trace(() => `members: ${foreign.kind}`)
  const many = {
    ...options,
    connections: random.pick([null, 1, 2, 3, 5]),
    clientTtl: random.chance(0.15) ? random.spread(1, 5000) : null,
    maxIdleConnections: random.chance(0.2) ? random.between(0, 3) : null,
    reuse: random.pick(['lifo', 'fifo'] as const),
  }
  const counted = walks ? clients : null
  const limit = many.connections ?? Infinity
  const unlimited = { clients: counted, most: Infinity, limit, retires: retires || many.clientTtl !== null, members }
  const pooled = custom ? { ...many, factory } : many
  if (kind === 'Pool') return { dispatcher: new Pool(first, pooled), ...unlimited }
  if (kind === 'RoundRobinPool') {
    return { dispatcher: new RoundRobinPool(first, pooled), ...unlimited }
  }
  const pools = (origin: URL | string, given: object) => new Pool(origin, { ...given, factory })
  const outer = custom ? { ...many, factory: pools } : many
  if (kind === 'BalancedPool') {
    const upstreams = ORIGINS.slice(0, random.between(1, 3))
    return { dispatcher: new BalancedPool(upstreams, outer), ...unlimited }
  }
  const most = random.pick([Infinity, Infinity, 1, 2, 4])
  const dispatcher = new Agent({ ...outer, maxTotalConnections: most === Infinity ? null : most })
  return { dispatcher, ...unlimited, most }
}

function clientOptions(parts: DispatcherParts) {
  const { random, manners, features, network, userCode, arrive, trace } = parts
  const { faulty } = manners
  const time = (most: number) => (faulty ? random.spread(100, most) : random.pick([0, 300_000]))
  const options = {
    pipelining: parts.pipelining,
    headersTimeout: time(5000),
    bodyTimeout: time(5000),
    keepAliveTimeout: random.spread(1, 10_000),
    keepAliveTimeoutThreshold: random.pick([0, 1000, 2000]),
    maxRequestsPerClient: random.chance(0.2) ? random.between(1, 5) : 0,
    maxConnectionAge: random.chance(0.2) ? random.spread(1, 10_000) : null,
    parser: random.chance(0.1) ? ('js' as const) : ('auto' as const),
  }
  let connect: Connector | undefined = random.chance(0.6) ? undefined : network.connector
  let kind = 'own'
  if (features.connectors) {
    const drawn = drawKind(random, faulty)
    kind = drawn
    if (kind === 'banner') network.handshake = 'banner'
    if (kind === 'wrap') network.handshake = 'coded'
    connect = makeConnector({
      kind: drawn,
      random: random.fork(7),
      userCode,
      faulty: () => faulty && !network.calm,
      arrive,
      trace,
    })
  }
  trace(() => `${parts.kind} ${JSON.stringify(options)}, connector: ${connect === undefined ? 'default' : kind}`)
  return connect === undefined ? { ...options, connectTimeout: time(5000) } : { ...options, connect }
}
