import { type Weighted, WeightedTurns } from '../balance/weighted.js'
import { Tally } from '../base/tally.js'
import { BalancedPoolMissingUpstreamError, invalidOption } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput, DispatchOptions } from '../exchange/request.js'
import { ComposedDispatcher, type Dispatcher } from './dispatcher.js'
import { LifecycleDispatcher } from './lifecycle.js'
import { parseOrigin } from './origin.js'
import { Pool } from './pool.js'
import { PoolBase } from './pool-base.js'
import { type DocumentedPoolOptions, type Factory, type PoolOptions, resolvePoolOptions } from './pool-options.js'
import { PoolStats } from './stats.js'

type PoolFactory = Factory<URL, DocumentedPoolOptions>

/** Options of a BalancedPool: those of its pools, and these. Source: undici's `BalancedPool.md`. */
export interface BalancedPoolOptions extends Omit<PoolOptions, 'factory'> {
  /** Makes the pool of each upstream. Default: `(origin, opts) => new Pool(origin, opts)`. */
  factory?: PoolFactory | null
  /** The largest weight of an upstream, which is also what it starts with. Default: 100. */
  maxWeightPerServer?: number
  /** What a failed connection takes off an upstream's weight, and a good one gives back. Default: 15. */
  errorPenalty?: number
}

class Upstream implements Weighted {
  index = -1
  due = 0
  order = 0
  weight: number
  /** It failed since it last had its turn. */
  failed = false
  /** It said it was busy and has not drained since. */
  busy = false
  readonly url: URL
  readonly pool: Dispatcher

  constructor(url: URL, pool: Dispatcher, weight: number) {
    this.url = url
    this.pool = pool
    this.weight = weight
  }
}

/**
 * Shares requests among several origins in turn, by weight: an upstream whose connections fail loses weight, down to
 * 1, and gains it back as they succeed. Source: undici's `BalancedPool.md`.
 */
export class BalancedPool extends LifecycleDispatcher {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #turns = new WeightedTurns<Upstream>()
  readonly #tally = new Tally()
  readonly #factory: PoolFactory
  readonly #options: PoolOptions
  readonly #maxWeight: number
  readonly #penalty: number
  readonly #leaving = new Map<Upstream, Promise<void>>()
  #busy = 0
  #needDrain = false
  #emptied = false

