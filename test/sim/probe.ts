import { Agent, BalancedPool, Client, type Dispatcher, RoundRobinPool } from '../../lib/index.js'
import { Gathering } from './gathering.js'
import type { Manners } from './plan.js'
import type { SimulatedRequest } from './request.js'
import type { AnyDispatcher, Made } from './settings.js'
import type { SimulatedSocket } from './socket.js'

/** Maximum number of probes. Servers that were faulty before may close connections. */
const ATTEMPTS = 10

/** Destination of a probe request: an origin, or a part of the dispatcher. */
export interface Destination {
  readonly origin?: string
  readonly part?: Dispatcher
}

/** Parts of a run that a probe uses. */
export interface Probed {
  readonly made: Made
  readonly manners: Manners
  readonly pipelining: number
  readonly sockets: readonly SimulatedSocket[]
  readonly calls: readonly SimulatedRequest[]
  trace(text: () => string): void
  violation(text: string): never
  /** Sends a request to an origin through a part of the dispatcher. Default: any origin, the dispatcher itself. */
  dispatch(where?: Destination): void
  /** Runs until no event is left, or `until` returns true. */
  advance(until: () => boolean): Promise<void>
  /** Returns whether no request is in progress. */
  rests(): boolean
  /** Disables all faults from now on. */
  calmDown(): void
}

/** Checks that an idle dispatcher serves a request on each connection that it counts, and counts nothing else. */
export class Probe {
  gathering = new Gathering()
  readonly #world: Probed

  constructor(world: Probed) {
    this.#world = world
  }

  /** Probes new connections, after sending more requests than the connection limit. */
  async runAnew(): Promise<void> {
    const world = this.#world
    world.calmDown()
    const first = world.calls.length
    for (let count = 8; count > 0; count--) world.dispatch()
    await world.advance(() => world.rests())
    const failed = failureIn(world.calls.slice(first))
    if (failed !== null) world.violation(failed)
    await this.run()
    await world.advance(() => false)
  }

  /** Probes the open connections. */
  async run(): Promise<void> {
    const world = this.#world
    world.calmDown()
    for (let attempt = 1; ; attempt++) {
      const failed = await this.#gather()
      if (failed === null) break
      if (attempt === ATTEMPTS || !world.manners.faulty) world.violation(failed)
    }
    const wrong = checkRest(world.made.dispatcher)
    if (wrong !== null) world.violation(wrong)
  }

  /**
   * Sends as many requests as the connections take. Servers respond when all have arrived, if they are known to be sent at once.
   * Returns the failure, or null.
   */
  async #gather(): Promise<string | null> {
    const world = this.#world
    const { sockets, made } = world
    const client = made.dispatcher instanceof Client
    const pipelining = Math.max(1, client ? (made.dispatcher as Client).pipelining : world.pipelining)
    const together = sendsAtOnce(made, world.pipelining)
    const open = sockets.filter((one) => one.open && !one.connecting && !one.destroyed)
    const first = world.calls.length
    const gathering = new Gathering()
    this.gathering = gathering
    world.trace(() => `${open.length} connections are open: ${JSON.stringify(made.dispatcher.stats)}`)
    for (const { count, ...where } of requestsFor(made, sockets.length)) {
      // Pools without a limit open a connection for each.
      for (let left = made.limit === Infinity ? count : count * pipelining; left > 0; left--) {
        if (together) gathering.add(world.calls.length)
        world.dispatch(where)
      }
    }
    const calls = world.calls.slice(first)
    await world.advance(() => {
      // A connection attempt from before may fail together with its request.
      for (const { id, over } of calls) if (over) gathering.drop(id)
      return calls.every(({ over }) => over) && world.rests()
    })
    const { missing } = gathering
    if (missing !== '') world.violation(`of ${calls.length} requests at once, these did not arrive: ${missing}`)
    const failed = failureIn(calls)
    if (failed !== null || calls.length === 0 || !usesAll(made, world.pipelining)) return failed
    // A connection that must not be reused sends FIN and closes when its server does.
    const unused = open.filter((one) => one.open && !one.destroyed && !one.writableEnded && !gathering.used(one.name))
    return unused.length > 0 ? `connections are not used: ${unused.map(({ name }) => name)}` : null
  }
}

/**
 * Returns whether the dispatcher sends as many requests at once as its connections take. Not with pipelining if connections
 * retire: one that is about to close accepts no second request, which is queued behind its first. Nor with members that accept
 * requests and then delay them, or can not report that they are busy.
 */
function sendsAtOnce({ members, retires }: Made, pipelining: number): boolean {
  if (members === 'waiting' || members === 'silent stub') return false
  return !retires || pipelining <= 1
}

function failureIn(calls: readonly SimulatedRequest[]): string | null {
  const failed = calls.find(({ state }) => state !== 'ended')
  return failed === undefined ? null : `GET ${failed.id} ${failed.state} when all was calm: ${failed.error?.stack}`
}

/**
 * Returns the number of connections to fill for each origin and upstream: its limit, or without a limit the number of `opened`
 * connections, as a pool member that has lost its connection may be selected first.
 */
function requestsFor(made: Made, opened: number): (Destination & { count: number })[] {
  const { dispatcher, limit, members } = made
  // All members of an origin may be the same client.
  const most = members === 'same' ? 1 : limit === Infinity ? opened : limit
  if (dispatcher instanceof BalancedPool) {
    return dispatcher.upstreams.map((origin) => ({ part: dispatcher.getUpstream(origin) as Dispatcher, count: most }))
  }
  if (!(dispatcher instanceof Agent)) return [{ count: fills(made) ? most : Number(dispatcher.stats.connected) }]
  const stats = Object.entries(dispatcher.stats)
  return stats.map(([origin, { connected }]) => ({ origin, count: fills(made) ? most : Number(connected) }))
}

/** Returns whether it may have all its connections at once. Not if new ones are preferred, or shared among origins. */
function fills({ dispatcher, limit, most }: Made): boolean {
  return most === Infinity && (!(dispatcher instanceof RoundRobinPool) || limit < Infinity)
}

/** Returns whether these requests use every connection. With pipelining, some may share one. */
function usesAll(made: Made, pipelining: number): boolean {
  const { members, retires, limit } = made
  return fills(made) && members === null && (pipelining <= 1 || (!retires && limit < Infinity))
}

/** Returns the problem of the stats of an idle dispatcher: except for connections they must equal those of a new one. */
export function checkRest(dispatcher: AnyDispatcher): string | null {
  const all = dispatcher instanceof Agent ? Object.values(dispatcher.stats) : [dispatcher.stats]
  const fresh = all.every((one) => {
    const { connected, free, ...counts } = one as { connected: number | boolean; free?: number }
    return Object.values(counts).every((count) => count === 0) && (free === undefined || free === connected)
  })
  return fresh ? null : `stats at rest: ${JSON.stringify(dispatcher.stats)}`
}
