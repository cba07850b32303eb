import { type BuildOptions, buildConnector, type Connector } from '../transport/connect.js'

interface Shared {
  options: object
  connector: Connector
}

const shared = new WeakMap<object, Shared | null>()

/** Copies a `connect` option. All dispatchers with this copy and otherwise equal options share one connector. */
export function shareable<Connect extends object>(connect: Connect): Connect {
  const copy = { ...connect }
  shared.set(copy, null)
  return copy
}

/**
 * Returns the connector for a `connect` option that was merged with other options. For a {@link shareable} option, it
 * is the connector of the first call with equal options, so that its TLS sessions outlive a dispatcher.
 */
export function connectorFor(connect: object | null | undefined, options: BuildOptions): Connector {
  const known = connect == null ? undefined : shared.get(connect)
  if (known != null && isEqual(known.options, options)) return known.connector
  const connector = buildConnector(options) as Connector
  if (known === null) shared.set(connect as object, { options, connector })
  return connector
}

function isEqual(one: object, other: object): boolean {
  const entries = Object.entries(one)
  const values = other as Record<string, unknown>
  return entries.length === Object.keys(other).length && entries.every(([name, value]) => value === values[name])
}
