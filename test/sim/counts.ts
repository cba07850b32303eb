import { Agent, type Client } from '../../lib/index.js'
import type { SimulatedRequest } from './request.js'
import type { AnyDispatcher } from './settings.js'

interface Counts {
  connected: number | boolean
  pending: number
  running: number
  size: number
  queued?: number
  free?: number
}

/** Values that stats are compared with. */
export interface Known {
  readonly dispatcher: AnyDispatcher
  /** Open connections by events of the dispatcher, or null if some members have no events. */
  connected(): number | null
  /** Its clients, if their stats must add up to its own. */
  readonly clients: ReadonlySet<Client> | null
  readonly live: ReadonlySet<SimulatedRequest>
  readonly lingering: Set<SimulatedRequest>
  /** Whether members that the dispatcher did not create may count or delay requests. */
  readonly foreign: boolean
  now(): number
  /** Number of copies of requests in flight that interceptors have sent. */
  readonly mirrors: () => number
  /** Time since which stats count fewer requests than exist; absent while they count all. */
  lostAt?: number | undefined
}

/** Tolerance in ms, a few event-loop turns: a pipelined request may fail one turn after it left its connection. */
const LATE = 0.25

/** Returns the stats of a dispatcher, or null for an Agent, whose origins are removed with their connections. */
function statsOf(dispatcher: AnyDispatcher): Counts | null {
  return dispatcher instanceof Agent ? null : dispatcher.stats
}

/** Returns the problem of the stats, or null. */
export function checkStats(known: Known): string | null {
  const stats = statsOf(known.dispatcher)
  if (stats === null) return null
  const { live, lingering } = known
  const describe = () => `${JSON.stringify(stats)}, ${live.size} live, ${lingering.size} lingering`
  const { pending, running, queued = 0, size } = stats
  if (size !== pending + running + queued) return `stats do not add up: ${describe()}`
  let counted = 0
  let possible = known.mirrors()
  for (const call of live) {
    // A response that ended while its handler was paused is not counted.
    if (!call.over && call.counted && !call.detached && !(call.paused && call.state === 'started')) counted++
    // Interceptors may send a request twice.
    if (!call.over) possible += call.counted ? 1 : 2
  }
  if (known.foreign || size >= counted) known.lostAt = undefined
  else known.lostAt ??= known.now()
  if (known.lostAt !== undefined && known.now() > known.lostAt + LATE)
    return `stats count too few requests: ${describe()}`
  if (size > possible + lingering.size) return `stats count too many requests: ${describe()}`
  // If members delay requests that are not counted yet, this only holds when there are none at all.
  if (size === (known.foreign ? 0 : counted)) {
    for (const one of lingering) {
      if (!one.heldBack) lingering.delete(one)
    }
  }
  return known.clients === null ? null : checkWalk(known.clients, { stats, describe })
}

/**
 * Returns whether stats may still count a request in the callback of its completion. Without pipelining they must not, unless
 * an interceptor reads the rest of its response, or `fetch` has yet to abort it.
 */
export function countsFinished({ dispatcher, live, lingering, mirrors }: Known): string | null {
  const stats = statsOf(dispatcher)
  if (stats === null) return null
  let possible = mirrors()
  for (const call of live) if (!call.over || (call.endsEarly && call.lingering)) possible += call.counted ? 1 : 2
  for (const call of lingering) if (call.endsEarly) possible += 2
  return stats.size > possible ? `stats count a finished request: ${JSON.stringify(stats)}, ${possible} live` : null
}

function checkWalk(
  clients: ReadonlySet<Client>,
  { stats, describe }: { stats: Counts; describe: () => string },
): string | null {
  const walk = { connected: 0, free: 0, pending: 0, running: 0 }
  for (const { stats: own } of clients) {
    walk.connected += Number(own.connected)
    walk.free += Number(own.connected && own.running === 0)
    walk.pending += own.pending
    walk.running += own.running
  }
  for (const name of ['connected', 'free', 'pending', 'running'] as const) {
    if (stats[name] !== undefined && Number(stats[name]) !== walk[name]) {
      return `the objects are ${JSON.stringify(walk)}: ${describe()}`
    }
  }
  return null
}

/** Returns whether every connection event was emitted. They are emitted in their own event-loop turns. */
export function checkEvents({ dispatcher, connected }: Known): string | null {
  const stats = statsOf(dispatcher)
  const byEvents = connected()
  if (stats === null || byEvents === null || Number(stats.connected) === byEvents) return null
  return `${byEvents} are connected by events: ${JSON.stringify(stats)}`
}

/** Returns whether all stats are zero, as those of a new dispatcher. */
export function checkZero(dispatcher: AnyDispatcher): string | null {
  const { stats } = dispatcher
  const zero = (one: object): boolean =>
    Object.values(one).every((value) => (typeof value === 'object' ? zero(value) : Number(value) === 0))
  return zero(stats) ? null : `not all stats are at zero: ${JSON.stringify(stats)}`
}
