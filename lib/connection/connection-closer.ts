import { setImmediate } from '../base/clock.js'
import { InformationalError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { SocketReader } from '../transport/socket-reader.js'
import type { ResponseHead } from '../wire/response-head.js'
import type { ConnectorCall } from './connector-call.js'
import type { ConnectionOwner } from './owner.js'
import type { Pipeline } from './pipeline.js'
import { type CloseCause, type CloseEvent, failRequests } from './replay.js'
import type { ResponseDelivery } from './response-delivery.js'
import { type ConnectionState, READ } from './state.js'
import type { ConnectionTimeouts } from './timeouts.js'

interface ConnectionCloserParts<Connection> {
  connection: Connection
  owner: ConnectionOwner<Connection>
  socketReader: SocketReader
  state: ConnectionState
  pipeline: Pipeline
  timeouts: ConnectionTimeouts
  responses: ResponseDelivery
}

/**
 * Ends a connection: closes its socket and fails its requests or returns them to the owner, or releases the socket after
 * an upgrade. Only the first call has an effect.
 */
export class ConnectionCloser<Connection> {
  /** Whether the connection has ended. */
  closed = false
  /** Call that opens the socket; `null` before and after. */
  connectorCall: ConnectorCall | null = null
  readonly #connection: Connection
  readonly #owner: ConnectionOwner<Connection>
  readonly #socketReader: SocketReader
  readonly #state: ConnectionState
  readonly #pipeline: Pipeline
  readonly #timeouts: ConnectionTimeouts
  readonly #responses: ResponseDelivery
  /** Its requests fail in the next event-loop turn. */
  #failsLater = false
  /** The socket was closed before that. */
  #closedMeanwhile = false

  constructor(parts: ConnectionCloserParts<Connection>) {
    this.#connection = parts.connection
    this.#owner = parts.owner
    this.#socketReader = parts.socketReader
    this.#state = parts.state
    this.#pipeline = parts.pipeline
    this.#timeouts = parts.timeouts
    this.#responses = parts.responses
  }

  /** Ends a connection whose socket could not be opened. */
  onConnectFailed(error: Error): void {
    this.closed = true
    this.#responses.reader.close()
    this.#owner.onConnectFailed(this.#connection, error)
  }

  /**
   * Closes the connection: the only place that does. `cause` decides which requests are sent again. `shortBody` is the
   * error for the request whose response body is incomplete.
   */
  close(error: Error, cause: CloseCause, shortBody: Error | null = null): void {
    if (this.closed) return
    this.closed = true
    this.#state.read(READ.close)
    this.#timeouts.timer.stop()
    const { writer } = this.#responses
    const { bytesWritten = 0, bytesAppended = 0, socket } = writer?.socketWriter ?? {}
    const bytes = { bytesWritten, bytesAppended, bytesBuffered: socket?.writableLength ?? 0 }
    const event = { error, shortBody, cause, ...bytes, answered: this.#pipeline.answered }
    const responding = this.#responses.headersJustReceived && this.#pipeline.oldest?.responseStarted === true
    this.#failsLater = responding && cause !== 'caller'
    this.#responses.reader.close()
    writer?.destroy(error)
    this.#socketReader.destroy()
    if (writer === null) this.connectorCall?.cancel()
    const { replayed, failed } = this.#pipeline.clear(event)
    this.#owner.onDisconnected(this.#connection, error, replayed)
    if (this.#failsLater) setImmediate(() => this.#failNow(failed, event))
    else failRequests(failed, event)
  }

  /**
   * Fails requests an event-loop turn after the close: `fetch` never settles when its request fails before the promise
   * jobs that its headers started.
   */
  #failNow(failed: Exchange[], event: CloseEvent): void {
    failRequests(failed, event)
    this.#failsLater = false
    if (this.#closedMeanwhile) this.#owner.onClosed(this.#connection)
  }

  /** Notifies the owner of the closed socket: `close` and `destroy` complete after the requests. */
  onSocketClose(): void {
    if (this.#failsLater) this.#closedMeanwhile = true
    else this.#owner.onClosed(this.#connection)
  }

  /** Hands the socket over to the caller after an upgrade or CONNECT. `rest`: bytes received behind the headers. */
  release(rest: Buffer): void {
    if (this.closed) return
    const exchange = this.#pipeline.complete()
    this.closed = true
    this.#timeouts.timer.stop()
    this.#responses.writer?.stopBody(exchange)
    this.#responses.reader.close()
    const socket = this.#socketReader.release(rest)
    this.#owner.onDisconnected(this.#connection, new InformationalError('upgrade'), [])
    this.#owner.onClosed(this.#connection)
    if (exchange.done) socket.destroy()
    else exchange.onUpgrade(this.#responses.tunnelHeaders as ResponseHead, socket)
  }
}
