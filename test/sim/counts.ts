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

/** What the statistics are compared with. */
export interface Known {
  readonly dispatcher: AnyDispatcher
  /** Connections by the events of the dispatcher; null when not all of its members have events. */
  connected(): number | null
  /** Its clients, when their counts must add up to its own. */
  readonly clients: ReadonlySet<Client> | null
  readonly live: ReadonlySet<SimulatedRequest>
  readonly lingering: Set<SimulatedRequest>
  /** Requests may be counted by members that the dispatcher did not make, or held back by them. */
  readonly foreign: boolean
  now(): number
  /** Copies of requests that interceptors have sent, and that have not ended. */
  readonly mirrors: () => number
  /** When the statistics began to count fewer requests than there are; absent while they count all. */
  lostAt?: number | undefined
}

/** ms, a few event-loop turns: a request that fails behind the head of another fails a turn after it left its connection. */
const LATE = 0.25

/** An Agent closes origins together with their connections: its counts do not add up to all. */
function statsOf(dispatcher: AnyDispatcher): Counts | null {
  return dispatcher instanceof Agent ? null : dispatcher.stats
}

/** What is wrong with the statistics, or null. */
export function checkStats(known: Known): string | null {
  const stats = statsOf(known.dispatcher)
  if (stats === null) return null
  const { live, lingering } = known
  const say = () => `${JSON.stringify(stats)}, ${live.size} live, ${lingering.size} lingering`
  const { pending, running, queued = 0, size } = stats
  if (size !== pending + running + queued) return `stats do not add up: ${say()}`
  let counted = 0
  let possible = known.mirrors()
  for (const call of live) {
    // A response that ended while its handler had it paused is counted no more.
    if (!call.over && call.counted && !call.detached && !(call.paused && call.state === 'started')) counted++
    // Interceptors may send a request twice.
    if (!call.over) possible += call.counted ? 1 : 2
  }
  if (known.foreign || size >= counted) known.lostAt = undefined
  else known.lostAt ??= known.now()
  if (known.lostAt !== undefined && known.now() > known.lostAt + LATE) return `stats lost a request: ${say()}`
  if (size > possible + lingering.size) return `stats have one too many: ${say()}`
  // Where members hold requests back that nobody counts yet, that proves nothing unless there are none at all.
  if (size === (known.foreign ? 0 : counted)) {
    for (const one of lingering) {
      if (!one.heldBack) lingering.delete(one)
    }
  }
  return known.clients === null ? null : checkWalk(known.clients, { stats, say })
}

/**
 * Whether a user callback that reports an end finds the request counted still; without pipelining none lingers, unless
 * an interceptor reads what is left of its response, or `fetch` has yet to abort it.
 */
export function countsFinished({ dispatcher, live, lingering, mirrors }: Known): string | null {
  const stats = statsOf(dispatcher)
  if (stats === null) return null
  let possible = mirrors()
  for (const call of live) if (!call.over || (call.endsEarly && call.lingering)) possible += call.counted ? 1 : 2
  for (const call of lingering) if (call.endsEarly) possible += 2
  return stats.size > possible ? `stats count a finished request: ${JSON.stringify(stats)}, ${possible} live` : null
}

function checkWalk(clients: ReadonlySet<Client>, { stats, say }: { stats: Counts; say: () => string }): string | null {
  const walk = { connected: 0, free: 0, pending: 0, running: 0 }
  for (const { stats: own } of clients) {
    walk.connected += Number(own.connected)
    walk.free += Number(own.connected && own.running === 0)
    walk.pending += own.pending
    walk.running += own.running
  }
  for (const name of ['connected', 'free', 'pending', 'running'] as const) {
    if (stats[name] !== undefined && Number(stats[name]) !== walk[name]) {
      return `a walk counts ${JSON.stringify(walk)}: ${say()}`
    }
  }
  return null
}

/** Whether every event of a connection was emitted, once nothing is left to happen: they are emitted in turns of their own. */
export function checkEvents({ dispatcher, connected }: Known): string | null {
  const stats = statsOf(dispatcher)
  const byEvents = connected()
  if (stats === null || byEvents === null || Number(stats.connected) === byEvents) return null
  return `${byEvents} are connected by events: ${JSON.stringify(stats)}`
}

/** Whether all counts are zero, as a fresh dispatcher's. */
export function checkZero(dispatcher: AnyDispatcher): string | null {
  const { stats } = dispatcher
  const zero = (one: object): boolean =>
    Object.values(one).every((value) => (typeof value === 'object' ? zero(value) : Number(value) === 0))
  return zero(stats) ? null : `not all stats are at zero: ${JSON.stringify(stats)}`
}
