import type { UpstreamPicker, UpstreamWatcher } from '../balance/strategy.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { parseNumericString, positiveNumber, requireFunction, requireObject } from '../errors/option-checks.js'
import type { HealthCheck } from './health-check.js'
import { Pool } from './pool.js'
import { type Factory, type PoolFactoryOptions, type PoolOptions, resolvePoolOptions } from './pool-options.js'
import { pickerOf, watcherOf } from './strategies.js'
import type { Upstream } from './upstream.js'

/** Creates the pool of an upstream. */
export type PoolFactory = Factory<URL, PoolFactoryOptions>

/**
 * Options of a BalancedPool: those of a Pool, and these. Source: undici's `BalancedPool.md`.
 * @example
 * const pool = new BalancedPool(['http://localhost:3001', { origin: 'http://localhost:3002', weight: 2 }], {
 *   strategy: 'least-requests',
 *   outlierDetection: new OutlierDetection({ consecutiveFailures: 5 }),
 *   healthCheck: new HealthCheck({ path: '/health' }),
 *   slowStart: 30_000,
 * })
 */
export interface BalancedPoolOptions extends Omit<PoolOptions, 'factory'> {
  /** Creates the pool of an upstream. Default: `(origin, opts) => new Pool(origin, opts)`. */
  factory?: PoolFactory | null
  /** Initial and largest weight of an upstream. Default: 100. */
  maxWeightPerServer?: number
  /**
   * Amount by which a connection failure lowers the weight of an upstream, and a success raises it again. Default: 15.
   */
  errorPenalty?: number
  /**
   * Load balancing strategy. `round-robin`: in turn, by weight. `least-requests`: of two random upstreams, the one with
   * fewer active requests. `peak-ewma`: of two random upstreams, the one with the lower product of latency and active
   * requests. Or a strategy of your own. Default: `round-robin`.
   */
  strategy?: BalancingStrategy | UpstreamPicker
  /** Ejects upstreams after consecutive failures: an `OutlierDetection`. Default: none. */
  outlierDetection?: UpstreamWatcher | null
  /** Ejects upstreams that fail health checks: a `HealthCheck`. Default: none. */
  healthCheck?: HealthCheck | null
  /** Time in ms in which an upstream that is added later, or has recovered, reaches its full weight. Default: 0. */
  slowStart?: number | null
}

/** Name of a load balancing strategy of a BalancedPool. */
export type BalancingStrategy = 'round-robin' | 'least-requests' | 'peak-ewma'

/** Validated options of a BalancedPool, with defaults. */
export interface ResolvedBalancedPoolOptions {
  factory: PoolFactory
  /** Options for the factory. */
  options: PoolOptions
  maxWeight: number
  errorPenalty: number
  picker: UpstreamPicker<Upstream>
  watchers: UpstreamWatcher<Upstream>[]
  /** ms */
  slowStart: number
}

/**
 * Validates the options of a BalancedPool and adds defaults.
 * @throws {InvalidArgumentError} an option is invalid
 */
export function resolveBalancedPoolOptions(given: BalancedPoolOptions): ResolvedBalancedPoolOptions {
  requireObject('options', given)
  const { factory = null, maxWeightPerServer, errorPenalty, ...others } = unpolluted(given)
  const { strategy, outlierDetection, healthCheck, slowStart, ...options } = others
  if (factory !== null) requireFunction('factory', factory)
  resolvePoolOptions(options)
  return {
    factory: factory ?? ((origin, opts) => new Pool(origin, opts)),
    options,
    maxWeight: positiveNumber('maxWeightPerServer', parseNumericString(maxWeightPerServer), [100]),
    errorPenalty: positiveNumber('errorPenalty', parseNumericString(errorPenalty), [15]),
    picker: pickerOf(strategy),
    watchers: [watcherOf({ outlierDetection }), watcherOf({ healthCheck })].flat(),
    slowStart: slowStart === 0 ? 0 : positiveNumber('slowStart', slowStart, [0]),
  }
}
