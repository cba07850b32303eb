import { unpolluted } from '../base/prototype-pollution.js'
import { nonNegativeInteger, parseNumericString, requireFunction, requireObject } from '../errors/option-checks.js'
import { invalidChoice, invalidOption } from '../errors.js'
import type { ClientFactoryOptions, ClientOptions } from './client-options.js'
import type { Dispatcher } from './dispatcher.js'

/** Function that creates a dispatcher for an origin. Typed as a method, so that its parameters may be narrower. */
export type Factory<Origin, Options> = { factory(origin: Origin, options: Options): Dispatcher }['factory']
/** Creates a client of a pool. */
export type ClientFactory = Factory<URL, ClientFactoryOptions>

/** Options of a Pool: those of a Client, and these. Source: undici's `Pool.md`. */
export interface PoolOptions extends ClientOptions {
  /** Creates each client. Default: `(origin, opts) => new Client(origin, opts)`. */
  factory?: ClientFactory | null
  /** Maximum number of clients, and so of connections; null or 0 for no limit. Default: null. */
  connections?: number | null
  /** Time in ms after which a client is removed from the pool and closed; null for never. Default: null. */
  clientTtl?: number | null
  /**
   * Minimum number of connections, opened with the first request and replaced when they are closed, by
   * `keepAliveTimeout` too. The delay before a replacement grows up to 30 s while connections do not last. They do not
   * keep the process alive. Default: 0.
   */
  minConnections?: number | null
  /** Maximum number of idle connections: the longest idle ones beyond it are closed. Default: no limit. */
  maxIdleConnections?: number | null
  /**
   * Order in which a Pool reuses free clients. `lifo`: the most recently used first, so that the others become idle.
   * `fifo`: the least recently used first. Default: `lifo`.
   */
  reuse?: 'lifo' | 'fifo' | null
}

/**
 * Options of a Pool as a `factory` receives them, so that they are also options of undici's Pool.
 * Source: undici's `Pool.md`.
 */
export interface PoolFactoryOptions extends ClientFactoryOptions, Omit<PoolOptions, keyof ClientOptions | 'factory'> {
  /** Creates each client. Default: `(origin, opts) => new Client(origin, opts)`. */
  factory?(origin: URL, options: object): Dispatcher
}

/** Validated options of a Pool, with defaults. */
export interface ResolvedPoolOptions {
  factory: ClientFactory | null
  /** Infinity for no limit. */
  connections: number
  /** ms */
  clientTtl: number | null
  /** Infinity for no limit. */
  maxQueued: number
  minConnections: number
  /** Infinity for no limit. */
  maxIdleConnections: number
  reuse: 'lifo' | 'fifo'
  client: ClientOptions
}

/**
 * Validates the options of a Pool, without those of its clients, and adds defaults.
 * @throws {InvalidArgumentError} an option is invalid
 */
export function resolvePoolOptions(options: PoolOptions): ResolvedPoolOptions {
  requireObject('options', options)
  const { factory = null, connections = null, clientTtl: ttl = null, maxQueued, ...others } = unpolluted(options)
  const { minConnections, maxIdleConnections, reuse, ...client } = others
  if (factory !== null) requireFunction('factory', factory)
  if (connections !== null && (!Number.isFinite(connections) || connections < 0)) {
    throw invalidOption('connections', 'a non-negative number or null', connections)
  }
  const clientTtl = parseNumericString(ttl)
  if (clientTtl !== null && (typeof clientTtl !== 'number' || !(clientTtl >= 0))) {
    throw invalidOption('clientTtl', 'a non-negative number of ms or null', ttl)
  }
  const most = connections || Number.POSITIVE_INFINITY
  const least = nonNegativeInteger('minConnections', minConnections, 0)
  const idle = nonNegativeInteger('maxIdleConnections', maxIdleConnections, Number.POSITIVE_INFINITY)
  if (least > Math.min(most, idle)) {
    throw invalidOption('minConnections', 'no more than connections and maxIdleConnections', least)
  }
  if (reuse != null && reuse !== 'lifo' && reuse !== 'fifo') throw invalidChoice('reuse', "'lifo' or 'fifo'", reuse)
  return {
    factory,
    connections: most,
    // As in undici, 0 and Infinity mean no limit.
    clientTtl: clientTtl === Number.POSITIVE_INFINITY ? null : clientTtl || null,
    maxQueued: nonNegativeInteger('maxQueued', maxQueued, Number.POSITIVE_INFINITY),
    minConnections: least,
    maxIdleConnections: idle,
    reuse: reuse ?? 'lifo',
    client,
  }
}
