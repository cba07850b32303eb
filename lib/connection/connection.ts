import { setImmediate } from '../base/clock.js'
import { Queue } from '../base/queue.js'
import { InformationalError, ResponseExceededMaxSizeError, SocketError } from '../errors.js'
import type { Carrier, Exchange } from '../exchange/exchange.js'
import type { Opening } from '../exchange/watch.js'
import { Inlet, type InletListener } from '../transport/inlet.js'
import { Outlet } from '../transport/outlet.js'
import type { Engine } from '../wire/engine.js'
import { ANSWERS, type Answers, Parser, type ResponseSink } from '../wire/parser.js'
import type { ResponseHead } from '../wire/response-head.js'
import { inWords } from './inspect.js'
import { ConnectorCall } from './open-socket.js'
import type { ConnectionOptions, ConnectionOwner } from './owner.js'
import { answersTo, DISCARD_LIMIT, isBarrier, mayFollow } from './pipelining.js'
import { type Blame, failAll, sortOut } from './replay.js'
import { RequestWriter } from './request-writer.js'
import { ResponseReader, type ResponseReaderListener } from './response-reader.js'
import type { BodySenderListener } from './send-body.js'
import { Silence, type SilenceListener, TURN } from './silence.js'
import { ConnectionState, READ, READING, WRITING } from './state.js'
import { idleTimeOf, timeoutOf } from './timeouts.js'

let opened = 0

type Listener = ResponseSink & InletListener & ResponseReaderListener & Carrier & BodySenderListener & SilenceListener

/** One socket with its parser and the exchanges under way on it. Knows nothing of who owns it. */
export class Connection implements Listener {
  /** Unique in the process. */
  readonly id = ++opened
  /** Filled in while it opens, when somebody wants to know. */
  readonly marks: Opening | null
  readonly #owner: ConnectionOwner
  readonly #options: ConnectionOptions
  readonly #state = new ConnectionState()
  readonly #pipeline = new Queue<Exchange>()
  readonly #parser: Parser
  readonly #inlet: Inlet
  readonly #reader: ResponseReader
  readonly #silence = new Silence(this)
  #writer: RequestWriter | null = null
  #opening: ConnectorCall | null = null
  #starting: Exchange | null = null
  #sent = 0
  #answered = 0
  #bodyBytes = 0
  #keepAliveHint: number | null = null
  #closed = false
  #look: 'none' | 'under way' | 'done' = 'none'
  #tunnel: ResponseHead | null = null

  constructor(owner: ConnectionOwner, options: ConnectionOptions, part: { engine: Engine; marks: Opening | null }) {
    this.marks = part.marks
    this.#owner = owner
    this.#options = options
    this.#parser = new Parser(part.engine, this, options.parser)
    this.#inlet = new Inlet(part.engine)
    this.#reader = new ResponseReader(this.#parser, this.#inlet, this)
  }

  /** Exchanges sent and not yet answered. */
  get running(): number {
    return this.#pipeline.size
  }

  get open(): boolean {
    return this.#writer !== null && !this.#closed
  }

