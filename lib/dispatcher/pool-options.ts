import { invalidOption } from '../errors.js'
import { type ClientOptions, type DocumentedClientOptions, whole } from './client-options.js'
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
  client: ClientOptions
}

/** @throws {InvalidArgumentError} naming the option, what it must be and what it is */
export function resolvePoolOptions(options: PoolOptions): ResolvedPoolOptions {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options)
  const { factory = null, connections = null, clientTtl = null, maxQueued, ...client } = options
  if (factory !== null && typeof factory !== 'function') throw invalidOption('factory', 'a function', factory)
  if (connections !== null && (!Number.isFinite(connections) || connections < 0)) {
    throw invalidOption('connections', 'a finite number, 0 or more, or null', connections)
  }
  if (clientTtl !== null && (typeof clientTtl !== 'number' || !Number.isFinite(clientTtl) || clientTtl <= 0)) {
    throw invalidOption('clientTtl', 'a number of ms above 0, or null', clientTtl)
  }
  return {
    factory,
    connections: connections || Number.POSITIVE_INFINITY,
    clientTtl,
    maxQueued: whole('maxQueued', maxQueued, Number.POSITIVE_INFINITY),
    client,
  }
}
