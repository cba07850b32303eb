import { EligibleUpstreams } from '../balance/eligible-upstreams.js'
import type { Outcome, UpstreamPicker, UpstreamWatch, UpstreamWatcher } from '../balance/strategy.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { RequestCounters } from '../base/request-counters.js'
import { parseNumericString, positiveNumber, requireFunction, requireObject } from '../errors/option-checks.js'
import { BalancedPoolMissingUpstreamError, invalidOption } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { adaptHandler } from '../exchange/legacy-handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { resolveSharedConfig } from './client-options.js'
import type { Dispatcher } from './dispatcher.js'
import { closeIdle, type DispatcherCore, isClosed, sharedConfigOf } from './dispatcher-core.js'
import { isolatedMethods } from './isolated-methods.js'
import { Lifecycle, LifecycleDispatcher } from './lifecycle.js'
import { parseOrigin } from './origin.js'
import { OutcomeHandler } from './outcome-handler.js'
import { Pool } from './pool.js'
import { type DocumentedPoolOptions, type Factory, type PoolOptions, resolvePoolOptions } from './pool-options.js'
import { PoolStats } from './stats.js'
import { pickerOf, watcherOf } from './strategies.js'
import { toWeightedUpstream, Upstream, type UpstreamInput, type UpstreamSettings } from './upstream.js'
import { UpstreamDispatchers } from './upstream-dispatchers.js'

type PoolFactory = Factory<URL, DocumentedPoolOptions>

/** Options of a BalancedPool: those of its pools, and these. Source: undici's `BalancedPool.md`. */
export interface BalancedPoolOptions extends Omit<PoolOptions, 'factory'> {
  /** Makes the pool of each upstream. Default: `(origin, opts) => new Pool(origin, opts)`. */
  factory?: PoolFactory | null
  /** The largest weight of an upstream, which is also what it starts with. Default: 100. */
  maxWeightPerServer?: number
  /** What a failed connection takes off an upstream's weight, and a good one gives back. Default: 15. */
  errorPenalty?: number
  /**
   * Who takes the next request: each in turn by weight; of two that are drawn the one with fewer requests; of two the
   * one with the lower product of latency and requests; or whoever a picker of your own says. Default: `round-robin`.
   */
  strategy?: Strategy | UpstreamPicker
  /** An `OutlierDetection`: leaves upstreams out that fail again and again. Default: none. */
  outlierDetection?: UpstreamWatcher | null
  /** A `HealthCheck`: leaves upstreams out that do not answer it. Default: none. */
  healthCheck?: UpstreamWatcher<Upstream> | null
  /** ms for which the weight of an upstream grows to its whole, when it is added later or comes back. Default: 0. */
  slowStart?: number | null
}

type Strategy = 'round-robin' | 'least-requests' | 'peak-ewma'

interface Stoppable {
  stop(): unknown
}

/** The private side of a BalancedPool. */
export interface BalancedPoolCore extends DispatcherCore {
  /** What is stopped when the pool is closed or destroyed. */
  readonly stopOnClose: Set<Stoppable>
}

/**
 * Shares requests among several origins in turn, by weight: an upstream whose connections fail loses weight, down to
 * 1, and gains it back as they succeed. Source: undici's `BalancedPool.md`.
 */
export class BalancedPool extends LifecycleDispatcher {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #picker: UpstreamPicker<Upstream>
  readonly #eligible: EligibleUpstreams<Upstream>
  readonly #watches: readonly UpstreamWatch<Upstream>[]
  /** What stops when this is closed or destroyed. */
  readonly #stopOnClose = new Set<Stoppable>()
  /** Settled when nothing is left of what was stopped. */
  readonly #stopResults: unknown[] = []
  readonly #lifecycle: Lifecycle
  /** Somebody wants to know what becomes of requests. */
  readonly #reportsOutcomes: boolean
  readonly #slowStart: number
  #constructed = false
  readonly #tally = new RequestCounters()
  readonly #factory: PoolFactory
  readonly #options: PoolOptions
  readonly #config: ReturnType<typeof resolveSharedConfig>
  readonly #maxWeight: number
  readonly #errorPenalty: number
  readonly #dispatchers: UpstreamDispatchers
  #busyCount = 0
  #needDrain = false
  #closeComplete = false

