import { InformationalError, SocketError } from '../errors.js'
import type { Exchange, ExchangeOwner } from '../exchange/exchange.js'
import type { ConnectTimings } from '../exchange/request-timings.js'
import { SocketReader, type SocketReaderListener } from '../transport/socket-reader.js'
import { SocketWriter } from '../transport/socket-writer.js'
import type { Engine } from '../wire/engine.js'
import type { BodySenderListener } from './body-sender.js'
import { ConnectionCloser } from './connection-closer.js'
import { ConnectorCall } from './connector-call.js'
import { describeConnection } from './describe.js'
import { IdleCheck, type IdleCheckListener, type IdleDelay } from './idle-check.js'
import type { ConnectionOptions } from './options.js'
import type { ConnectionOwner } from './owner.js'
import { isRepeatable, Pipeline } from './pipeline.js'
import type { CloseCause } from './replay.js'
import { RequestWriter } from './request-writer.js'
import { type DeliveryListener, ResponseDelivery } from './response-delivery.js'
import { ConnectionState } from './state.js'
import { ConnectionTimeouts, type TimeoutListener } from './timeouts.js'

let lastId = 0

type Listener = SocketReaderListener &
  DeliveryListener &
  BodySenderListener &
  IdleCheckListener &
  TimeoutListener &
  ExchangeOwner

interface ConnectionParts {
  engine: Engine
  timings: ConnectTimings | null
  /** Shared by the consecutive connections of one client. */
  idleDelay: IdleDelay
}

/**
 * One socket and the requests in flight on it. Opens the socket and writes requests; {@link ResponseDelivery} handles the
 * responses, {@link ConnectionCloser} the end. Reports to its {@link ConnectionOwner}.
 */
export class Connection implements Listener {
  /** Number of the connection, unique in the process. */
  readonly id = ++lastId
  /** Times of DNS, TCP and TLS; `null` if no request measures timings. */
  readonly connectTimings: ConnectTimings | null
  readonly #owner: ConnectionOwner<Connection>
  readonly #options: ConnectionOptions
  readonly #state = new ConnectionState()
  readonly #pipeline = new Pipeline()
  readonly #timeouts: ConnectionTimeouts
  readonly #socketReader: SocketReader
  readonly #responses: ResponseDelivery
  readonly #idleCheck: IdleCheck
  readonly #closer: ConnectionCloser<Connection>
  #writer: RequestWriter | null = null
  #startingExchange: Exchange | null = null

