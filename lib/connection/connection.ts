import { setImmediate } from '../base/clock.js'
import { InformationalError, SocketError } from '../errors.js'
import type { Exchange, ExchangeOwner } from '../exchange/exchange.js'
import type { ConnectTimings } from '../exchange/request-timings.js'
import { SocketReader, type SocketReaderListener } from '../transport/socket-reader.js'
import { SocketWriter } from '../transport/socket-writer.js'
import type { Engine } from '../wire/engine.js'
import type { ResponseHead } from '../wire/response-head.js'
import type { BodySenderListener } from './body-sender.js'
import { ConnectorCall } from './connector-call.js'
import { describeConnection } from './describe.js'
import { IdleCheck, type IdleCheckListener, type IdleDelay } from './idle-check.js'
import type { ConnectionOptions, ConnectionOwner } from './owner.js'
import { isRepeatable, Pipeline } from './pipeline.js'
import { type CloseCause, failRequests } from './replay.js'
import { RequestWriter } from './request-writer.js'
import { type DeliveryListener, ResponseDelivery } from './response-delivery.js'
import { ConnectionState, READ } from './state.js'
import { ConnectionTimeouts, type TimeoutListener } from './timeouts.js'

/** ms after opening within which the server can not have closed the connection again unnoticed. */
const FRESH_MS = 1

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
  /** Shared by the connections that follow one another. */
  idleDelay: IdleDelay
}

/**
 * One socket and the requests in flight on it: opens it, writes requests, and ends. What comes is delivered by its
 * {@link ResponseDelivery}. Knows nothing of its owner.
 */
export class Connection implements Listener {
  /** Unique in the process. */
  readonly id = ++lastId
  /** Filled in while it opens, if the request timings are measured. */
  readonly connectTimings: ConnectTimings | null
  readonly #owner: ConnectionOwner
  readonly #options: ConnectionOptions
  readonly #state = new ConnectionState()
  readonly #pipeline = new Pipeline()
  readonly #timeouts: ConnectionTimeouts
  readonly #socketReader: SocketReader
  readonly #responses: ResponseDelivery
  readonly #idleDelay: IdleDelay
  readonly #idleCheck = new IdleCheck(this)
  #writer: RequestWriter | null = null
  #connectorCall: ConnectorCall | null = null
  #startingExchange: Exchange | null = null
  #closed = false