  /**
   * @param upstreams one or more origins: protocol, host and port
   * @throws {InvalidArgumentError} an origin or an option is not what is documented
   */
  constructor(upstreams: URL | string | readonly (URL | string)[] = [], options: BalancedPoolOptions = {}) {
    super()
    if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options)
    const { factory = null, maxWeightPerServer, errorPenalty, ...rest } = options
    if (factory !== null && typeof factory !== 'function') throw invalidOption('factory', 'a function', factory)
    resolvePoolOptions(rest)
    this.#factory = factory ?? ((origin, opts) => new Pool(origin, opts))
    this.#options = rest
    this.#maxWeight = positive('maxWeightPerServer', maxWeightPerServer, 100)
    this.#penalty = positive('errorPenalty', errorPenalty, 15)
    for (const upstream of Array.isArray(upstreams) ? upstreams : [upstreams]) this.addUpstream(upstream)
  }

  /** Origins among which requests are shared. */
  get upstreams(): string[] {
    return [...this.#upstreams.keys()]
  }

  /** A snapshot of connections and requests of all upstreams, those that were removed and still work included. */
  get stats(): PoolStats {
    return new PoolStats(this.#tally)
  }

  /**
   * Adds an origin; one that is there already stays as it is.
   * @throws {InvalidArgumentError} no origin
   */
  addUpstream(upstream: URL | string): this {
    const url = parseOrigin(upstream, 'upstream')
    if (this.#upstreams.has(url.origin)) return this
    const pool = this.#factory(url, { ...this.#options } as DocumentedPoolOptions)
    if (typeof pool?.dispatch !== 'function') throw invalidOption('what factory returns', 'a Dispatcher', pool)
    const added = new Upstream(url, pool, this.#maxWeight)
    poolBeneath(pool)?.countIn(this.#tally)
    this.#listen(added)
    this.#upstreams.set(url.origin, added)
    this.#turns.add(added)
    return this
  }

  /** Sends an origin nothing new; what it has, it ends. */
  removeUpstream(upstream: URL | string): this {
    const found = this.#upstreams.get(parseOrigin(upstream, 'upstream').origin)
    if (found !== undefined) this.#part(found)
    return this
  }

  /** The pool of an origin; undefined when there is none. */
  getUpstream(upstream: URL | string): Pool | undefined {
    return this.#upstreams.get(parseOrigin(upstream, 'upstream').origin)?.pool as Pool | undefined
  }

  protected override send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const upstream = this.#turns.next()
    if (upstream === null) throw new BalancedPoolMissingUpstreamError()
    // A turn without a failure since the last one is a step back to full weight.
    if (!upstream.failed && upstream.weight < this.#maxWeight) this.#weigh(upstream, this.#penalty)
    upstream.failed = false
    const room = upstream.pool.dispatch({ ...(options as DispatchOptions), origin: upstream.url.origin }, handler)
    this.#setBusy(upstream, !room)
    if (room || this.#busy < this.#upstreams.size) return true
    this.#needDrain = true
    return false
  }

  #weigh(upstream: Upstream, difference: number): void {
    upstream.weight = Math.max(1, Math.min(this.#maxWeight, upstream.weight + difference))
    if (difference > 0) this.#turns.hasten(upstream)
  }

  #setBusy(upstream: Upstream, busy: boolean): void {
    if (upstream.busy === busy) return
    upstream.busy = busy
    this.#busy += busy ? 1 : -1
  }

  #listen(upstream: Upstream): void {
    const { pool } = upstream
    pool.on('connect', (origin: URL, targets: readonly Dispatcher[]) => {
      this.#weigh(upstream, this.#penalty)
      this.emit('connect', origin, [this, ...targets])
    })
    pool.on('disconnect', (origin: URL, targets: readonly Dispatcher[], error: Error & { code?: string }) => {
      if (error?.code === 'UND_ERR_SOCKET' || error?.code === 'ECONNRESET') this.#onFailure(upstream)
      this.emit('disconnect', origin, [this, ...targets], error)
    })
    pool.on('connectionError', (origin: URL, targets: readonly Dispatcher[], error: Error) => {
      this.#onFailure(upstream)
      this.emit('connectionError', origin, [this, ...targets], error)
    })
    pool.on('drain', (_origin: URL, targets: readonly Dispatcher[] = []) => {
      if (this.#upstreams.get(upstream.url.origin) !== upstream) return
      this.#setBusy(upstream, false)
      this.#drain(upstream.url, targets)
    })
  }

  #drain(origin: URL, freed: readonly Dispatcher[] = []): void {
    if (!this.#needDrain) return
    this.#needDrain = false
    this.emit('drain', origin, [this, ...freed])
  }

  #onFailure(upstream: Upstream): void {
    upstream.failed = true
    this.#weigh(upstream, -this.#penalty)
  }

  #part(upstream: Upstream): void {
    const { origin } = upstream.url
    this.#upstreams.delete(origin)
    this.#turns.remove(upstream)
    this.#setBusy(upstream, false)
    const left = upstream.pool.close().catch(() => {})
    this.#leaving.set(upstream, left)
    left.then(() => this.#leaving.delete(upstream))
    this.#drain(upstream.url)
  }

  protected override get settled(): boolean {
    return this.#emptied
  }

  protected override shutDown(): void {
    for (const upstream of [...this.#upstreams.values()]) this.#part(upstream)
    Promise.all(this.#leaving.values()).then(() => {
      this.#emptied = true
      this.settle()
    })
  }

  protected override tearDown(error: Error, done: () => void): void {
    const all = [...this.#upstreams.values(), ...this.#leaving.keys()]
    Promise.all(all.map(({ pool }) => pool.destroy(error))).then(done, done)
  }
}

/** The types of its options, as undici has them for its other pools. */
export declare namespace BalancedPool {
  export interface Options extends DocumentedPoolOptions {
    /** The largest weight of an upstream, which is also what it starts with. Default: 100. */
    maxWeightPerServer?: number
    /** What a failed connection takes off an upstream's weight, and a good one gives back. Default: 15. */
    errorPenalty?: number
  }
}

function positive(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw invalidOption(name, 'a number above 0', value)
  }
  return value
}

/** Our own pool under however many interceptors. */
function poolBeneath(dispatcher: Dispatcher): PoolBase | null {
  let beneath = dispatcher
  while (beneath instanceof ComposedDispatcher) beneath = beneath.base
  return beneath instanceof PoolBase ? beneath : null
}