  constructor(owner: ConnectionOwner<Connection>, options: ConnectionOptions, parts: ConnectionParts) {
    const { engine, timings, idleDelay } = parts
    const pipeline = this.#pipeline
    this.connectTimings = timings
    this.#owner = owner
    this.#options = options
    this.#socketReader = new SocketReader(engine)
    this.#timeouts = new ConnectionTimeouts({ pipeline, options, listener: this })
    this.#idleCheck = new IdleCheck({ pipeline, timer: this.#timeouts.timer, delay: idleDelay, listener: this })
    const shared = { socketReader: this.#socketReader, state: this.#state, pipeline, timeouts: this.#timeouts }
    this.#responses = new ResponseDelivery({ ...shared, engine, options, listener: this })
    this.#closer = new ConnectionCloser({ ...shared, connection: this, owner, responses: this.#responses })
  }

  /** Number of requests written whose response is not complete. Aborted requests count until then. */
  get running(): number {
    return this.#pipeline.size
  }

  /** Whether any request in flight has not been aborted. */
  get hasActiveRequest(): boolean {
    return this.#pipeline.hasActiveRequest
  }

  get open(): boolean {
    return this.#writer !== null && !this.#closer.closed
  }

  get closed(): boolean {
    return this.#closer.closed
  }

  inspect(): string {
    return describeConnection(this, { pipeline: this.#pipeline, state: this.#state, timer: this.#timeouts.timer })
  }

  /** Opens the connection. `host` is the `host` header of the queued request, used as TLS server name. */
  connect(host: string): void {
    const to = { ...this.#options, id: this.id, host, reader: this.#socketReader, timings: this.connectTimings }
    const call = new ConnectorCall(to, (...[error, socket]) => {
      this.#closer.connectorCall = null
      const failure = error ?? this.#socketReader.attach(socket, this)
      if (error !== null || failure !== null) return this.#closer.onConnectFailed(failure as Error)
      const { strictContentLength } = this.#options
      const socketWriter = new SocketWriter(socket)
      this.#writer = new RequestWriter({ socketWriter, state: this.#state, listener: this, strictContentLength })
      this.#responses.writer = this.#writer
      this.#owner.onConnected(this)
      if (!this.#closer.closed && this.#pipeline.size === 0) this.onIdle()
    })
    this.#closer.connectorCall = call
    call.start()
  }

  /** Whether `exchange` can be written now, behind the requests in flight (RFC 9112 §9.3.2). */
  accepts(exchange: Exchange, pipelining: number): boolean {
    if (this.#writer === null || !this.#state.mayWrite) return false
    if (this.#pipeline.size === 0) {
      return !this.#timeouts.timer.expired && (isRepeatable(exchange) || this.#idleCheck.passed)
    }
    if (this.#pipeline.size >= pipelining || this.#writer.socketWriter.congested) return false
    return !this.#timeouts.discarding && this.#pipeline.canPipeline(exchange)
  }

  /**
   * Starts an idle check after {@link accepts} has refused the oldest queued request. Reports `onReady`, or closes the
   * connection if the server has closed it.
   */
  checkIdle(): void {
    if (this.#writer === null || !this.#state.mayWrite || this.#pipeline.size > 0) return
    if (this.#timeouts.timer.expired) this.#timeouts.onInactive()
    else this.#idleCheck.start()
  }

  /** Removes a request of which nothing was written. */
  #removeUnwritten(exchange: Exchange): void {
    this.#pipeline.remove(exchange)
    this.#owner.onRunningChanged(this)
  }

  /** Writes a request that {@link accepts} has allowed. `last`: no other request may follow. */
  send(exchange: Exchange, last: boolean): void {
    const writer = this.#writer as RequestWriter
    if (this.#pipeline.size === 0) this.#socketReader.ref()
    exchange.owner = this
    this.#pipeline.add(exchange, writer.socketWriter.bytesAppended)
    this.#owner.onRunningChanged(this)
    this.#startingExchange = exchange
    exchange.start()
    const close = last || exchange.request.closesConnection || this.#pipeline.sent + 1 === this.#options.maxRequests
    if (!exchange.done) writer.prepare(exchange, close)
    this.#startingExchange = null
    if (this.#closer.closed) return
    if (exchange.done) {
      this.#removeUnwritten(exchange)
      if (this.#pipeline.size === 0) this.onIdle()
      // The aborted request has freed its place.
      return this.#owner.onReady(this)
    }
    this.#pipeline.countSent()
    writer.write(exchange, close)
    this.onBodyProgress()
  }

  /**
   * Accepts no more requests, and closes when those in flight have completed; with `error`, at once if there are none.
   */
  close(error: Error): void {
    this.#state.keepAlive = 'last'
    if (this.#pipeline.size === 0) this.destroy(error)
  }

  /** Ends the sending side of an idle connection, and closes it when the server has ended its side too. */
  halfClose(error: Error): void {
    this.#socketReader.close()
    this.#closer.close(error, 'owner')
  }

  /** Closes the connection and fails all requests with `error`. None is sent again. */
  destroy(error: Error): void {
    this.#closer.close(error, 'owner')
  }

  // Socket reader events

  onBytes(length: number): boolean {
    const { timer } = this.#timeouts
    timer.hold()
    const more = this.#responses.reader.read(length)
    if (this.#responses.headersJustReceived) this.#responses.forgetHeaders()
    timer.release()
    return more
  }

  get unparsedBytes(): number {
    return this.#responses.unparsedBytes
  }

  onBodyBytes(chunk: Buffer): boolean {
    const { timer } = this.#timeouts
    timer.hold()
    const more = this.#responses.reader.readBody(chunk)
    timer.release()
    return more
  }

  onReadEnd(): void {
    this.#noteSilentClose()
    this.#state.keepAlive = 'last'
    this.#responses.reader.onServerEnd()
  }

  /**
   * After the server has ended its side, the data received before is still delivered, so a later socket error is
   * ignored.
   */
  onSocketError(error: Error): void {
    if (this.#socketReader.ended) return
    this.#noteSilentClose()
    this.#closer.close(error, 'network', this.#responses.reader.shortBodyError(error))
  }

  #noteSilentClose(): void {
    if (!this.#closer.closed && this.#state.keepAlive !== 'last') this.#idleCheck.onSilentClose()
  }

  onSocketClose(): void {
    this.onSocketError(new SocketError('socket closed', this.#socketReader.info))
    this.#closer.onSocketClose()
  }

  onWritable(): void {
    if (this.#closer.closed) return
    this.#writer?.resume()
    this.onBodyProgress()
    this.#owner.onReady(this)
  }

  // Response reader events

  onReadFailed(error: Error): void {
    // Data that arrives before the first byte of the request is sent can not be its response.
    this.#closer.close(
      error,
      this.#responses.requestStarted ? 'oldest' : 'network',
      this.#responses.reader.shortBodyError(error),
    )
  }

  onReadFinished(): void {
    const idle = new InformationalError('The server closed the idle connection')
    // A server may close an idle connection at any time: that is not an error.
    this.#closer.close(
      this.#pipeline.size === 0 ? idle : new SocketError('other side closed', this.#socketReader.info),
      'network',
    )
  }

  onReadTunnel(rest: Buffer): void {
    this.#closer.release(rest)
  }

  // Response delivery and timeout events

  onRunningChanged(): void {
    this.#owner.onRunningChanged(this)
  }

  onConnectRefused(): void {
    this.#state.keepAlive = 'last'
    this.#owner.onDetached(this)
  }

  onReady(): void {
    this.#owner.onReady(this)
  }

  onIdle(): void {
    if (this.#timeouts.startKeepAliveTimeout()) return this.#socketReader.unref()
    this.#closer.close(new InformationalError('the keep-alive timeout of the connection expired'), 'network')
  }

  onConnectionFailed(error: Error, cause: CloseCause): void {
    this.#closer.close(error, cause)
  }

  // Body sender events

  onBodyProgress(): void {
    if (this.#pipeline.size === 1) this.#timeouts.startHeadersTimeout(this.#writer)
  }

  onBodySent(): void {
    if (this.#closer.closed) return
    this.#writer?.completeBody()?.onRequestSent()
    this.onBodyProgress()
    if (!this.#closer.closed) this.#owner.onReady(this)
  }

  onBodyError(error: Error): void {
    const exchange = this.#writer?.sending
    if (exchange == null || exchange === this.#pipeline.oldest) return this.#closer.close(error, 'caller')
    exchange.fail(error, { phase: exchange.phase })
    this.#timeouts.onExchangeAborted()
    this.#writer?.stopBody(exchange, error)
    this.#owner.onReady(this)
  }

  // Exchange events

  onExchangeAborted(exchange: Exchange): void {
    if (this.#closer.closed) return
    if (exchange === this.#startingExchange) return this.#removeUnwritten(exchange)
    // The response of a pipelined request is discarded and the rest of its body is not sent, so that the other requests
    // in flight can complete.
    if (exchange === this.#pipeline.oldest) return this.#closer.close(exchange.abortError, 'caller')
    this.#timeouts.onExchangeAborted()
    this.#writer?.stopBody(exchange)
    this.#owner.onReady(this)
  }

  onExchangePaused(exchange: Exchange): void {
    this.#responses.pause(exchange)
  }

  onExchangeResumed(exchange: Exchange): void {
    this.#responses.resume(exchange)
  }

  onHandlerError(error: unknown): void {
    this.#owner.onHandlerError(error)
  }
}
