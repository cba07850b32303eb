import { invalidOption } from '../errors.js'
import type { ClientOptions } from './client-options.js'
import type { Dispatcher } from './dispatcher.js'

/** Options of a Pool: those of its clients, and these. Source: undici's `Pool.md`. */
export interface PoolOptions extends ClientOptions {
  /** Makes each client. Default: `(origin, opts) => new Client(origin, opts)`. */
  factory?: ((origin: URL, options: ClientOptions) => Dispatcher) | null
  /** Most clients at once; null or 0 for no limit. Default: null. */
  connections?: number | null
  /** ms after which a client leaves the pool and is closed; null for never. Default: null. */
  clientTtl?: number | null
}

export interface ResolvedPoolOptions {
  factory: ((origin: URL, options: ClientOptions) => Dispatcher) | null
  /** Infinity for no limit. */
  connections: number
  clientTtl: number | null
  client: ClientOptions
}

/** @throws {InvalidArgumentError} naming the option, what it must be and what it is */
export function resolvePoolOptions(options: PoolOptions): ResolvedPoolOptions {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options)
  const { factory = null, connections = null, clientTtl = null, ...client } = options
  if (factory !== null && typeof factory !== 'function') throw invalidOption('factory', 'a function', factory)
  if (connections !== null && (!Number.isFinite(connections) || connections < 0)) {
    throw invalidOption('connections', 'a finite number, 0 or more, or null', connections)
  }
  if (clientTtl !== null && (typeof clientTtl !== 'number' || !Number.isFinite(clientTtl) || clientTtl <= 0)) {
    throw invalidOption('clientTtl', 'a number of ms above 0, or null', clientTtl)
  }
  return { factory, connections: connections || Number.POSITIVE_INFINITY, clientTtl, client }
}
