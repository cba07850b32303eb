import { unpolluted } from '../base/prototype-pollution.js'
import { nonNegativeInteger, parseNumericString, requireFunction, requireObject } from '../errors/option-checks.js'
import { invalidChoice, invalidOption } from '../errors.js'
import type { ClientOptions, DocumentedClientOptions } from './client-options.js'
import type { Dispatcher } from './dispatcher.js'

/** Makes a dispatcher of an origin. The type of a method: its parameters may be declared narrower. */
export type Factory<Origin, Options> = { factory(origin: Origin, options: Options): Dispatcher }['factory']
type ClientFactory = Factory<URL, DocumentedClientOptions>

/** Options of a Pool: those of its clients, and these. Source: undici's `Pool.md`. */
export interface PoolOptions extends ClientOptions {
  /** Makes each client. Default: `(origin, opts) => new Client(origin, opts)`. */
  factory?: ClientFactory | null
  /** Most clients at once; null or 0 for no limit. Default: null. */
  connections?: number | null
  /** ms after which a client leaves the pool and is closed; null for never. Default: null. */
  clientTtl?: number | null
  /**
   * Connections kept open from the first request on: one that ends, by `keepAliveTimeout` too, is replaced, after a
   * wait that grows up to 30 s while they do not last. They do not keep the process alive. Default: 0.
   */
  minConnections?: number | null
  /** Idle connections kept: of more, those idle for longest are closed. Default: no limit. */
  maxIdleConnections?: number | null
  /**
   * Which of the free clients of a Pool is next: who was used last, so that the others may go idle, or who was not for
   * longest. Default: `lifo`.
   */
  reuse?: 'lifo' | 'fifo' | null
}

/** Options of a Pool as they are documented. */
export interface DocumentedPoolOptions extends DocumentedClientOptions {
  /** Makes each client. Default: `(origin, opts) => new Client(origin, opts)`. */
  factory?(origin: URL, options: object): Dispatcher
  /** Most clients at once; null or 0 for no limit. Default: null. */
  connections?: number | null
  /** ms after which a client leaves the pool and is closed; null for never. Default: null. */
  clientTtl?: number | null
}

export interface ResolvedPoolOptions {
  factory: ClientFactory | null
  /** Infinity for no limit. */
  connections: number
  clientTtl: number | null
  /** Infinity for no limit. */
  maxQueued: number
  minConnections: number
  /** Infinity for no limit. */
  maxIdleConnections: number
  reuse: 'lifo' | 'fifo'
  client: ClientOptions
}

/** @throws {InvalidArgumentError} naming the option, what it must be and what it is */
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
    // As undici has it, 0 and Infinity stand for no limit.
    clientTtl: clientTtl === Number.POSITIVE_INFINITY ? null : clientTtl || null,
    maxQueued: nonNegativeInteger('maxQueued', maxQueued, Number.POSITIVE_INFINITY),
    minConnections: least,
    maxIdleConnections: idle,
    reuse: reuse ?? 'lifo',
    client,
  }
}
