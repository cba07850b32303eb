import type { EligibilityEntry } from '../balance/eligible-upstreams.js'
import type { WeightedEntry } from '../balance/weighted-round-robin.js'
import { now } from '../base/clock.js'
import { type InspectArguments, inspectSymbol } from '../base/inspect-symbol.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { type KnownOptions, refuseUnknownOptions } from '../errors/unknown-options.js'
import type { Dispatcher } from './dispatcher.js'
import { describeTree, inspectTree } from './inspect.js'
import type { ManagedDispatcher } from './managed-dispatcher.js'

/** Initial fraction of the weight in a slow start. */
const MIN_SLOW_START = 0.1

interface UpstreamInit {
  managed: ManagedDispatcher
  openProbe: () => Dispatcher
  isUpstreamDispatcher: (dispatcher: Dispatcher) => boolean
  health: number
  baseWeight: number
  slowStart: number
  /** Returns what the watchers of the pool have recorded of the upstream, in words. */
  describeWatches: (upstream: Upstream) => string[]
}

/** Upstream of a BalancedPool: its dispatcher, weight and state. */
export class Upstream implements WeightedEntry, EligibilityEntry {
  index = -1
  due = 0
  order = 0
  /** Part of the weight that connection failures lower: from 1 to `maxWeightPerServer`. */
  health: number
  /** Configured weight. */
  baseWeight: number
  /** Start time of the slow start in ms; 0 if it has its full weight. */
  slowStartAt = 0
  /** Duration of a slow start in ms; 0 for none. */
  readonly slowStart: number
  /** Whether a connection has failed since its last request. */
  failed = false
  /** Whether it accepts no more requests until it drains. */
  busy = false
  ejectedBy = 0
  eligible = false
  readonly url: URL
  readonly origin: string
  readonly managed: ManagedDispatcher
  /** Creates a dispatcher with one connection to the same origin, for health checks. */
  readonly openProbe: () => Dispatcher
  /** Whether a dispatcher belongs to an upstream of the pool: a factory may return it for health checks too. */
  readonly isUpstreamDispatcher: (dispatcher: Dispatcher) => boolean

  readonly #describeWatches: UpstreamInit['describeWatches']

  constructor(url: URL, start: UpstreamInit) {
    this.url = url
    this.origin = url.origin
    this.managed = start.managed
    this.openProbe = start.openProbe
    this.isUpstreamDispatcher = start.isUpstreamDispatcher
    this.health = start.health
    this.baseWeight = start.baseWeight
    this.slowStart = start.slowStart
    this.#describeWatches = start.describeWatches
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

  /** Starts a slow start: the weight grows from 10 % to 100 %. */
  beginSlowStart(): void {
    if (this.slowStart > 0) this.slowStartAt = now()
  }

  /** Describes the upstream: weight and state in one line, its pool below. */
  inspect(): string {
    return describeTree(this.#line, [this.pool])
  }

  [inspectSymbol](...given: InspectArguments): string {
    return inspectTree(this.#line, [this.pool], given)
  }

  get #line(): string {
    const states = this.#describeWatches(this)
    if (states.length === 0) states.push(this.ejectedBy > 0 ? 'ejected' : 'healthy')
    if (this.inSlowStart) states.push('slow start')
    return `${this.origin}, weight: ${Math.round(this.weight)}, ${states.join(', ')}`
  }

  #slowStartProgress(): number {
    const part = (now() - this.slowStartAt) / this.slowStart
    if (part >= 1) this.slowStartAt = 0
    return Math.min(1, Math.max(MIN_SLOW_START, part))
  }
}

/** Settings of an upstream of a BalancedPool. */
export interface UpstreamSettings {
  /** Number above 0; requests are distributed in proportion to it. Default: 1. */
  weight?: number | undefined
  /**
   * Host and port of an upstream whose origin has an IP address: used for the `host` header, as TLS server name, and to
   * verify the certificate. Default: host and port of the origin.
   */
  authority?: string | null | undefined
}

/** Upstream of a BalancedPool with settings. */
export interface WeightedUpstream extends UpstreamSettings {
  /** Protocol, host and port. */
  origin: URL | string
}

/** Upstream of a BalancedPool: an origin, or an object with an origin and settings. */
export type UpstreamInput = URL | string | WeightedUpstream

/** Settings of an upstream, and the parts in which a URL may be given. */
export const UPSTREAM_SETTINGS: KnownOptions = {
  bag: 'upstream',
  names: ['weight', 'authority', 'origin', 'protocol', 'hostname', 'host', 'port', 'path', 'pathname', 'search'],
}

/** Normalizes an upstream to an object. URL objects of any realm have an `origin` too, but are no settings. */
export function toWeightedUpstream(input: UpstreamInput): WeightedUpstream {
  const own = unpolluted(input) as WeightedUpstream & { href?: unknown }
  const weighted = typeof own === 'object' && own !== null && own.origin !== undefined && own.href === undefined
  if (weighted) refuseUnknownOptions(UPSTREAM_SETTINGS, input)
  return weighted ? own : { origin: input as URL | string }
}
