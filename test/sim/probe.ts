import { Agent, BalancedPool, Client, type Dispatcher, RoundRobinPool } from '../../lib/index.js'
import type { Features } from './features.js'
import { Gathering } from './gathering.js'
import type { Manners } from './plan.js'
import type { SimulatedRequest } from './request.js'
import type { AnyDispatcher, Made } from './settings.js'
import type { SimulatedSocket } from './socket.js'

/** Probes of connections, which a server that was faulty before may close. */
const ATTEMPTS = 10

/** Where a request goes. */
export interface Where {
  readonly origin?: string
  readonly part?: Dispatcher
}

/** What a probe needs of the world. */
export interface Probed {
  readonly made: Made
  readonly manners: Manners
  readonly features: Features
  readonly pipelining: number
  readonly sockets: readonly SimulatedSocket[]
  readonly calls: readonly SimulatedRequest[]
  trace(text: () => string): void
  violation(text: string): never
  /** Sends a request to an origin, over a part of the dispatcher: anything by default. */
  dispatch(where?: Where): void
  /** Runs until nothing is left to happen, or `until` returns true. */
  advance(until: () => boolean): Promise<void>
  /** Whether no request is in progress. */
  rests(): boolean
  /** From now on nothing goes wrong. */
  calmDown(): void
}

/** Checks that a dispatcher at rest serves at once on each connection that it counts, and counts nothing else. */
export class Probe {
  gathering = new Gathering()
  readonly #world: Probed

  constructor(world: Probed) {
    this.#world = world
  }

  /** Over new connections: more requests than there may be connections are served before. */
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

  /** Over the connections that are open. */
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

  /** Sends as many requests as all connections take, which their servers answer together. Returns what failed, or null. */
  async #gather(): Promise<string | null> {
    const world = this.#world
    const { sockets, made } = world
    // Members of another make take what they like at once. A connection that is about to be closed takes no second request,
    // which may have been queued behind its first; and pools without a limit open one for each.
    const unknown = world.features.foreign || (world.pipelining > 1 && (made.retires || made.limit === Infinity))
    const requests = unknown ? [] : requestsFor(made, sockets.length)
    const atOnce = made.dispatcher instanceof Client ? made.dispatcher.pipelining : world.pipelining
    const open = sockets.filter((one) => one.open && !one.connecting && !one.destroyed)
    const first = world.calls.length
    const gathering = new Gathering()
    this.gathering = gathering
    world.trace(() => `${open.length} connections are open: ${JSON.stringify(made.dispatcher.stats)}`)
    for (const { count, ...where } of requests) {
      for (let left = count * Math.max(1, atOnce); left > 0; left--) {
        gathering.add(world.calls.length)
        world.dispatch(where)
      }
    }
    const calls = world.calls.slice(first)
    await world.advance(() => {
      // A connection that was being opened before all was calm may fail, and its request with it.
      for (const { id, over } of calls) if (over) gathering.drop(id)
      return calls.every(({ over }) => over) && world.rests()
    })
    const { missing } = gathering
    if (missing !== '') world.violation(`of ${calls.length} requests at once, these do not come: ${missing}`)
    const failed = failureIn(calls)
    if (failed !== null || calls.length === 0 || !usesAll(made)) return failed
    // One that may not be used again is ended, and closed when its server ends it too.
    const unused = open.filter((one) => one.open && !one.destroyed && !one.writableEnded && !gathering.used(one.name))
    return unused.length > 0 ? `connections are not used: ${unused.map(({ name }) => name)}` : null
  }
}

function failureIn(calls: readonly SimulatedRequest[]): string | null {
  const failed = calls.find(({ state }) => state !== 'ended')
  return failed === undefined ? null : `GET ${failed.id} ${failed.state} when all was calm: ${failed.error?.stack}`
}

/**
 * Connections to fill at each origin and each upstream: as many as it may have; without a limit as many as were `opened`, since a
 * member of a pool that has lost its connection may be given one first.
 */
function requestsFor(made: Made, opened: number): (Where & { count: number })[] {
  const { dispatcher, limit } = made
  const most = limit === Infinity ? opened : limit
  if (dispatcher instanceof BalancedPool) {
    return dispatcher.upstreams.map((origin) => ({ part: dispatcher.getUpstream(origin) as Dispatcher, count: most }))
  }
  if (!(dispatcher instanceof Agent)) return [{ count: usesAll(made) ? most : Number(dispatcher.stats.connected) }]
  const stats = Object.entries(dispatcher.stats)
  return stats.map(([origin, { connected }]) => ({ origin, count: usesAll(made) ? most : Number(connected) }))
}

/** Whether so many requests use every connection: not where new ones are preferred, or few are shared among origins. */
function usesAll({ dispatcher, limit, most }: Made): boolean {
  return most === Infinity && (!(dispatcher instanceof RoundRobinPool) || limit < Infinity)
}

/** What is wrong with the stats of a dispatcher at rest, which equal those of one that was not used but for connections. */
export function checkRest(dispatcher: AnyDispatcher): string | null {
  const all = dispatcher instanceof Agent ? Object.values(dispatcher.stats) : [dispatcher.stats]
  const fresh = all.every((one) => {
    const { connected, free, ...counts } = one as { connected: number | boolean; free?: number }
    return Object.values(counts).every((count) => count === 0) && (free === undefined || free === connected)
  })
  return fresh ? null : `stats at rest: ${JSON.stringify(dispatcher.stats)}`
}
