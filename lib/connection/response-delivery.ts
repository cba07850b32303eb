import { queueMicrotask } from '../base/clock.js'
import { InformationalError, ResponseExceededMaxSizeError, SocketError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Request } from '../exchange/request.js'
import type { SocketReader } from '../transport/socket-reader.js'
import type { Engine } from '../wire/engine.js'
import { Parser, type ParserListener, REQUEST_KIND, type RequestKind } from '../wire/parser.js'
import type { ResponseHead } from '../wire/response-head.js'
import type { ConnectionOptions } from './options.js'
import { blocksPipelining, type Pipeline } from './pipeline.js'
import type { CloseCause } from './replay.js'
import type { RequestWriter } from './request-writer.js'
import { ResponseReader, type ResponseReaderListener } from './response-reader.js'
import { type ConnectionState, READ, READING, WRITING } from './state.js'
import type { ConnectionTimeouts } from './timeouts.js'

/** Maximum number of body bytes of an aborted request that are read in order to keep the connection. */
const MAX_DISCARDED_BYTES = 131072

/** Receives the events of {@link ResponseDelivery}. */
export interface DeliveryListener extends ResponseReaderListener {
  readonly closed: boolean
  onRunningChanged(): void
  /** CONNECT was refused: the connection can only deliver the rest of that response. */
  onConnectRefused(): void
  /** Another request may be written. */
  onReady(): void
  /** No request is in flight any more. */
  onIdle(): void
  /** The connection must be closed. */
  onConnectionFailed(error: Error, cause: CloseCause): void
}

interface ResponseDeliveryParts {
  engine: Engine
  socketReader: SocketReader
  options: ConnectionOptions
  state: ConnectionState
  pipeline: Pipeline
  timeouts: ConnectionTimeouts
  listener: DeliveryListener
}

/** Delivers the responses of a connection, each to the oldest request in flight. */
export class ResponseDelivery implements ParserListener {
  readonly reader: ResponseReader
  /** `null` until the connection is established. */
  writer: RequestWriter | null = null
  readonly #parser: Parser
  readonly #maxResponseSize: number
  readonly #state: ConnectionState
  readonly #pipeline: Pipeline
  readonly #timeouts: ConnectionTimeouts
  readonly #listener: DeliveryListener
  #receivedBodyBytes = 0
  /** A 204 or 304 response announced a body: those bytes may follow and must not be read as the next response. */
  #forbiddenBodyAnnounced = false
  #tunnelHeaders: ResponseHead | null = null
  /** Whether headers of the current response were delivered, and promise jobs started by handlers may not have run. */
  headersJustReceived = false