  inspect(): string {
    return inWords(this, { pipeline: this.#pipeline, state: this.#state, silence: this.#silence, sent: this.#sent })
  }

  /** `host`: the `host` field of the request that waits, for the TLS server name. */
  connect(host: string): void {
    const to = { ...this.#options, host, reader: this.#inlet, marks: this.marks }
    this.#opening = new ConnectorCall(to, (error, socket) => {
      this.#opening = null
      if (error !== null) {
        this.#closed = true
        this.#reader.close()
        return this.#owner.onConnectFailed(this, error)
      }
      const { strictContentLength } = this.#options
      const outlet = new Outlet(socket)
      this.#writer = new RequestWriter({ outlet, state: this.#state, listener: this, strictContentLength })
      this.#inlet.attach(socket, this)
      this.#owner.onConnected(this)
      if (!this.#closed && this.#pipeline.size === 0) this.#idle()
    })
    this.#opening.start()
  }

  /** Whether `exchange` may be written now, behind what is under way (RFC 9112 §9.3.2). */
  accepts(exchange: Exchange, pipelining: number): boolean {
    if (this.#writer === null || !this.#state.mayWrite) return false
    const last = this.#pipeline.tail
    if (last === null) return this.#look !== 'under way' && !this.rested
    if (this.#pipeline.size >= pipelining || this.#writer.outlet.congested) return false
    return mayFollow(last, exchange)
  }

  /** It was idle for longer than a turn of the loop takes: what the server did meanwhile may stand unread. */
  get rested(): boolean {
    return this.#pipeline.size === 0 && this.#look === 'none' && this.#silence.length > TURN
  }

  /** Reads what has come by now, above all that the server closed; then it is ready, if it is there still. */
  look(): void {
    this.#look = 'under way'
    // Of two turns one has its poll phase before it.
    setImmediate(() => setImmediate(() => this.#looked()))
  }

  #looked(): void {
    if (this.#closed) return
    this.#look = 'done'
    if (this.#silence.tooLong) this.onSilence()
    else this.#owner.onReady(this)
    this.#look = 'none'
  }

  /** Writes a request that {@link accepts} let pass. `last`: no other may follow. */
  send(exchange: Exchange, last: boolean): void {
    const writer = this.#writer as RequestWriter
    if (this.#pipeline.size === 0) this.#inlet.ref()
    exchange.carrier = this
    exchange.sent = true
    exchange.reused = this.#sent > 0
    exchange.outputStart = writer.outlet.appended
    exchange.answeredBefore = this.#answered
    this.#pipeline.push(exchange)
    this.#owner.onRunningChanged(this)
    this.#starting = exchange
    exchange.start()
    const { reset, head } = exchange.request
    const close = last || reset || head.close || this.#sent + 1 === this.#options.maxRequests
    if (!exchange.done) writer.announce(exchange, close)
    this.#starting = null
    if (this.#closed) return
    if (exchange.done) {
      this.#pipeline.remove(exchange)
      this.#owner.onRunningChanged(this)
      if (this.#pipeline.size === 0) this.#idle()
      return
    }
    this.#sent++
    writer.write(exchange, close)
    this.onBodyProgress()
  }

  /** Takes no more, and ends with what is under way: at once with `error` when that is nothing. */
  retire(error: Error): void {
    this.#state.keepAlive = 'last'
    if (this.#pipeline.size === 0) this.destroy(error)
  }

  /** Ends everything with `error`: nothing is sent again. */
  destroy(error: Error): void {
    this.#end(error, 'owner')
  }

  // What the socket tells

  onBytes(length: number): boolean {
    this.#silence.hold()
    const more = this.#reader.read(length)
    this.#silence.release()
    return more
  }

  get unparsed(): number {
    return this.#reader.unparsed
  }

  onBodyBytes(chunk: Buffer): boolean {
    this.#silence.hold()
    const more = this.#reader.take(chunk)
    this.#silence.release()
    return more
  }

  onReadEnd(): void {
    this.#state.keepAlive = 'last'
    this.#reader.end()
  }

  /** What came before the server's end is read nonetheless, once a paused handler lets it. */
  onSocketError(error: Error): void {
    if (!this.#inlet.ended) this.#end(error, 'network')
  }

  onSocketClose(): void {
    this.onSocketError(new SocketError('closed', this.#inlet.info))
    this.#owner.onClosed(this)
  }

  onWritable(): void {
    if (this.#closed) return
    this.#writer?.resume()
    this.onBodyProgress()
    this.#owner.onReady(this)
  }

  // What the reader tells

  onReadFailed(error: Error): void {
    const exchange = this.#pipeline.head
    const written = this.#writer?.outlet.bytesHandedOver ?? 0
    // What comes before a byte of its request is out can not be about it.
    this.#end(error, exchange !== null && written <= exchange.outputStart ? 'network' : 'head')
  }

  onReadFinished(): void {
    const idle = new InformationalError('the server closed the idle connection')
    // With nothing under way that is a server's right, and no failure of it.
    this.#end(this.#pipeline.size === 0 ? idle : new SocketError('other side closed', this.#inlet.info), 'network')
  }

  /** The socket leaves HTTP and becomes the caller's. */
  onReadTunnel(rest: Buffer): void {
    if (this.#closed) return
    const exchange = this.#pipeline.shift() as Exchange
    this.#closed = true
    this.#silence.drop()
    this.#writer?.stop(exchange)
    this.#reader.close()
    const socket = this.#inlet.release(rest)
    this.#owner.onEnd(this, new InformationalError('upgrade'), [])
    this.#owner.onClosed(this)
    if (exchange.done) socket.destroy()
    else exchange.upgrade(this.#tunnel as ResponseHead, socket)
  }

  // What the parser tells

  onMessageBegin(): Answers {
    const exchange = this.#pipeline.head
    // A response that comes before its request answers nobody.
    const written = this.#writer?.outlet.bytesHandedOver ?? 0
    if (exchange === null || written <= exchange.outputStart) return ANSWERS.nothing
    this.#state.read(READ.begin)
    if (!exchange.responseStarted) exchange.responseBegins()
    return answersTo(exchange.request)
  }

  onInformational(head: ResponseHead): void {
    this.#state.read(READ.informational)
    if (head.statusCode === 100) this.#writer?.continue()
    this.#pipeline.head?.informational(head)
  }

  onHead(head: ResponseHead): void {
    const exchange = this.#pipeline.head as Exchange
    this.#state.read(READ.head)
    this.#bodyBytes = 0
    this.#keepAliveHint = head.keepAliveHint
    if (!head.persistent) this.#state.keepAlive = 'last'
    this.#silence.allow(exchange.request.bodyTimeout)
    exchange.head(head)
    if (this.#closed) return
    this.#parser.borrowed = exchange.borrows
    // RFC 9112 §9.5: who is told of an error while sending should stop; a success may well be a stream both ways.
    if (head.statusCode >= 300 || this.#state.writing === WRITING.waiting) this.#writer?.stop(exchange)
    if (exchange.paused && !exchange.done) this.#pauseReading()
    if (isBarrier(exchange)) this.#owner.onReady(this)
  }

  onBody(chunk: Buffer): void {
    const exchange = this.#pipeline.head as Exchange
    const { maxResponseSize } = this.#options
    this.#bodyBytes += chunk.length
    if (maxResponseSize >= 0 && this.#bodyBytes > maxResponseSize) {
      const message = `Response body above maxResponseSize (${maxResponseSize} bytes)`
      return this.#end(new ResponseExceededMaxSizeError(message), 'head')
    }
    if (exchange.done && this.#bodyBytes > DISCARD_LIMIT) {
      return this.#end(new InformationalError('the response of an aborted request is too long to read on'), 'caller')
    }
    this.#silence.allow(exchange.request.bodyTimeout)
    exchange.data(chunk)
  }

  onMessageEnd(trailers: string[], reusable: boolean): void {
    const exchange = this.#pipeline.shift() as Exchange
    this.#state.read(READ.end)
    this.#answered++
    this.#owner.onRunningChanged(this)
    this.#writer?.stop(exchange)
    // RFC 9112 §9.5: a server that answers early may not read the rest.
    const sent = this.#writer?.outlet.passed(this.#pipeline.head?.outputStart)
    if (!reusable || !sent) this.#state.keepAlive = 'last'
    this.#reader.resume()
    this.#await()
    exchange.end(trailers)
    if (this.#closed) return
    const nobody = this.#pipeline.size === 0 || (this.#pipeline.size === 1 && this.#pipeline.head?.done)
    if (this.#state.keepAlive === 'last' && (nobody || !reusable)) {
      return this.#end(new InformationalError('the connection is not kept alive'), 'network')
    }
    if (this.#pipeline.size === 0) this.#idle()
    if (!this.#closed) this.#owner.onReady(this)
  }

  onTunnel(head: ResponseHead): void {
    this.#state.read(READ.tunnel)
    this.#tunnel = head
  }

  // What the sender of a body tells

  onBodyProgress(): void {
    if (this.#pipeline.size === 1) this.#await()
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

  // What handlers ask for

  onExchangeAborted(exchange: Exchange): void {
    if (exchange === this.#starting || this.#closed) return
    // In mid-pipeline its response is read and dropped, or the rest of it is not sent, and the others live.
    if (exchange === this.#pipeline.head) this.#end(exchange.abortError, 'caller')
    else this.#writer?.stop(exchange)
  }

  onExchangePaused(exchange: Exchange): void {
    if (exchange === this.#pipeline.head && this.#state.reading === READING.body) this.#pauseReading()
  }

  onExchangeResumed(exchange: Exchange): void {
    if (!this.#reader.paused || exchange !== this.#pipeline.head || this.#closed) return
    this.#silence.allow(exchange.request.bodyTimeout)
    this.#reader.resume()
  }

  onHandlerError(error: unknown): void {
    this.#owner.onHandlerError(error)
  }

  #pauseReading(): void {
    if (this.#closed) return
    // A slow reader is not a slow server.
    this.#silence.allow(0)
    this.#reader.pause()
  }

  // Time

  /** For a response head. While the source of a body is waited for, it is not the server that is slow. */
  #await(): void {
    const exchange = this.#pipeline.head
    if (exchange?.headReceived) return
    const ours = exchange === null || this.#writer?.awaitsSource(exchange) === true
    this.#silence.allow(ours ? 0 : exchange.request.headersTimeout)
  }

  onSilence(): void {
    const exchange = this.#pipeline.head
    if (exchange === null) return this.#end(new InformationalError('socket idle timeout'), 'network')
    this.#end(timeoutOf(exchange), 'head')
  }

  #idle(): void {
    const delay = idleTimeOf(this.#options, this.#keepAliveHint)
    if (delay <= 0) return this.#end(new InformationalError('the server keeps no connection that long'), 'network')
    this.#inlet.unref()
    this.#silence.allow(delay)
  }

  /** The one way out. `blame`: who is at fault decides who is sent again. */
  #end(error: Error, blame: Blame): void {
    if (this.#closed) return
    this.#closed = true
    this.#state.read(READ.close)
    this.#silence.drop()
    const writer = this.#writer
    const written = writer?.outlet.bytesHandedOver ?? 0
    const ending = { error, blame, written, answered: this.#answered }
    this.#reader.close()
    writer?.destroy(error)
    this.#inlet.destroy()
    if (writer === null) this.#opening?.cancel()
    const { again, failed } = sortOut(this.#pipeline, ending)
    this.#owner.onEnd(this, error, again)
    failAll(failed, ending)
  }
}
