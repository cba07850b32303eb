import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import type { Exchange } from '../exchange/exchange.js'
import { publishSendHeaders } from '../exchange/publish-diagnostics.js'
import type { RequestBody } from '../exchange/request-body.js'
import type { SentListener, SocketWriter } from '../transport/socket-writer.js'
import { setTypeOfService, typeOfServiceOf } from '../transport/type-of-service.js'
import { BodySender, type BodySenderListener } from './body-sender.js'
import { type ConnectionState, WRITE, WRITING } from './state.js'

/** How long a body waits for `100 Continue`, in ms: RFC 9110 §10.1.1 forbids to wait for ever. */
const CONTINUE_TIMEOUT = 1000

/** Turns exchanges into output: head, then body as the socket and the server allow. */
export class RequestWriter implements AlarmListener, SentListener {
  readonly socketWriter: SocketWriter
  readonly #state: ConnectionState
  readonly #listener: BodySenderListener
  readonly #strictContentLength: boolean
  #bodySender: BodySender | null = null
  /** The one whose body the socket writer reads where it is. */
  #zeroCopyExchange: Exchange | null = null
  #continueAlarm: Alarm | null = null
  /** What the last request set; null: nothing. */
  #typeOfService: number | null = null
  /** What the connector set. */
  #defaultTypeOfService = 0

  constructor(part: {
    socketWriter: SocketWriter
    state: ConnectionState
    listener: BodySenderListener
    strictContentLength: boolean
  }) {
    this.socketWriter = part.socketWriter
    this.#state = part.state
    this.#listener = part.listener
    this.#strictContentLength = part.strictContentLength
  }

  /** The exchange whose body is under way. */
  get sending(): Exchange | null {
    return this.#bodySender?.exchange ?? null
  }

  /** Publishes what {@link write} is about to write. */
  prepare(exchange: Exchange, close: boolean): void {
    publishSendHeaders(exchange, close, this.socketWriter.socket)
    exchange.failIfBodyChanged()
  }

  /** `close`: no request will follow on this connection. */
  write(exchange: Exchange, close: boolean): void {
    const { head, body, typeOfService } = exchange.request
    if (typeOfService !== this.#typeOfService) this.#setTypeOfService(typeOfService)
    const text = exchange.request.headText(close)
    // A head that announces no content is a whole request: a server would execute it before the source fails or has content.
    const whole = head.contentLength === 0 && body !== null && body.kind !== 'bytes'
    // Where no content is expected, the head of an empty body has no framing.
    const late = whole || (head.unexpectedBody && head.framing === 'chunked' && !head.expectContinue)
    if (!late) this.socketWriter.appendLatin1(text)
    if (close) this.#state.keepAlive = 'last'
    if (body === null) return exchange.onRequestSent()
    if (head.expectContinue && !whole) return this.#awaitContinue(exchange)
    if (body.kind !== 'bytes') {
      this.#state.write(WRITE.head)
      this.#bodySender = this.#newBodySender(exchange, late ? text : '')
      return this.#bodySender.start()
    }
    this.#writeBytes(exchange, body)
  }

  #setTypeOfService(value: number | null): void {
    const { socket } = this.socketWriter
    if (this.#typeOfService === null) this.#defaultTypeOfService = typeOfServiceOf(socket)
    this.#typeOfService = value
    setTypeOfService(socket, value ?? this.#defaultTypeOfService)
  }

  #writeBytes(exchange: Exchange, { bytes, shared }: RequestBody & { kind: 'bytes' }): void {
    // Aborted behind another request it lives on without its caller, who may then write to the memory.
    if (shared && exchange.previous === null && this.socketWriter.canSendUncopied(bytes)) {
      this.#zeroCopyExchange = exchange
      return this.socketWriter.appendUncopied(bytes, this)
    }
    if (shared) this.socketWriter.appendCopy(bytes)
    else this.socketWriter.appendImmutable(bytes)
    exchange.onBodySent(bytes)
    exchange.onRequestSent()
  }

  /** The socket has the body that it was lent. */
  onSent(): void {
    const exchange = this.#zeroCopyExchange
    this.#zeroCopyExchange = null
    if (exchange === null) return
    const { body } = exchange.request
    if (body?.kind === 'bytes') exchange.onBodySent(body.bytes)
    exchange.onRequestSent()
  }

  /** The server said `100 Continue`, or nothing for too long. */
  continue(): void {
    this.#continueAlarm?.dispose()
    if (this.#state.writing !== WRITING.waiting) return
    this.#state.write(WRITE.continue)
    this.#bodySender?.start()
  }

  onAlarm(): void {
    // The answer may have come while the event loop was busy.
    setImmediate(() => this.continue())
  }

  /** The socket takes more. */
  resume(): void {
    this.socketWriter.flush()
    if (!this.socketWriter.congested) this.#bodySender?.resume()
  }

  /** The body of `exchange` is under way, and neither the socket nor the server holds it up. */
  waitsForBodySource(exchange: Exchange): boolean {
    return this.sending === exchange && this.#state.writing === WRITING.body && !this.socketWriter.congested
  }

  /** The body was handed over whole. */
  completeBody(): Exchange | null {
    const exchange = this.sending
    // A server that got less waits for the rest.
    if (this.#bodySender?.matchesContentLength === false) this.#state.keepAlive = 'last'
    this.#bodySender = null
    if (exchange !== null) this.#state.write(WRITE.end)
    return exchange
  }

  /** Stops sending the body of `exchange`, if it is the one under way: the connection can not be used again. */
  stopBody(exchange: Exchange, error?: Error): void {
    if (this.#bodySender === null || this.#bodySender.exchange !== exchange) return
    this.#state.write(WRITE.stop)
    this.#state.keepAlive = 'last'
    this.#stopSending(error)
  }

  destroy(error: Error): void {
    this.#stopSending(error)
    this.socketWriter.destroy()
  }

  #stopSending(error?: Error): void {
    const sender = this.#bodySender
    this.#bodySender = null
    this.#zeroCopyExchange = null
    this.#continueAlarm?.dispose()
    sender?.stop(error)
  }

  #newBodySender(exchange: Exchange, head = ''): BodySender {
    const { socketWriter } = this
    return new BodySender({ exchange, socketWriter, listener: this.#listener, strict: this.#strictContentLength, head })
  }

  #awaitContinue(exchange: Exchange): void {
    this.#state.write(WRITE.expect)
    this.#bodySender = this.#newBodySender(exchange)
    this.#continueAlarm = new Alarm(this)
    this.#continueAlarm.set(CONTINUE_TIMEOUT)
  }
}
