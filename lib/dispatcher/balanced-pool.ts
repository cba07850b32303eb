import { EligibleUpstreams } from '../balance/eligible-upstreams.js'
import type { Outcome, UpstreamPicker, UpstreamWatch } from '../balance/strategy.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { RequestCounters } from '../base/request-counters.js'
import { atCaller, pointAtCaller } from '../errors/caller.js'
import { positiveNumber } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import { BalancedPoolMissingUpstreamError, invalidOption } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { adaptHandler } from '../exchange/legacy-handler.js'
import type { DispatchInput } from '../exchange/request.js'
import {
  type BalancedPoolOptions,
  type ResolvedBalancedPoolOptions,
  resolveBalancedPoolOptions,
} from './balanced-pool-options.js'
import { resolveSharedConfig } from './client-options.js'
import type { Dispatcher } from './dispatcher.js'
import { closeIdle, type DispatcherCore, isClosed, sharedConfigOf } from './dispatcher-core.js'
import type { Inspectable } from './inspect.js'
import { isolatedMethods } from './isolated-methods.js'
import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { parseOrigin } from './origin.js'
import { OutcomeHandler } from './outcome-handler.js'
import type { Pool } from './pool.js'
import type { PoolFactoryOptions, PoolOptions } from './pool-options.js'
import { PoolStats } from './stats.js'
import {
  toWeightedUpstream,
  UPSTREAM_SETTINGS,
  Upstream,
  type UpstreamInput,
  type UpstreamSettings,
} from './upstream.js'
import { UpstreamDispatchers } from './upstream-dispatchers.js'

interface Stoppable {
  stop(): unknown
}

/** Core of a BalancedPool. */
export interface BalancedPoolCore extends DispatcherCore {
  /** Objects that are stopped when the pool is closed or destroyed: upstream discoveries. */
  readonly stopOnClose: Set<Stoppable>
}

/**
 * Load balancer: distributes requests among the pools of several upstreams, by weight. A connection failure lowers the
 * weight of an upstream, down to 1; successes raise it again. Source: undici's `BalancedPool.md`.
 * @example
 * const pool = new BalancedPool(['http://localhost:3001', 'http://localhost:3002'])
 * const { body } = await pool.request({ path: '/', method: 'GET' })
 * console.log(await body.text())
 * await pool.close()
 */
export class BalancedPool extends LifecycleDispatcher {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #picker: UpstreamPicker<Upstream>
  readonly #eligible: EligibleUpstreams<Upstream>
  readonly #watches: readonly UpstreamWatch<Upstream>[]
  readonly #stopOnClose = new Set<Stoppable>()
  /** Results of their `stop`: promises are awaited by `destroy`. */
  readonly #stopResults: unknown[] = []
  readonly #lifecycle: Lifecycle
  /** Whether the strategy or a watcher needs the outcome of requests. */
  readonly #reportsOutcomes: boolean
  readonly #slowStart: number
  #constructed = false
  readonly #counters = new RequestCounters()
  readonly #factory: ResolvedBalancedPoolOptions['factory']
  readonly #options: PoolOptions
  readonly #config: ReturnType<typeof resolveSharedConfig>
  readonly #maxWeight: number
  readonly #errorPenalty: number
  readonly #dispatchers: UpstreamDispatchers
  #busyCount = 0
  #needDrain = false
  #closeComplete = false

