import type { EligibilityEntry } from '../balance/eligible-upstreams.js'
import type { WeightedEntry } from '../balance/weighted-round-robin.js'
import { now } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import type { Dispatcher } from './dispatcher.js'
import type { ManagedDispatcher } from './managed-dispatcher.js'

/** Less than this part of its weight nobody starts with. */
const FIRST = 0.1

interface UpstreamStart {
  part: ManagedDispatcher
  openProbe: () => Dispatcher
  isPool: (dispatcher: Dispatcher) => boolean
  health: number
  share: number
  slowStart: number
}

/** One of the origins of a BalancedPool, and where it stands there. */
export class Upstream implements WeightedEntry, EligibilityEntry {
  index = -1
  due = 0
  order = 0
  /** Lowered by failures, up to the largest there is. */
  health: number
  /** Its own weight beside those of others. */
  share: number
  /** When it began to start slowly; 0 when it has its whole weight. */
  startedAt = 0
  /** ms for which it starts slowly. */
  readonly slowStart: number
  /** It failed since it last had its turn. */
  failed = false
  /** It said it was busy and has not drained since. */
  busy = false
  blocks = 0
  listed = false
  readonly url: URL
  readonly origin: string
  readonly part: ManagedDispatcher
  /** Makes a dispatcher of one connection to the same origin, for health checks. */
  readonly openProbe: () => Dispatcher
  /** Whether a dispatcher is that of an upstream: a factory may return it for health checks too. */
  readonly isPool: (dispatcher: Dispatcher) => boolean

  constructor(url: URL, start: UpstreamStart) {
    this.url = url
    this.origin = url.origin
    this.part = start.part
    this.openProbe = start.openProbe
    this.isPool = start.isPool
    this.health = start.health
    this.share = start.share
    this.slowStart = start.slowStart
  }

  get pool(): Dispatcher {
    return this.part.dispatcher
  }

  get weight(): number {
    const weight = this.health * this.share
    return this.startedAt === 0 ? weight : weight * this.#ramp()
  }

  get starting(): boolean {
    return this.startedAt !== 0 && this.#ramp() < 1
  }

  /** From now on its weight grows from little to whole. */
  startSlowly(): void {
    if (this.slowStart > 0) this.startedAt = now()
  }

  #ramp(): number {
    const part = (now() - this.startedAt) / this.slowStart
    if (part >= 1) this.startedAt = 0
    return Math.min(1, Math.max(FIRST, part))
  }
}

/** What may be said of an origin. */
export interface UpstreamSettings {
  /** Its share beside the others', above 0. Default: 1. */
  weight?: number | undefined
  /** Host and port by which it is known, when its origin is an address: for `host`, and for TLS. Default: the origin's. */
  authority?: string | null | undefined
}

/** An origin, and its weight beside those of the others. */
export interface WeightedUpstream extends UpstreamSettings {
  origin: URL | string
}

/** What may stand for an upstream. */
export type UpstreamInput = URL | string | WeightedUpstream

/** A URL, of whatever realm, is no object with an origin and a weight. */
export function weightedUpstream(input: UpstreamInput): WeightedUpstream {
  const own = unpolluted(input) as WeightedUpstream & { href?: unknown }
  const weighted = typeof own === 'object' && own !== null && own.origin !== undefined && own.href === undefined
  return weighted ? own : { origin: input as URL | string }
}
