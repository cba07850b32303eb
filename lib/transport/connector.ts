import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** What a connector receives for one connection. Source: undici's `Connector.md`. */
export interface ConnectorOptions {
  hostname: string
  /** The `host` field of the request; the TLS server name is taken from it. */
  host?: string
  protocol: string
  port: string
  servername?: string
  localAddress?: string | null
  socketPath?: string | null
  /** Speak TLS over this socket instead of a new one. */
  httpSocket?: Socket
}

export type ConnectorCallback = (...result: [null, Duplex] | [Error, null]) => void
/** Opens a connection and calls back once. */
export type Connector = (options: ConnectorOptions, callback: ConnectorCallback) => unknown

/** What `net.connect` and `tls.connect` take to read into a given buffer. */
export interface Onread {
  /** A function is called before each read; it returns undefined to keep the buffer. */
  buffer: Uint8Array | (() => Uint8Array | undefined)
  callback(length: number, buffer: Uint8Array): boolean
}

/** Makes the `onread` option for one socket, if the connector can use it. */
export interface OnreadSource {
  readonly onread: Onread
}

/** A connector that can let the kernel write into the buffer of `reader`. */
export type OnreadOpen = (target: ConnectorOptions, callback: ConnectorCallback, reader?: OnreadSource) => unknown

/** Not a property of the connector or an option: user code that wraps a connector must get a plain socket. */
const onreadOpens = new WeakMap<Connector, OnreadOpen>()

/** Makes a connector whose sockets {@link callConnector} reads directly. Called by user code, it opens plain sockets. */
export function onreadConnector(open: OnreadOpen): Connector {
  const connector: Connector = (target, callback) => open(target, callback)
  onreadOpens.set(connector, open)
  return connector
}

const errorOwners = new WeakSet<Connector>()

/** Declares that each error a connector reports is made for that one connection, and runs no code of the caller's. */
export function declareOwnErrors(connector: Connector): Connector {
  errorOwners.add(connector)
  return connector
}

/** Whether the errors of a connector may be written on. */
export function hasOwnErrors(connector: Connector): boolean {
  return errorOwners.has(connector)
}

/** Calls a connector. Only those made by {@link onreadConnector} get `reader`. */
export function callConnector(
  connector: Connector,
  target: ConnectorOptions,
  to: { callback: ConnectorCallback; reader: OnreadSource | undefined },
): unknown {
  const open = onreadOpens.get(connector)
  return open === undefined ? connector(target, to.callback) : open(target, to.callback, to.reader)
}
