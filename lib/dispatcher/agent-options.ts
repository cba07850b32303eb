import { unpolluted } from '../base/prototype-pollution.js'
import { positiveInteger, requireFunction, requireObject } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import type { Connector } from '../transport/connect.js'
import { Client } from './client.js'
import { resolveClientOptions, resolveSharedConfig } from './client-options.js'
import { ConnectionBudget } from './connection-budget.js'
import type { Dispatcher } from './dispatcher.js'
import type { SharedConfig } from './dispatcher-core.js'
import { Pool } from './pool.js'
import { type Factory, type PoolFactoryOptions, type PoolOptions, resolvePoolOptions } from './pool-options.js'
import { shareable } from './shared-connectors.js'

/**
 * Creates the dispatcher of an origin. Receives the origin in the form of the request: a string or a URL, as in undici.
 */
export type AgentFactory = Factory<string | URL, PoolFactoryOptions>

/** Options of an Agent: those of a Pool, and these. Source: undici's `Agent.md`. */
export interface AgentOptions extends Omit<PoolOptions, 'factory'> {
  /** Creates the dispatcher of an origin. Default: a Client if `connections` is 1, otherwise a Pool. */
  factory?: AgentFactory | null
  /** Maximum number of origins at the same time. Default: no limit. */
  maxOrigins?: number
  /**
   * Maximum number of connections of all Pools together, those being opened or closed included. At the limit, an idle
   * connection of another origin is closed; if none is idle, waiting origins get a fair share. Connections are not
   * counted if the factory makes something else than Pools, or Pools with interceptors. Default: no limit.
   */
  maxTotalConnections?: number | null
  /** Maximum number of connections per origin: an upper bound for `connections`. Default: no limit. */
  maxConnectionsPerOrigin?: number | null
}

/** Validated options of an Agent, with defaults. */
export interface ResolvedAgentOptions {
  factory: AgentFactory | null
  /** Options for the factory. */
  options: PoolOptions
  config: SharedConfig
  maxOrigins: number
  /** Null without `maxTotalConnections`. */
  budget: ConnectionBudget | null
}

/**
 * Validates the options of an Agent and adds defaults.
 * @throws {InvalidArgumentError} an option is invalid
 */
export function resolveAgentOptions(given: AgentOptions): ResolvedAgentOptions {
  requireObject('options', given)
  const { factory = null, maxOrigins = Number.POSITIVE_INFINITY, ...others } = unpolluted(given)
  const { maxTotalConnections, maxConnectionsPerOrigin, ...rest } = others
  if (factory !== null) requireFunction('factory', factory)
  if (typeof maxOrigins !== 'number' || !(maxOrigins > 0)) {
    throw invalidOption('maxOrigins', 'a positive number', maxOrigins)
  }
  // A shared connector keeps TLS sessions longer than the dispatcher of an origin lives.
  const shared = factory === null ? { ...rest, connect: connectorOf(rest) } : withSharedConnector(rest)
  const connections = Math.min(rest.connections || Number.POSITIVE_INFINITY, limitOption({ maxConnectionsPerOrigin }))
  return {
    factory,
    options: connections === Number.POSITIVE_INFINITY ? shared : { ...shared, connections },
    config: resolveSharedConfig(rest, () => null),
    maxOrigins,
    budget: budgetOf(maxTotalConnections),
  }
}

/** Creates a Pool for an origin: only Pools take their connections from a budget. */
export function poolFactory(origin: string | URL, options: PoolOptions): Dispatcher {
  return new Pool(origin, options)
}

/** Creates a Client for an origin if `connections` is 1 and no pool option is given, otherwise a Pool. */
export function defaultFactory(origin: string | URL, options: PoolOptions): Dispatcher {
  const { connections, minConnections, maxIdleConnections } = options
  if (connections !== 1 || minConnections || maxIdleConnections != null) return new Pool(origin, options)
  const { connections: _one, clientTtl: _ttl, reuse: _order, ...rest } = options
  return new Client(origin, rest)
}

/**
 * Returns the connection budget for `maxTotalConnections`; null without a limit.
 * @throws {InvalidArgumentError} the limit is no positive integer
 */
export function budgetOf(maxTotalConnections: unknown): ConnectionBudget | null {
  const total = limitOption({ maxTotalConnections })
  return total === Number.POSITIVE_INFINITY ? null : new ConnectionBudget(total)
}

/** @throws {InvalidArgumentError} an option is invalid */
function connectorOf(options: PoolOptions): Connector {
  return resolveClientOptions(resolvePoolOptions(options).client).connector
}

/** Returns options for a user's factory: as given, but all Clients and Pools made with them share one connector. */
function withSharedConnector(options: PoolOptions): PoolOptions {
  const { connect } = options
  const shared = typeof connect === 'object' && connect !== null ? { ...options, connect: shareable(connect) } : options
  connectorOf(shared)
  return shared
}

function limitOption(option: Record<string, unknown>): number {
  const [name, value] = Object.entries(option)[0] as [string, unknown]
  return positiveInteger(name, value, Number.POSITIVE_INFINITY)
}
