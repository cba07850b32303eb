import { setImmediate } from '../base/clock.js'
import { InformationalError, SocketError } from '../errors.js'
import type { Carrier, Exchange } from '../exchange/exchange.js'
import type { Opening } from '../exchange/watch.js'
import { SocketReader, type SocketReaderListener } from '../transport/socket-reader.js'
import { SocketWriter } from '../transport/socket-writer.js'
import type { Engine } from '../wire/engine.js'
import type { ResponseHead } from '../wire/response-head.js'
import { IdleCheck, type IdleCheckListener, type RestPeriod } from './idle-check.js'
import { inWords } from './inspect.js'
import { ConnectorCall } from './open-socket.js'
import type { ConnectionOptions, ConnectionOwner } from './owner.js'
import { mayRepeat, Pipeline } from './pipeline.js'
import { type Blame, failAll } from './replay.js'
import { RequestWriter } from './request-writer.js'
import { type DeliveryListener, ResponseDelivery } from './response-delivery.js'
import type { BodySenderListener } from './send-body.js'
import { ConnectionState, READ } from './state.js'
import { ConnectionTimeouts, type TimeoutListener } from './timeouts.js'

/** ms after opening within which the server can not have closed the connection again unnoticed. */
const FRESH = 1

let opened = 0

type Listener = SocketReaderListener &
  DeliveryListener &
  BodySenderListener &
  IdleCheckListener &
  TimeoutListener &
  Carrier

interface Part {
  engine: Engine
  marks: Opening | null
  /** Shared by the connections that follow one another. */
  rest: RestPeriod
}

/**
 * One socket and the requests in flight on it: opens it, writes requests, and ends. What comes is delivered by its
 * {@link ResponseDelivery}. Knows nothing of its owner.
 */
export class Connection implements Listener {
  /** Unique in the process. */
  readonly id = ++opened
  /** Filled in while it opens, if the request timings are measured. */
  readonly marks: Opening | null
  readonly #owner: ConnectionOwner
  readonly #options: ConnectionOptions
  readonly #state = new ConnectionState()
  readonly #pipeline = new Pipeline()
  readonly #timeouts: ConnectionTimeouts
  readonly #socketReader: SocketReader
  readonly #responses: ResponseDelivery
  readonly #rest: RestPeriod
  readonly #idleCheck = new IdleCheck(this)
  #writer: RequestWriter | null = null
  #opening: ConnectorCall | null = null
  #starting: Exchange | null = null
  #closed = false