  constructor(owner: ConnectionOwner, options: ConnectionOptions, part: ConnectionParts) {
    const { engine, timings: marks, idleDelay: rest } = part
    const pipeline = this.#pipeline
    this.connectTimings = marks
    this.#idleDelay = rest
    this.#owner = owner
    this.#options = options
    this.#socketReader = new SocketReader(engine)
    this.#timeouts = new ConnectionTimeouts({ pipeline, options, listener: this })
    this.#responses = new ResponseDelivery({
      engine,
      socketReader: this.#socketReader,
      options,
      state: this.#state,
      pipeline,
      timeouts: this.#timeouts,
      listener: this,
    })
  }

  /** Exchanges sent and not yet answered. */
  get running(): number {
    return this.#pipeline.size
  }

  /** Whether a caller still waits for one of them. */
  get hasActiveRequest(): boolean {
    return this.#pipeline.hasActiveRequest
  }

  get open(): boolean {
    return this.#writer !== null && !this.#closed
  }

  get closed(): boolean {
    return this.#closed
  }

  inspect(): string {
    return describeConnection(this, { pipeline: this.#pipeline, state: this.#state, timer: this.#timeouts.timer })
  }

  /** `host`: the `host` field of the request that waits, for the TLS server name. */
  connect(host: string): void {
    const to = { ...this.#options, host, reader: this.#socketReader, marks: this.connectTimings }
    this.#connectorCall = new ConnectorCall(to, (...[error, socket]) => {
      this.#connectorCall = null
      const failure = error ?? this.#socketReader.attach(socket, this)
      if (error !== null || failure !== null) {
        this.#closed = true
        this.#responses.reader.close()
        return this.#owner.onConnectFailed(this, failure as Error)
      }
      const { strictContentLength } = this.#options
      const socketWriter = new SocketWriter(socket)
      this.#writer = new RequestWriter({ socketWriter, state: this.#state, listener: this, strictContentLength })
      this.#responses.writer = this.#writer
      this.#owner.onConnected(this)
      if (!this.#closed && this.#pipeline.size === 0) this.onIdle()
    })
    this.#connectorCall.start()
  }

  /** Whether `exchange` may be written now, behind the requests in flight (RFC 9112 §9.3.2). */
  accepts(exchange: Exchange, pipelining: number): boolean {
    if (this.#writer === null || !this.#state.mayWrite) return false
    if (this.#pipeline.size === 0) {
      return !this.#timeouts.timer.expired && (isRepeatable(exchange) || this.#idleCheck.passed || this.#isFresh)
    }
    if (this.#pipeline.size >= pipelining || this.#writer.socketWriter.congested) return false
    return !this.#timeouts.discarding && this.#pipeline.canPipeline(exchange)
  }

  /** It opened just now, and carried nothing yet. */
  get #isFresh(): boolean {
    return this.#pipeline.sent === 0 && this.#timeouts.timer.elapsed < FRESH_MS
  }

  /**
   * Call when {@link accepts} refused the oldest queued request: an idle connection is checked first, and reports that it
   * is ready, or that it ended.
   */
  checkIdle(): void {
    if (this.#writer === null || !this.#state.mayWrite || this.#pipeline.size > 0) return
    const { timer } = this.#timeouts
    if (timer.expired) this.#timeouts.onInactive()
    else this.#idleCheck.start(this.#idleDelay.remaining(timer.elapsed))
  }

  onIdleChecked(): void {
    if (this.#closed) return
    this.#idleDelay.onSurvived()
    this.#owner.onReady(this)
  }

  /** Takes back a request of which nothing was written. */
  #removeUnwritten(exchange: Exchange): void {
    this.#pipeline.remove(exchange)
    this.#owner.onRunningChanged(this)
  }

  /** Writes a request that {@link accepts} let pass. `last`: no other may follow. */
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
    if (this.#closed) return
    if (exchange.done) {
      this.#removeUnwritten(exchange)
      if (this.#pipeline.size === 0) this.onIdle()
      // It made room.
      return this.#owner.onReady(this)
    }
    this.#pipeline.countSent()
    writer.write(exchange, close)
    this.onBodyProgress()
  }

  /** Takes no more, and ends with the requests in flight: at once with `error` when there are none. */
  close(error: Error): void {
    this.#state.keepAlive = 'last'
    if (this.#pipeline.size === 0) this.destroy(error)
  }

  /** Ends the connection, which is idle, as soon as the server has ended it too. */
  halfClose(error: Error): void {
    this.#socketReader.close()
    this.#closeWith(error, 'owner')
  }

  /** Ends everything with `error`: nothing is sent again. */
  destroy(error: Error): void {
    this.#closeWith(error, 'owner')
  }

  // Events of the socket

  onBytes(length: number): boolean {
    const { timer } = this.#timeouts
    timer.hold()
    const more = this.#responses.reader.read(length)
    this.#responses.headersJustReceived = false
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

  /** What came before the server's end is read nonetheless, once a paused handler lets it. */
  onSocketError(error: Error): void {
    if (this.#socketReader.ended) return
    this.#noteSilentClose()
    this.#closeWith(error, 'network', this.#responses.reader.shortBodyError(error))
  }

  /** Has the next connections rest longer when the server closed this one behind a response, and had not said so. */
  #noteSilentClose(): void {
    const { oldest: head, answered } = this.#pipeline
    if (this.#closed || this.#state.keepAlive === 'last' || answered === 0 || head?.responseStarted) return
    this.#idleDelay.onSilentClose(head === null ? this.#timeouts.timer.elapsed : null)
  }

  onSocketClose(): void {
    this.onSocketError(new SocketError('socket closed', this.#socketReader.info))
    this.#owner.onClosed(this)
  }

  onWritable(): void {
    if (this.#closed) return
    this.#writer?.resume()
    this.onBodyProgress()
    this.#owner.onReady(this)
  }

  // Events of the response reader

  onReadFailed(error: Error): void {
    // What comes before a byte of its request is out can not be about it.
    this.#closeWith(
      error,
      this.#responses.requestStarted ? 'oldest' : 'network',
      this.#responses.reader.shortBodyError(error),
    )
  }

  onReadFinished(): void {
    const idle = new InformationalError('the server closed the idle connection')
    // With nothing in flight that is a server's right, and no failure of it.
    this.#closeWith(
      this.#pipeline.size === 0 ? idle : new SocketError('other side closed', this.#socketReader.info),
      'network',
    )
  }

  /** The socket leaves HTTP and becomes the caller's. */
  onReadTunnel(rest: Buffer): void {
    if (this.#closed) return
    const exchange = this.#pipeline.complete()
    this.#closed = true
    this.#timeouts.timer.stop()
    this.#writer?.stopBody(exchange)
    this.#responses.reader.close()
    const socket = this.#socketReader.release(rest)
    this.#owner.onDisconnected(this, new InformationalError('upgrade'), [])
    this.#owner.onClosed(this)
    if (exchange.done) socket.destroy()
    else exchange.upgrade(this.#responses.tunnelHeaders as ResponseHead, socket)
  }

  // Events of the delivery of responses

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
    this.#closeWith(new InformationalError('the keep-alive timeout of the connection expired'), 'network')
  }

  onConnectionFailed(error: Error, cause: CloseCause): void {
    this.#closeWith(error, cause)
  }

  onTimeout(error: Error, cause: CloseCause): void {
    this.#closeWith(error, cause)
  }

  // Events of the sender of a request body

  onBodyProgress(): void {
    if (this.#pipeline.size === 1) this.#timeouts.startHeadersTimeout(this.#writer)
  }

  onBodySent(): void {
    if (this.#closed) return
    this.#writer?.completeBody()?.onRequestSent()
    this.onBodyProgress()
    if (!this.#closed) this.#owner.onReady(this)
  }

  onBodyError(error: Error): void {
    const exchange = this.#writer?.sending
    if (exchange == null || exchange === this.#pipeline.oldest) return this.#closeWith(error, 'caller')
    exchange.fail(error, { phase: exchange.phase })
    this.#timeouts.onExchangeAborted()
    this.#writer?.stopBody(exchange, error)
    this.#owner.onReady(this)
  }

  // Calls of handlers

  onExchangeAborted(exchange: Exchange): void {
    if (this.#closed) return
    if (exchange === this.#startingExchange) return this.#removeUnwritten(exchange)
    // In mid-pipeline its response is read and dropped, or the rest of it is not sent, and the others live.
    if (exchange === this.#pipeline.oldest) return this.#closeWith(exchange.abortError, 'caller')
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

  /**
   * The one way out. `cause`: who is at fault decides which requests are sent again. `shortBody`: what the request fails
   * with whose response body is incomplete.
   */
  #closeWith(error: Error, cause: CloseCause, shortBody: Error | null = null): void {
    if (this.#closed) return
    this.#closed = true
    this.#state.read(READ.close)
    this.#timeouts.timer.stop()
    const writer = this.#writer
    const bytesWritten = writer?.socketWriter.bytesWritten ?? 0
    const event = { error, shortBody, cause, bytesWritten, answered: this.#pipeline.answered }
    this.#responses.reader.close()
    writer?.destroy(error)
    this.#socketReader.destroy()
    if (writer === null) this.#connectorCall?.cancel()
    const { again, failed } = this.#pipeline.clear(event)
    this.#owner.onDisconnected(this, error, again)
    // What handlers began when the head came is behind them then: `fetch` hears of no end that comes before.
    if (cause === 'oldest' && this.#responses.headersJustReceived) setImmediate(() => failRequests(failed, event))
    else failRequests(failed, event)
  }
}
