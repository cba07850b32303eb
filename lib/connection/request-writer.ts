import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import type { Exchange } from '../exchange/exchange.js'
import { publishSendHeaders } from '../exchange/publish-diagnostics.js'
import type { RequestBody } from '../exchange/request-body.js'
import type { SentListener, SocketWriter } from '../transport/socket-writer.js'
import { setTypeOfService, typeOfServiceOf } from '../transport/type-of-service.js'
import { BodySender, type BodySenderListener } from './body-sender.js'
import { type ConnectionState, WRITE, WRITING } from './state.js'

/** Time in ms to wait for `100 Continue`. RFC 9110 §10.1.1 forbids to wait indefinitely. */
const CONTINUE_TIMEOUT = 1000

/** Writes requests to the socket: the head, then the body as fast as socket and server allow. */
export class RequestWriter implements AlarmListener, SentListener {
  readonly socketWriter: SocketWriter
  readonly #state: ConnectionState
  readonly #listener: BodySenderListener
  readonly #strictContentLength: boolean
  #bodySender: BodySender | null = null
  /** Request whose body the socket reads from the caller's memory, without a copy. */
  #zeroCopyExchange: Exchange | null = null
  #continueAlarm: Alarm | null = null
  /** Type of service set for the last request; `null` if none was set. */
  #typeOfService: number | null = null
  /** Type of service that the connector has set. */
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

  /** The request whose body is being sent. */
  get sending(): Exchange | null {
    return this.#bodySender?.exchange ?? null
  }

  /**
   * Publishes the request to diagnostics channels before {@link write}, and checks that subscribers left its body
   * unchanged.
   */
  prepare(exchange: Exchange, close: boolean): void {
    publishSendHeaders(exchange, close, this.socketWriter.socket)
    exchange.failIfBodyChanged()
  }

  /** Writes a request. `close`: no other request will follow on this connection. */
  write(exchange: Exchange, close: boolean): void {
    const { head, body, typeOfService } = exchange.request
    if (typeOfService !== this.#typeOfService) this.#setTypeOfService(typeOfService)
    const text = exchange.request.headText(close)
    // A request with `content-length: 0` is complete with its head: the server would execute it before the source can
    // fail or yield data.
    const whole = head.contentLength === 0 && body !== null && body.kind !== 'bytes'
    // The head of an empty body must not announce a body where the method expects none.
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
    // An aborted request that waits behind another one outlives its caller, which may then change the memory: copy it.
    if (shared && exchange.previous === null && this.socketWriter.canSendUncopied(bytes)) {
      this.#zeroCopyExchange = exchange
      return this.socketWriter.appendUncopied(bytes, this)
    }
    if (shared) this.socketWriter.appendCopy(bytes)
    else this.socketWriter.appendImmutable(bytes)
    exchange.onBodySent(bytes)
    exchange.onRequestSent()
  }

  /** The socket has taken a body sent without a copy. */
  onSent(): void {
    const exchange = this.#zeroCopyExchange
    this.#zeroCopyExchange = null
    if (exchange === null) return
    const { body } = exchange.request
    if (body?.kind === 'bytes') exchange.onBodySent(body.bytes)
    exchange.onRequestSent()
  }

  /** Sends the body after `100 Continue`, or after {@link CONTINUE_TIMEOUT}. */
  continue(): void {
    this.#continueAlarm?.dispose()
    if (this.#state.writing !== WRITING.waiting) return
    this.#state.write(WRITE.continue)
    this.#bodySender?.start()
  }

  onAlarm(): void {
    // The response may have arrived while the event loop was busy.
    setImmediate(() => this.continue())
  }

  /** Continues after the socket has drained. */
  resume(): void {
    this.socketWriter.flush()
    if (!this.socketWriter.congested) this.#bodySender?.resume()
  }

  /** Whether the body of `exchange` waits only for its source: neither the socket nor the server delays it. */
  waitsForBodySource(exchange: Exchange): boolean {
    return this.sending === exchange && this.#state.writing === WRITING.body && !this.socketWriter.congested
  }

  /** Ends a body that was passed on completely. Returns its request. */
  completeBody(): Exchange | null {
    const exchange = this.sending
    // The server waits for the missing bytes, so the connection can not be reused.
    if (this.#bodySender?.matchesContentLength === false) this.#state.keepAlive = 'last'
    this.#bodySender = null
    if (exchange !== null) this.#state.write(WRITE.end)
    return exchange
  }

  /** Stops sending the body of `exchange`, if it is in progress. The connection can not be reused then. */
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
