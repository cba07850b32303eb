import type { Exchange } from '../exchange/exchange.js'

/** Owner of a connection: the queue of a client. */
export interface ConnectionOwner<Connection> {
  onConnected(connection: Connection): void
  onConnectFailed(connection: Connection, error: Error): void
  /** The number of requests in flight has changed. Called before any handler can read it. */
  onRunningChanged(connection: Connection): void
  /** The connection may accept another request. */
  onReady(connection: Connection): void
  /**
   * A CONNECT was refused: the connection only delivers the rest of that response. {@link onDisconnected} and
   * {@link onClosed} still follow.
   */
  onDetached(connection: Connection): void
  /** The connection has no requests any more. `unstarted` go back to the front of the queue, in this order. */
  onDisconnected(connection: Connection, error: Error, unstarted: Exchange[]): void
  /** The socket is closed. */
  onClosed(connection: Connection): void
  onHandlerError(error: unknown): void
}
