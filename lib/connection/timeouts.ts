import { BodyTimeoutError, HeadersTimeoutError, InformationalError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { type InactivityListener, InactivityTimer } from './inactivity-timer.js'
import type { ConnectionOptions } from './options.js'
import type { Pipeline } from './pipeline.js'
import type { CloseCause } from './replay.js'
import type { RequestWriter } from './request-writer.js'

/** Maximum time in ms to read the responses of aborted requests in order to keep the connection. */
const DISCARD_TIMEOUT = 1000

/** Receives the timeouts of a connection. */
export interface TimeoutListener {
  /** A timeout has expired: the connection must be closed. */
  onConnectionFailed(error: Error, cause: CloseCause): void
}

interface ConnectionTimeoutsParts {
  pipeline: Pipeline
  options: ConnectionOptions
  listener: TimeoutListener
}

/** Headers, body and keep-alive timeout of one connection. Only one of them runs at a time. */
export class ConnectionTimeouts implements InactivityListener {
  readonly timer = new InactivityTimer(this)
  readonly #pipeline: Pipeline
  readonly #options: ConnectionOptions
  readonly #listener: TimeoutListener
  /** Oldest request in flight, if all were aborted and {@link DISCARD_TIMEOUT} runs. */
  #oldestDiscarded: Exchange | null = null
  /** Time in ms that the server keeps idle connections, from its last `keep-alive` header; `null` without one. */
  keepAliveHint: number | null = null

  constructor({ pipeline, options, listener }: ConnectionTimeoutsParts) {
    this.#pipeline = pipeline
    this.#options = options
    this.#listener = listener
  }

  /** Starts the headers timeout of the oldest request, unless its headers have been received. */
  startHeadersTimeout(writer: RequestWriter | null): void {
    const exchange = this.#pipeline.oldest
    if (exchange?.headersReceived || this.#startDiscardTimeout(exchange)) return
    // While the client waits for its own body source, the server is not late.
    const waitsForClient = exchange === null || writer?.waitsForBodySource(exchange) === true
    this.timer.set(waitsForClient ? 0 : exchange.request.headersTimeout)
  }

  /** Starts the body timeout of `exchange`. */
  startBodyTimeout(exchange: Exchange): void {
    if (!this.#startDiscardTimeout(exchange)) this.timer.set(exchange.request.bodyTimeout)
  }

  /** Whether all requests in flight were aborted, and their responses are read only to keep the connection. */
  get discarding(): boolean {
    return this.#oldestDiscarded !== null && this.#oldestDiscarded === this.#pipeline.oldest
  }

  /** Starts the discard timeout if a pipelined request was aborted and no active request is left. */
  onExchangeAborted(): void {
    this.#startDiscardTimeout(this.#pipeline.oldest)
  }

  /**
   * Starts {@link DISCARD_TIMEOUT} if all requests in flight were aborted, and returns whether they were. Received
   * bytes do not extend it: queued requests must not wait for a server that never completes those responses.
   */
  #startDiscardTimeout(oldest: Exchange | null): boolean {
    if (oldest === null || !oldest.done) return false
    if (oldest === this.#oldestDiscarded) return true
    if (this.#pipeline.hasActiveRequest) return false
    this.#oldestDiscarded = oldest
    this.timer.set(DISCARD_TIMEOUT)
    return true
  }

  /** Stops the current timeout while the handler has paused the response. */
  pause(): void {
    this.timer.set(0)
  }

  /** Starts the keep-alive timeout. Returns `false` if the server closes idle connections sooner than that. */
  startKeepAliveTimeout(): boolean {
    // An idle connection must not keep a request and its handler in memory.
    this.#oldestDiscarded = null
    const { keepAliveTimeout, keepAliveMaxTimeout, keepAliveTimeoutThreshold } = this.#options
    const hint = this.keepAliveHint
    const delay = hint === null ? keepAliveTimeout : Math.min(hint - keepAliveTimeoutThreshold, keepAliveMaxTimeout)
    if (delay > 0) this.timer.set(delay)
    return delay > 0
  }

  onInactive(): void {
    const exchange = this.#pipeline.oldest
    if (exchange === null) this.#listener.onConnectionFailed(new InformationalError('socket idle timeout'), 'network')
    else if (exchange === this.#oldestDiscarded) {
      this.#listener.onConnectionFailed(
        new InformationalError('the response of an aborted request did not end in time'),
        'caller',
      )
    } else this.#listener.onConnectionFailed(timeoutErrorOf(exchange), 'oldest')
  }
}

function timeoutErrorOf(exchange: Exchange): Error {
  const { headersTimeout, bodyTimeout } = exchange.request
  if (exchange.headersReceived)
    return new BodyTimeoutError(`No response body data received for ${bodyTimeout} ms (bodyTimeout)`)
  return new HeadersTimeoutError(`Response headers not received within ${headersTimeout} ms (headersTimeout)`)
}
