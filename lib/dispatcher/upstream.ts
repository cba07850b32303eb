import type { EligibilityEntry } from '../balance/eligible-upstreams.js'
import type { WeightedEntry } from '../balance/weighted-round-robin.js'
import { now } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import type { Dispatcher } from './dispatcher.js'
import type { ManagedDispatcher } from './managed-dispatcher.js'

/** Less than this part of its weight nobody starts with. */
const MIN_SLOW_START = 0.1

interface UpstreamInit {
  managed: ManagedDispatcher
  openProbe: () => Dispatcher
  isUpstreamDispatcher: (dispatcher: Dispatcher) => boolean
  health: number
  baseWeight: number
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
  baseWeight: number
  /** When it began to start slowly; 0 when it has its whole weight. */
  slowStartAt = 0
  /** ms for which it starts slowly. */
  readonly slowStart: number
  /** It failed since it last had its turn. */
  failed = false
  /** It said it was busy and has not drained since. */
  busy = false
  ejectedBy = 0
  eligible = false
  readonly url: URL
  readonly origin: string
  readonly managed: ManagedDispatcher
  /** Makes a dispatcher of one connection to the same origin, for health checks. */
  readonly openProbe: () => Dispatcher
  /** Whether a dispatcher is that of an upstream: a factory may return it for health checks too. */
  readonly isUpstreamDispatcher: (dispatcher: Dispatcher) => boolean

  constructor(url: URL, start: UpstreamInit) {
    this.url = url
    this.origin = url.origin
    this.managed = start.managed
    this.openProbe = start.openProbe
    this.isUpstreamDispatcher = start.isUpstreamDispatcher
    this.health = start.health
    this.baseWeight = start.baseWeight
    this.slowStart = start.slowStart
  }

  get pool(): Dispatcher {
    return this.managed.dispatcher
  }

  get weight(): number {
    const weight = this.health * this.baseWeight
    return this.slowStartAt === 0 ? weight : weight * this.#slowStartProgress()
  }

  get inSlowStart(): boolean {
    return this.slowStartAt !== 0 && this.#slowStartProgress() < 1
  }

  /** From now on its weight grows from little to whole. */
  beginSlowStart(): void {
    if (this.slowStart > 0) this.slowStartAt = now()
  }

  #slowStartProgress(): number {
    const part = (now() - this.slowStartAt) / this.slowStart
    if (part >= 1) this.slowStartAt = 0
    return Math.min(1, Math.max(MIN_SLOW_START, part))
  }
}

/** What may be said of an origin. */
export interface UpstreamSettings {
  /** Its share beside the others', above 0. Default: 1. */
  weight?: number | undefined
  /**
   * Host and port by which it is known, when its origin is an address: for `host`, and for TLS. Default: the origin's.
   */
  authority?: string | null | undefined
}

/** An origin, and its weight beside those of the others. */
export interface WeightedUpstream extends UpstreamSettings {
  origin: URL | string
}

/** What may stand for an upstream. */
export type UpstreamInput = URL | string | WeightedUpstream

/** A URL, of whatever realm, is no object with an origin and a weight. */
export function toWeightedUpstream(input: UpstreamInput): WeightedUpstream {
  const own = unpolluted(input) as WeightedUpstream & { href?: unknown }
  const weighted = typeof own === 'object' && own !== null && own.origin !== undefined && own.href === undefined
  return weighted ? own : { origin: input as URL | string }
}
