import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Target of one connection, passed to a connector. Source: undici's `Connector.md`. */
export interface ConnectorOptions {
  /** Host name or IP address to connect to. */
  hostname: string
  /** `host` header of the request, from which the TLS server name is derived. Default: host of the URL. */
  host?: string
  /** `http:` or `https:`. */
  protocol: string
  /** Port as a decimal string; empty for the default port of the protocol. */
  port: string
  /** TLS server name. Default: derived from `host`. */
  servername?: string
  /** Local address to bind. Default: chosen by the system. */
  localAddress?: string | null
  /** Path of a unix socket or named pipe to connect to, instead of a host and port. Default: none. */
  socketPath?: string | null
  /** Existing socket to run TLS over, instead of a new one. Only with `https:`. Default: none. */
  httpSocket?: Socket
}

/** Callback of a connector: null and a socket, or an error and null. */
export type ConnectorCallback = (...result: [null, Duplex] | [Error, null]) => void
/** Function that opens a connection and calls back once. */
export type Connector = (options: ConnectorOptions, callback: ConnectorCallback) => unknown

/** The `onread` option of `net.connect` and `tls.connect`, which makes them read into a given buffer. */
export interface Onread {
  /** Buffer to read into, or a function that is called before each read. undefined keeps the previous buffer. */
  buffer: Uint8Array | (() => Uint8Array | undefined)
  callback(length: number, buffer: Uint8Array): boolean
}

/** Creates the `onread` option for the socket of one connection. */
export interface OnreadSource {
  readonly onread: Onread
}

/** Implementation of a connector that can open sockets with the `onread` option of `reader`. */
export type OnreadOpen = (target: ConnectorOptions, callback: ConnectorCallback, reader?: OnreadSource) => unknown

/**
 * Implementations of the connectors of this library. They are neither a property nor an option of the connector, because user
 * code that wraps a connector must get a plain socket.
 */
const onreadOpens = new WeakMap<Connector, OnreadOpen>()

/** Returns a connector that opens sockets with `onread` if called by {@link callConnector}, and plain ones otherwise. */
export function onreadConnector(open: OnreadOpen): Connector {
  const connector: Connector = (target, callback) => open(target, callback)
  onreadOpens.set(connector, open)
  return connector
}

const errorOwners = new WeakSet<Connector>()

/** Marks a connector whose errors are new objects for each connection, created without code of the caller. */
export function declareOwnErrors(connector: Connector): Connector {
  errorOwners.add(connector)
  return connector
}

/** Whether the library may add properties to the errors of a connector. */
export function hasOwnErrors(connector: Connector): boolean {
  return errorOwners.has(connector)
}

/** Calls a connector. `reader` is passed only to connectors created by {@link onreadConnector}. */
export function callConnector(
  connector: Connector,
  target: ConnectorOptions,
  to: { callback: ConnectorCallback; reader: OnreadSource | undefined },
): unknown {
  const open = onreadOpens.get(connector)
  return open === undefined ? connector(target, to.callback) : open(target, to.callback, to.reader)
}
