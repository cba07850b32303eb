import type { Exchange } from '../exchange/exchange.js'
import type { Connector, ConnectorOptions } from '../transport/connect.js'
import type { ParserOptions } from '../wire/parser-limits.js'
import type { Connection } from './connection.js'

/** To whom a connection belongs. */
export interface ConnectionOwner {
  onConnected(connection: Connection): void
  onConnectFailed(connection: Connection, error: Error): void
  /** {@link Connection.running} changed; called before any handler can look. */
  onRunningChanged(connection: Connection): void
  /** It may take another exchange. */
  onReady(connection: Connection): void
  /** It serves the rest of a refused CONNECT and nothing else: {@link onDisconnected} and {@link onClosed} still follow. */
  onDetached(connection: Connection): void
  /** It carries nothing any more; `unstarted` go back to the front of the queue, in order. */
  onDisconnected(connection: Connection, error: Error, unstarted: Exchange[]): void
  /** Its socket is closed. */
  onClosed(connection: Connection): void
  onHandlerError(error: unknown): void
}

export interface ConnectionOptions {
  connector: Connector
  target: ConnectorOptions
  /** ms */
  keepAliveTimeout: number
  /** ms */
  keepAliveMaxTimeout: number
  /** ms */
  keepAliveTimeoutThreshold: number
  /** Bytes; negative for no limit. */
  maxResponseSize: number
  /** 0 for no limit. */
  maxRequests: number
  strictContentLength: boolean
  parser: ParserOptions
}