  constructor({ engine, socketReader, options, state, pipeline, timeouts, listener }: ResponseDeliveryParts) {
    this.#parser = new Parser(engine, this, options.parser)
    this.reader = new ResponseReader(this.#parser, socketReader, listener)
    this.#maxResponseSize = options.maxResponseSize
    this.#state = state
    this.#pipeline = pipeline
    this.#timeouts = timeouts
    this.#listener = listener
  }

  /** Headers of the response that switched protocols: a 101, or a 2xx to CONNECT. */
  get tunnelHeaders(): ResponseHead | null {
    return this.#tunnelHeaders
  }

  /**
   * Whether the first byte of the oldest request was passed to the socket. Data received before that can not be its
   * response.
   */
  get requestStarted(): boolean {
    const exchange = this.#pipeline.oldest
    return exchange !== null && (this.writer?.socketWriter.bytesWritten ?? 0) > exchange.outputStart
  }

  /** Number of bytes that are best read directly into memory passed to the handler; 0 if they must be parsed. */
  get unparsedBytes(): number {
    return this.#pipeline.oldest?.keepsChunks(this.#parser.chunkMemory) ? this.reader.unparsedBytes : 0
  }

  /** Stops reading after the handler of `exchange` has paused it. */
  pause(exchange: Exchange): void {
    if (exchange === this.#pipeline.oldest && this.#state.reading === READING.body) this.#pauseReading()
  }

  /** Continues reading after the handler of `exchange` has resumed it. */
  resume(exchange: Exchange): void {
    if (!this.reader.paused || exchange !== this.#pipeline.oldest || this.#listener.closed) return
    this.#timeouts.startBodyTimeout(exchange)
    this.reader.resume()
  }

  onMessageBegin(): RequestKind {
    // A response that arrives before its request was sent does not belong to any request.
    if (!this.requestStarted) return REQUEST_KIND.none
    const exchange = this.#pipeline.oldest as Exchange
    this.#state.read(READ.begin)
    if (!exchange.responseStarted) exchange.onResponseBegin()
    return allowedAnswers(exchange.request)
  }

  onInformational(head: ResponseHead): void {
    this.#state.read(READ.informational)
    if (head.statusCode === 100) this.writer?.continue()
    this.#pipeline.oldest?.onInformational(head)
  }

  /** Called at the end of a read with response headers: promise jobs run next. */
  forgetHeaders(): void {
    if (this.#pipeline.oldest?.responseStarted === true) {
      queueMicrotask(() => {
        this.headersJustReceived = false
      })
    } else this.headersJustReceived = false
  }

  onHead(head: ResponseHead): void {
    const exchange = this.#pipeline.oldest as Exchange
    this.#state.read(READ.head)
    this.headersJustReceived = true
    this.#receivedBodyBytes = 0
    this.#timeouts.keepAliveHint = head.keepAliveHint
    this.#forbiddenBodyAnnounced = announcesForbiddenBody(head)
    if (!head.persistent || this.#forbiddenBodyAnnounced) this.#state.keepAlive = 'last'
    this.#timeouts.startBodyTimeout(exchange)
    if (exchange.request.method === 'CONNECT') this.#listener.onConnectRefused()
    exchange.onHeaders(head)
    if (this.#listener.closed) return
    this.#parser.chunkMemory = exchange.chooseChunks()
    // RFC 9112 §9.5: a client that receives an error while it sends the body should stop. After a success it continues:
    // the server may stream in both directions.
    if (head.statusCode >= 300 || this.#state.writing === WRITING.waiting) this.writer?.stopBody(exchange)
    if (exchange.paused && !exchange.done) this.#pauseReading()
    if (blocksPipelining(exchange)) this.#listener.onReady()
  }

  onBody(chunk: Buffer, view: boolean): void {
    const exchange = this.#pipeline.oldest as Exchange
    const maxResponseSize = this.#maxResponseSize
    this.#receivedBodyBytes += chunk.length
    if (maxResponseSize >= 0 && this.#receivedBodyBytes > maxResponseSize) {
      const message = `Response body exceeds ${maxResponseSize} bytes (maxResponseSize)`
      return this.#listener.onConnectionFailed(new ResponseExceededMaxSizeError(message), 'oldest')
    }
    if (exchange.done && this.#receivedBodyBytes > MAX_DISCARDED_BYTES) {
      const error = new InformationalError('the response of an aborted request is too long to be discarded')
      return this.#listener.onConnectionFailed(error, 'caller')
    }
    this.#timeouts.startBodyTimeout(exchange)
    exchange.onData(chunk, view)
  }

  onMessageEnd(trailers: string[], persistent: boolean): void {
    const pipeline = this.#pipeline
    const state = this.#state
    const listener = this.#listener
    const exchange = pipeline.complete()
    const reusable = persistent && !this.#forbiddenBodyAnnounced
    state.read(READ.end)
    listener.onRunningChanged()
    // The caller may overwrite a body that the socket still reads.
    let lent = false
    const { writer } = this
    if (writer !== null) {
      writer.stopBody(exchange)
      lent = writer.socketWriter.readsCallerMemory
      // RFC 9112 §9.5: a server that responds early may not read the rest of the request.
      if (!writer.socketWriter.hasSent(pipeline.oldest?.outputStart)) state.keepAlive = 'last'
    }
    if (!reusable) state.keepAlive = 'last'
    this.reader.resume()
    this.#timeouts.startHeadersTimeout(writer)
    exchange.onEnd(trailers)
    if (listener.closed) return
    if (state.keepAlive === 'last' && !(reusable && pipeline.hasActiveRequest && !lent)) {
      return listener.onConnectionFailed(
        new InformationalError('The connection was closed after the response: it is not kept alive'),
        'network',
      )
    }
    if (pipeline.size === 0) listener.onIdle()
    if (!listener.closed) listener.onReady()
  }

  onTunnel(head: ResponseHead): void {
    if (head.statusCode === 101 && !('upgrade' in head.headers())) {
      throw new SocketError('The upgrade failed: the 101 response has no upgrade header')
    }
    this.#state.read(READ.tunnel)
    this.#tunnelHeaders = head
  }

  #pauseReading(): void {
    if (this.#listener.closed) return
    this.#timeouts.pause()
    this.reader.pause()
  }
}

/** Returns which responses a request allows (RFC 9112 §6.3). */
function allowedAnswers({ method, upgrade }: Request): RequestKind {
  if (method === 'HEAD') return upgrade === null ? REQUEST_KIND.head : REQUEST_KIND.headUpgrade
  if (method === 'CONNECT') return REQUEST_KIND.connect
  return upgrade === null ? REQUEST_KIND.request : REQUEST_KIND.upgrade
}

/**
 * Whether a 204 or 304 announces a body, which it must not have (RFC 9112 §6.3). If the server sends one, it would be
 * read as the next response. HEAD needs no such check: no request follows it on the connection.
 */
function announcesForbiddenBody({ statusCode, contentLength, transferEncoding }: ResponseHead): boolean {
  return (statusCode === 204 || statusCode === 304) && (contentLength > 0 || transferEncoding !== null)
}