  constructor(owner: ConnectionOwner, options: ConnectionOptions, part: Part) {
    const { engine, marks, rest } = part
    const pipeline = this.#pipeline
    this.marks = marks
    this.#rest = rest
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
  get awaited(): boolean {
    return this.#pipeline.awaited
  }

  get open(): boolean {
    return this.#writer !== null && !this.#closed
  }

  get closed(): boolean {
    return this.#closed
  }

  inspect(): string {
    return inWords(this, { pipeline: this.#pipeline, state: this.#state, timer: this.#timeouts.timer })
  }

  /** `host`: the `host` field of the request that waits, for the TLS server name. */
  connect(host: string): void {
    const to = { ...this.#options, host, reader: this.#socketReader, marks: this.marks }
    this.#opening = new ConnectorCall(to, (...[error, socket]) => {
      this.#opening = null
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
    this.#opening.start()
  }

  /** Whether `exchange` may be written now, behind the requests in flight (RFC 9112 §9.3.2). */
  accepts(exchange: Exchange, pipelining: number): boolean {
    if (this.#writer === null || !this.#state.mayWrite) return false
    if (this.#pipeline.size === 0) {
      return !this.#timeouts.timer.expired && (mayRepeat(exchange) || this.#idleCheck.passed || this.#fresh)
    }
    if (this.#pipeline.size >= pipelining || this.#writer.socketWriter.congested) return false
    return !this.#timeouts.discarding && this.#pipeline.mayFollow(exchange)
  }

  /** It opened just now, and carried nothing yet. */
  get #fresh(): boolean {
    return this.#pipeline.sent === 0 && this.#timeouts.timer.elapsed < FRESH
  }

  /**
   * Call when {@link accepts} refused the oldest queued request: an idle connection is checked first, and reports that it
   * is ready, or that it ended.
   */
  checkIdle(): void {
    if (this.#writer === null || !this.#state.mayWrite || this.#pipeline.size > 0) return
    const { timer } = this.#timeouts
    if (timer.expired) this.#timeouts.onInactive()
    else this.#idleCheck.start(this.#rest.left(timer.elapsed))
  }

  onChecked(): void {
    if (this.#closed) return
    this.#rest.survived()
    this.#owner.onReady(this)
  }

  /** Takes back a request of which nothing was written. */
  #withdraw(exchange: Exchange): void {
    this.#pipeline.withdraw(exchange)
    this.#owner.onRunningChanged(this)
  }

  /** Writes a request that {@link accepts} let pass. `last`: no other may follow. */
  send(exchange: Exchange, last: boolean): void {
    const writer = this.#writer as RequestWriter
    if (this.#pipeline.size === 0) this.#socketReader.ref()
    exchange.carrier = this
    this.#pipeline.add(exchange, writer.socketWriter.appended)
    this.#owner.onRunningChanged(this)
    this.#starting = exchange
    exchange.start()
    const close = last || exchange.request.closes || this.#pipeline.sent + 1 === this.#options.maxRequests
    if (!exchange.done) writer.announce(exchange, close)
    this.#starting = null
    if (this.#closed) return
    if (exchange.done) {
      this.#withdraw(exchange)
      if (this.#pipeline.size === 0) this.onIdle()
      // It made room.
      return this.#owner.onReady(this)
    }
    this.#pipeline.countSent()
    writer.write(exchange, close)
    this.onBodyProgress()
  }

  /** Takes no more, and ends with the requests in flight: at once with `error` when there are none. */
  retire(error: Error): void {
    this.#state.keepAlive = 'last'
    if (this.#pipeline.size === 0) this.destroy(error)
  }

  /** Ends the connection, which is idle, as soon as the server has ended it too. */
  hangUp(error: Error): void {
    this.#socketReader.close()
    this.#end(error, 'owner')
  }

  /** Ends everything with `error`: nothing is sent again. */
  destroy(error: Error): void {
    this.#end(error, 'owner')
  }

  // Events of the socket

  onBytes(length: number): boolean {
    const { timer } = this.#timeouts
    timer.hold()
    const more = this.#responses.reader.read(length)
    this.#responses.headJustCame = false
    timer.release()
    return more
  }

  get unparsedBytes(): number {
    return this.#responses.unparsedBytes
  }

  onBodyBytes(chunk: Buffer): boolean {
    const { timer } = this.#timeouts
    timer.hold()
    const more = this.#responses.reader.take(chunk)
    timer.release()
    return more
  }

  onReadEnd(): void {
    this.#noteClose()
    this.#state.keepAlive = 'last'
    this.#responses.reader.end()
  }

  /** What came before the server's end is read nonetheless, once a paused handler lets it. */
  onSocketError(error: Error): void {
    if (this.#socketReader.ended) return
    this.#noteClose()
    this.#end(error, 'network', this.#responses.reader.shortBodyError(error))
  }

  /** Has the next connections rest longer when the server closed this one behind a response, and had not said so. */
  #noteClose(): void {
    const { head, answered } = this.#pipeline
    if (this.#closed || this.#state.keepAlive === 'last' || answered === 0 || head?.responseStarted) return
    this.#rest.closedSilently(head === null ? this.#timeouts.timer.elapsed : null)
  }

  onSocketClose(): void {
    this.onSocketError(new SocketError('closed', this.#socketReader.info))
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
    this.#end(error, this.#responses.headSent ? 'head' : 'network', this.#responses.reader.shortBodyError(error))
  }

  onReadFinished(): void {
    const idle = new InformationalError('the server closed the idle connection')
    // With nothing in flight that is a server's right, and no failure of it.
    this.#end(
      this.#pipeline.size === 0 ? idle : new SocketError('other side closed', this.#socketReader.info),
      'network',
    )
  }

  /** The socket leaves HTTP and becomes the caller's. */
  onReadTunnel(rest: Buffer): void {
    if (this.#closed) return
    const exchange = this.#pipeline.complete()
    this.#closed = true
    this.#timeouts.timer.drop()
    this.#writer?.stop(exchange)
    this.#responses.reader.close()
    const socket = this.#socketReader.release(rest)
    this.#owner.onEnd(this, new InformationalError('upgrade'), [])
    this.#owner.onClosed(this)
    if (exchange.done) socket.destroy()
    else exchange.upgrade(this.#responses.tunnelHead as ResponseHead, socket)
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
    if (this.#timeouts.awaitReuse()) return this.#socketReader.unref()
    this.#end(new InformationalError('the server keeps no connection that long'), 'network')
  }

  onDeliveryFailed(error: Error, blame: Blame): void {
    this.#end(error, blame)
  }

  onTimeout(error: Error, blame: Blame): void {
    this.#end(error, blame)
  }

  // Events of the sender of a request body

  onBodyProgress(): void {
    if (this.#pipeline.size === 1) this.#timeouts.awaitHeaders(this.#writer)
  }

  onBodyEnd(): void {
    if (this.#closed) return
    this.#writer?.finish()?.requestSent()
    this.onBodyProgress()
    if (!this.#closed) this.#owner.onReady(this)
  }

  onBodyError(error: Error): void {
    const exchange = this.#writer?.sending
    if (exchange == null || exchange === this.#pipeline.head) return this.#end(error, 'caller')
    exchange.fail(error, { phase: exchange.phase })
    this.#writer?.stop(exchange, error)
  }

  // Calls of handlers

  onExchangeAborted(exchange: Exchange): void {
    if (this.#closed) return
    if (exchange === this.#starting) return this.#withdraw(exchange)
    // In mid-pipeline its response is read and dropped, or the rest of it is not sent, and the others live.
    if (exchange === this.#pipeline.head) return this.#end(exchange.abortError, 'caller')
    this.#timeouts.noteAborted()
    this.#writer?.stop(exchange)
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
   * The one way out. `blame`: who is at fault decides which requests are sent again. `shortBody`: what the request fails
   * with whose response body is incomplete.
   */
  #end(error: Error, blame: Blame, shortBody: Error | null = null): void {
    if (this.#closed) return
    this.#closed = true
    this.#state.read(READ.close)
    this.#timeouts.timer.drop()
    const writer = this.#writer
    const written = writer?.socketWriter.bytesHandedOver ?? 0
    const ending = { error, shortBody, blame, written, answered: this.#pipeline.answered }
    this.#responses.reader.close()
    writer?.destroy(error)
    this.#socketReader.destroy()
    if (writer === null) this.#opening?.cancel()
    const { again, failed } = this.#pipeline.empty(ending)
    this.#owner.onEnd(this, error, again)
    // What handlers began when the head came is behind them then: `fetch` hears of no end that comes before.
    if (blame === 'head' && this.#responses.headJustCame) setImmediate(() => failAll(failed, ending))
    else failAll(failed, ending)
  }
}