  /**
   * @param upstreams one or more origins: protocol, host and port; each alone, or with a weight
   * @throws {InvalidArgumentError} an origin or an option is not what is documented
   */
  constructor(upstreams: UpstreamInput | readonly UpstreamInput[] = [], options: BalancedPoolOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#createCore())
    this.#dispatchers = new UpstreamDispatchers(this.#tally, lifecycle, {
      onUpstreamConnect: (upstream) => this.#changeHealth(upstream, this.#errorPenalty),
      onUpstreamFailure: (upstream) => this.#onFailure(upstream),
      onUpstreamFree: (upstream, targets) => this.#onFree(upstream, targets),
      onUpstreamClosed: (upstream) => this.#remove(upstream),
    })
    requireObject('options', options)
    const { factory = null, maxWeightPerServer, errorPenalty, ...others } = unpolluted(options)
    const { strategy, outlierDetection, healthCheck, slowStart, ...rest } = others
    if (factory !== null) requireFunction('factory', factory)
    resolvePoolOptions(rest)
    this.#factory = factory ?? ((origin, opts) => new Pool(origin, opts))
    this.#options = rest
    const origins = () =>
      [...this.#upstreams.values()].flatMap(({ pool, origin }) => sharedConfigOf(pool).origins ?? [origin])
    this.#config = resolveSharedConfig(rest, origins)
    this.#maxWeight = positiveNumber('maxWeightPerServer', parseNumericString(maxWeightPerServer), [100])
    this.#errorPenalty = positiveNumber('errorPenalty', parseNumericString(errorPenalty), [15])
    this.#picker = pickerOf(strategy)
    const watchers = [watcherOf({ outlierDetection }), watcherOf({ healthCheck })].flat()
    this.#eligible = new EligibleUpstreams(
      this.#picker,
      Math.max(0, ...watchers.map(({ panicThreshold }) => panicThreshold)),
    )
    this.#watches = watchers.map((watcher) => {
      const watch = watcher.watch((upstream, out) => this.#setEjected(upstream, out))
      return isolatedMethods(watch, ['joined', 'left', 'ended', 'stop'])
    })
    this.#reportsOutcomes = [this.#picker, ...this.#watches].some((one) => 'started' in one || 'ended' in one)
    this.#slowStart = slowStart === 0 ? 0 : positiveNumber('slowStart', slowStart, [0])
    try {
      for (const upstream of Array.isArray(upstreams) ? upstreams : [upstreams]) {
        const { origin, ...settings } = toWeightedUpstream(upstream)
        this.#add(origin, settings)
      }
    } catch (error) {
      lifecycle.destroy(null, () => {})
      throw error
    }
    this.#constructed = true
  }

  /** Origins among which requests are shared: those whose pools are open. */
  get upstreams(): string[] {
    return [...this.#upstreams.values()].filter(({ pool }) => !isClosed(pool)).map(({ origin }) => origin)
  }

  /** A snapshot of connections and requests of all upstreams, those that were removed and still work included. */
  get stats(): PoolStats {
    return new PoolStats(this.#tally)
  }

  /**
   * Adds an origin; one that is there already stays, and takes the weight if there is one. A pool that is closed or
   * destroyed adds none.
   * @throws {InvalidArgumentError} no origin, or no such weight or authority
   */
  addUpstream(upstream: URL | string, options: UpstreamSettings = {}): this {
    this.#add(upstream, options)
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

  /** The upstream of an origin; one whose pool was closed by others is removed. */
  #openUpstream(origin: string): Upstream | undefined {
    const upstream = this.#upstreams.get(origin)
    if (upstream === undefined || !isClosed(upstream.pool)) return upstream
    this.#remove(upstream)
    return undefined
  }

  #create(url: URL, baseWeight: number, authority: string | null | undefined): void {
    const options = authority == null ? this.#options : { ...this.#options, authority }
    const pool = this.#createDispatcher(url, options)
    // The factory may have added the origin itself.
    const other = this.#upstreams.get(url.origin)
    if (other !== undefined) this.#remove(other)
    const probeOptions = { ...options, connections: 1, minConnections: null, maxIdleConnections: null }
    const settings = {
      openProbe: () => this.#createDispatcher(url, probeOptions),
      isUpstreamDispatcher: (dispatcher: Dispatcher) => this.#dispatchers.has(dispatcher),
      health: this.#maxWeight,
      baseWeight,
      slowStart: this.#slowStart,
    }
    const upstream = this.#dispatchers.add(pool, url, (managed) => new Upstream(url, { managed, ...settings }))
    this.#upstreams.set(url.origin, upstream)
    if (this.#constructed) upstream.beginSlowStart()
    this.#eligible.add(upstream)
    for (const watch of this.#watches) watch.joined(upstream)
  }

  #createDispatcher(url: URL, options: PoolOptions): Dispatcher {
    const pool = this.#factory(url, { ...options } as DocumentedPoolOptions)
    if (typeof pool?.dispatch !== 'function') throw invalidOption('the return value of factory', 'a Dispatcher', pool)
    return pool
  }

  /** Closes the connections that are idle now, and nothing else. */
  closeIdle(): void {
    for (const { pool } of this.#upstreams.values()) closeIdle(pool)
  }

  /**
   * Sends an origin nothing new; what it has, it ends.
   * @throws {InvalidArgumentError} no origin
   */
  removeUpstream(upstream: URL | string): this {
    const found = this.#upstreams.get(parseOrigin(upstream, 'upstream').origin)
    if (found !== undefined) this.#remove(found)
    return this
  }

  /**
   * The pool of an origin; undefined when there is none, or it is closed.
   * @throws {InvalidArgumentError} no origin
   */
  getUpstream(upstream: URL | string): Pool | undefined {
    const pool = this.#upstreams.get(parseOrigin(upstream, 'upstream').origin)?.pool
    return pool === undefined || isClosed(pool) ? undefined : (pool as Pool)
  }

  #send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const upstream = this.#select(options.tried)
    // A turn without a failure since the last one is a step back to full weight.
    if (!upstream.failed && upstream.health < this.#maxWeight) this.#changeHealth(upstream, this.#errorPenalty)
    upstream.failed = false
    const defaults = { origin: upstream.origin, limits: this.#config.defaults.limits }
    const watched = this.#reportsOutcomes ? this.#withOutcome(upstream, options, handler) : null
    let room = true
    try {
      room = upstream.managed.send(options, watched ?? handler, defaults)
    } catch (error) {
      watched?.report(false, true)
      throw error
    }
    // It may have left in there, and the pool may be closed: then no drain follows.
    if (this.#upstreams.get(upstream.origin) === upstream) this.#setBusy(upstream, !room)
    if (room || this.#upstreams.size === 0 || this.#busyCount < this.#upstreams.size) return true
    this.#needDrain = true
    return false
  }

  /** One that did not take this request before, as long as there is any. */
  #select(tried: DispatchInput['tried']): Upstream {
    this.#eligible.updateWeights()
    if (tried != null && !Array.isArray(tried)) throw invalidOption('tried', 'an array', tried)
    let stranger: Upstream | null = null
    // As often as there are upstreams: a picker of the caller's may return one that was removed again and again.
    for (let left = this.#upstreams.size; left >= 0; left--) {
      const upstream = this.#pick(tried)
      if (this.#upstreams.get(upstream.origin) !== upstream) stranger = upstream
      else if (isClosed(upstream.pool)) this.#remove(upstream)
      else {
        tried?.push(upstream.origin)
        return upstream
      }
    }
    if (stranger === null || this.#upstreams.size === 0) throw new BalancedPoolMissingUpstreamError()
    throw invalidOption('the upstream that strategy returns', 'one of this pool', stranger)
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
    const watched = new OutcomeHandler(adapted, (outcome) => this.#onOutcome(upstream, outcome))
    this.#picker.started?.(upstream)
    return watched
  }

  /**
   * Who comes back has done its time: what its connections lost it before is no reason to ask it once in a hundred
   * turns.
   */
  #setEjected(upstream: Upstream, out: boolean): void {
    if (!out) this.#changeHealth(upstream, this.#maxWeight)
    this.#eligible.setEjected(upstream, out)
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
      children: () => this.#dispatchers.all.map(({ dispatcher }) => dispatcher),
      closeIdle: () => this.closeIdle(),
      countInto: (tally) => this.#tally.attach(tally),
      setOwner: (owner) => this.#lifecycle.setOwner(owner),
      isIdle: () => this.#dispatchers.all.every(({ idle }) => idle),
    }
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

/** The types of its options, as undici has them for its other pools. */
export declare namespace BalancedPool {
  /** Options of a BalancedPool as programs typed against undici give them. Source: undici's `BalancedPool.md`. */
  export interface Options extends DocumentedPoolOptions {
    /** The largest weight of an upstream, which is also what it starts with. Default: 100. */
    maxWeightPerServer?: number
    /** What a failed connection takes off an upstream's weight, and a good one gives back. Default: 15. */
    errorPenalty?: number
  }
}