  /**
   * @param upstreams one or more origins (protocol, host and port), or objects with an origin and a weight
   * @throws {InvalidArgumentError} an origin or an option is invalid
   */
  constructor(upstreams: UpstreamInput | readonly UpstreamInput[] = [], options: BalancedPoolOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#createCore(), options)
    this.#dispatchers = new UpstreamDispatchers(this.#counters, lifecycle, {
      onUpstreamConnect: (upstream) => this.#changeHealth(upstream, this.#errorPenalty),
      onUpstreamFailure: (upstream) => this.#onFailure(upstream),
      onUpstreamFree: (upstream, targets) => this.#onFree(upstream, targets),
      onUpstreamClosed: (upstream) => this.#remove(upstream),
    })
    const { watchers, ...resolved } = atCaller(BalancedPool, () => resolveBalancedPoolOptions(options))
    this.#factory = resolved.factory
    this.#options = resolved.options
    const origins = () =>
      [...this.#upstreams.values()].flatMap(({ pool, origin }) => sharedConfigOf(pool).origins ?? [origin])
    this.#config = resolveSharedConfig(resolved.options, origins)
    this.#maxWeight = resolved.maxWeight
    this.#errorPenalty = resolved.errorPenalty
    this.#slowStart = resolved.slowStart
    this.#picker = resolved.picker
    const panicThreshold = Math.max(0, ...watchers.map((watcher) => watcher.panicThreshold))
    this.#eligible = new EligibleUpstreams(this.#picker, panicThreshold)
    this.#watches = watchers.map((watcher) => {
      const watch = watcher.watch((upstream, ejected) => this.#setEjected(upstream, ejected))
      return isolatedMethods(watch, ['joined', 'left', 'ended', 'describe', 'stop'])
    })
    this.#reportsOutcomes = [this.#picker, ...this.#watches].some((one) => 'started' in one || 'ended' in one)
    try {
      for (const upstream of Array.isArray(upstreams) ? upstreams : [upstreams]) {
        const { origin, ...settings } = toWeightedUpstream(upstream)
        this.#add(origin, settings)
      }
    } catch (error) {
      lifecycle.destroy(null, () => {})
      throw pointAtCaller(error, BalancedPool)
    }
    this.#constructed = true
  }

  /** Origins of all upstreams whose pools are open. */
  get upstreams(): string[] {
    return [...this.#upstreams.values()].filter(({ pool }) => !isClosed(pool)).map(({ origin }) => origin)
  }

  /** Snapshot of the connections and requests of all upstreams, removed ones with requests in flight included. */
  get stats(): PoolStats {
    return new PoolStats(this.#counters)
  }

  /**
   * Adds an upstream. An upstream that exists already keeps its pool; its weight changes if `weight` is given. Does
   * nothing after `close` or `destroy`.
   * @throws {InvalidArgumentError} the origin, the weight or the authority is invalid
   */
  addUpstream(upstream: URL | string, options: UpstreamSettings = {}): this {
    atCaller(BalancedPool.prototype.addUpstream, () => {
      refuseUnknownOptions(UPSTREAM_SETTINGS, options)
      this.#add(upstream, options)
    })
    return this
  }

  #add(upstream: URL | string, given: UpstreamSettings): void {
    const options = unpolluted(given)
    const url = parseOrigin(upstream, 'upstream')
    const weight = positiveNumber('weight', options?.weight, [1])
    if (this.#lifecycle.closed) return
    const known = this.#openUpstream(url.origin)
    if (known === undefined) this.#create(url, weight, options?.authority)
    else if (options?.weight !== undefined) {
      known.baseWeight = weight
      this.#picker.reweighed?.(known)
    }
  }

  /** Returns the upstream of an origin. Removes it if user code has closed its pool. */
  #openUpstream(origin: string): Upstream | undefined {
    const upstream = this.#upstreams.get(origin)
    if (upstream === undefined || !isClosed(upstream.pool)) return upstream
    this.#remove(upstream)
    return undefined
  }

  #create(url: URL, baseWeight: number, authority: string | null | undefined): void {
    const options = authority == null ? this.#options : { ...this.#options, authority }
    const pool = this.#createDispatcher(url, options)
    // The factory may itself have added this origin.
    const other = this.#upstreams.get(url.origin)
    if (other !== undefined) this.#remove(other)
    const probeOptions = { ...options, connections: 1, minConnections: null, maxIdleConnections: null }
    const settings = {
      openProbe: () => this.#createDispatcher(url, probeOptions),
      isUpstreamDispatcher: (dispatcher: Dispatcher) => this.#dispatchers.has(dispatcher),
      health: this.#maxWeight,
      baseWeight,
      slowStart: this.#slowStart,
      describeWatches: (upstream: Upstream) => this.#watches.flatMap((watch) => watch.describe?.(upstream) ?? []),
    }
    const upstream = this.#dispatchers.add(pool, url, (managed) => new Upstream(url, { managed, ...settings }))
    this.#upstreams.set(url.origin, upstream)
    if (this.#constructed) upstream.beginSlowStart()
    this.#eligible.add(upstream)
    for (const watch of this.#watches) watch.joined(upstream)
  }

  #createDispatcher(url: URL, options: PoolOptions): Dispatcher {
    const pool = this.#factory(url, { ...options } as PoolFactoryOptions)
    if (typeof pool?.dispatch !== 'function') throw invalidOption('the return value of factory', 'a Dispatcher', pool)
    return pool
  }

  /** Closes all idle connections. Requests are not affected. */
  closeIdle(): void {
    for (const { pool } of this.#upstreams.values()) closeIdle(pool)
  }

  /**
   * Removes an upstream: it receives no more requests, and its pool is closed after its requests in flight.
   * @throws {InvalidArgumentError} the origin is invalid
   */
  removeUpstream(upstream: URL | string): this {
    const { origin } = atCaller(BalancedPool.prototype.removeUpstream, () => parseOrigin(upstream, 'upstream'))
    const found = this.#upstreams.get(origin)
    if (found !== undefined) this.#remove(found)
    return this
  }

  /**
   * Returns the pool of an upstream; undefined if there is none or it is closed.
   * @throws {InvalidArgumentError} the origin is invalid
   */
  getUpstream(upstream: URL | string): Pool | undefined {
    const { origin } = atCaller(BalancedPool.prototype.getUpstream, () => parseOrigin(upstream, 'upstream'))
    const pool = this.#upstreams.get(origin)?.pool
    return pool === undefined || isClosed(pool) ? undefined : (pool as Pool)
  }

  #send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const upstream = this.#select(options.tried)
    // No failure since its last request: the upstream regains weight.
    if (!upstream.failed && upstream.health < this.#maxWeight) this.#changeHealth(upstream, this.#errorPenalty)
    upstream.failed = false
    const defaults = { origin: upstream.origin, limits: this.#config.defaults.limits }
    const outcomeHandler = this.#reportsOutcomes ? this.#withOutcome(upstream, options, handler) : null
    let accepts = true
    try {
      accepts = upstream.managed.send(options, outcomeHandler ?? handler, defaults)
    } catch (error) {
      outcomeHandler?.report(false, true)
      throw error
    }
    // The upstream may have been removed, or the pool closed, meanwhile: then no `drain` follows.
    if (this.#upstreams.get(upstream.origin) === upstream) this.#setBusy(upstream, !accepts)
    if (accepts || this.#upstreams.size === 0 || this.#busyCount < this.#upstreams.size) return true
    this.#needDrain = true
    return false
  }

  /** Selects the upstream for a request, if possible one that no earlier attempt was sent to. */
  #select(tried: DispatchInput['tried']): Upstream {
    this.#eligible.updateWeights()
    if (tried != null && !Array.isArray(tried)) throw invalidOption('tried', 'an array', tried)
    let removed: Upstream | null = null
    // Bounded: a user's strategy may return a removed upstream again and again.
    for (let left = this.#upstreams.size; left >= 0; left--) {
      const upstream = this.#pick(tried)
      if (this.#upstreams.get(upstream.origin) !== upstream) removed = upstream
      else if (isClosed(upstream.pool)) this.#remove(upstream)
      else {
        tried?.push(upstream.origin)
        return upstream
      }
    }
    if (removed === null || this.#upstreams.size === 0) throw new BalancedPoolMissingUpstreamError()
    throw invalidOption('the upstream that strategy returns', 'one of this pool', removed)
  }

  #pick(tried: DispatchInput['tried']): Upstream {
    const upstream = (tried?.length ? this.#picker.pick(tried) : null) ?? this.#picker.pick()
    if (upstream instanceof Upstream) return upstream
    if (upstream == null) throw new BalancedPoolMissingUpstreamError()
    throw invalidOption('the upstream that strategy returns', 'one of its candidates', upstream)
  }

  #withOutcome(
    upstream: Upstream,
    options: DispatchInput,
    handler: DispatchHandler | LegacyDispatchHandler,
  ): OutcomeHandler {
    const { method, upgrade } = options
    const adapted = adaptHandler(handler, method === 'CONNECT' || (upgrade != null && upgrade !== false))
    const outcomeHandler = new OutcomeHandler(adapted, (outcome) => this.#onOutcome(upstream, outcome))
    this.#picker.started?.(upstream)
    return outcomeHandler
  }

  /** A recovered upstream starts with full health: earlier connection failures must not keep its weight low. */
  #setEjected(upstream: Upstream, ejected: boolean): void {
    if (!ejected) this.#changeHealth(upstream, this.#maxWeight)
    this.#eligible.setEjected(upstream, ejected)
  }

  #onOutcome(upstream: Upstream, outcome: Outcome): void {
    this.#picker.ended?.(upstream, outcome)
    for (const watch of this.#watches) watch.ended?.(upstream, outcome)
  }

  #changeHealth(upstream: Upstream, difference: number): void {
    const health = Math.max(1, Math.min(this.#maxWeight, upstream.health + difference))
    if (health === upstream.health) return
    upstream.health = health
    this.#picker.reweighed?.(upstream)
  }

  #setBusy(upstream: Upstream, busy: boolean): void {
    if (upstream.busy === busy) return
    upstream.busy = busy
    this.#busyCount += busy ? 1 : -1
  }

  #onFree(upstream: Upstream, targets: readonly Dispatcher[]): void {
    if (this.#upstreams.get(upstream.origin) !== upstream) return
    this.#setBusy(upstream, false)
    this.#emitDrain(upstream.url, targets)
  }

  #emitDrain(origin: URL, freed: readonly Dispatcher[] = []): void {
    if (!this.#needDrain) return
    this.#needDrain = false
    this.#lifecycle.onDrain(origin, freed)
  }

  #onFailure(upstream: Upstream): void {
    upstream.failed = true
    this.#changeHealth(upstream, -this.#errorPenalty)
  }

  #remove(upstream: Upstream): void {
    const { origin } = upstream
    if (this.#upstreams.get(origin) !== upstream) return
    this.#upstreams.delete(origin)
    this.#eligible.remove(upstream)
    for (const watch of this.#watches) watch.left(upstream)
    this.#setBusy(upstream, false)
    this.#dispatchers.remove(upstream)
    this.#emitDrain(upstream.url)
  }

  #createCore(): BalancedPoolCore {
    return {
      origin: null,
      config: () => this.#config,
      stopOnClose: this.#stopOnClose,
      isCloseComplete: () => this.#closeComplete,
      send: (options, handler) => this.#send(options, handler),
      onClose: () => this.#onClose(),
      onDestroy: (error, done) => this.#onDestroy(error, done),
      children: () => this.#children(),
      closeIdle: () => this.closeIdle(),
      countInto: (counters) => this.#counters.attach(counters),
      setOwner: (owner) => this.#lifecycle.setOwner(owner),
      isIdle: () => this.#dispatchers.all.every(({ idle }) => idle),
    }
  }

  /** Returns the upstreams, and the dispatchers of removed ones. */
  #children(): Inspectable[] {
    const upstreams = [...this.#upstreams.values()]
    const removed = this.#dispatchers.all.filter((one) => upstreams.every(({ managed }) => managed !== one))
    return [...upstreams, ...removed.map(({ dispatcher }) => dispatcher)]
  }

  #stop(): void {
    if (this.#stopResults.length > 0) return
    for (const one of [...this.#watches, ...this.#stopOnClose]) this.#stopResults.push(one.stop())
  }

  #onClose(): void {
    this.#stop()
    for (const upstream of [...this.#upstreams.values()]) this.#remove(upstream)
    this.#dispatchers.whenClosed().then(() => {
      this.#closeComplete = true
      this.#lifecycle.finishClose()
    })
  }

  #onDestroy(error: Error, done: () => void): void {
    this.#stop()
    Promise.all([this.#dispatchers.destroy(error), ...this.#stopResults]).then(done, done)
  }
}

/** Types of the options, named as undici names those of its other pools. */
export declare namespace BalancedPool {
  export type { BalancedPoolOptions as Options }
}
