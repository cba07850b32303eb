import { BodyTimeoutError, HeadersTimeoutError, InformationalError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { type InactivityListener, InactivityTimer } from './inactivity-timer.js'
import type { ConnectionOptions } from './owner.js'
import type { Pipeline } from './pipeline.js'
import type { CloseCause } from './replay.js'
import type { RequestWriter } from './request-writer.js'

/** Most ms to wait for the rest of responses that no caller waits for, to keep their connection. */
const DISCARD_TIMEOUT = 1000

export interface TimeoutListener {
  onTimeout(error: Error, cause: CloseCause): void
}

interface ConnectionTimeoutsParts {
  pipeline: Pipeline
  options: ConnectionOptions
  listener: TimeoutListener
}

/** The headers, body and keep-alive timeouts of one connection, of which one runs at a time. */
export class ConnectionTimeouts implements InactivityListener {
  readonly timer = new InactivityTimer(this)
  readonly #pipeline: Pipeline
  readonly #options: ConnectionOptions
  readonly #listener: TimeoutListener
  /** The oldest request, aborted like all others in flight, for whose response {@link DISCARD_TIMEOUT} runs. */
  #oldestDiscarded: Exchange | null = null
  /** ms that the server keeps an idle connection, as it said last; null when it did not say. */
  keepAliveHint: number | null = null

  constructor({ pipeline, options, listener }: ConnectionTimeoutsParts) {
    this.#pipeline = pipeline
    this.#options = options
    this.#listener = listener
  }

  /** Starts the headers timeout of the oldest request, if its headers did not come yet. */
  startHeadersTimeout(writer: RequestWriter | null): void {
    const exchange = this.#pipeline.oldest
    if (exchange?.headersReceived || this.#startDiscardTimeout(exchange)) return
    // While the source of a request body is waited for, it is not the server that is slow.
    const ours = exchange === null || writer?.waitsForBodySource(exchange) === true
    this.timer.set(ours ? 0 : exchange.request.headersTimeout)
  }

  /** Starts the body timeout of `exchange`. */
  startBodyTimeout(exchange: Exchange): void {
    if (!this.#startDiscardTimeout(exchange)) this.timer.set(exchange.request.bodyTimeout)
  }

  /** Whether all requests in flight are aborted ones whose responses are read to keep the connection. */
  get discarding(): boolean {
    return this.#oldestDiscarded !== null && this.#oldestDiscarded === this.#pipeline.oldest
  }

  /** A request in flight, not the oldest, was aborted: perhaps no caller waits for any of them any more. */
  onExchangeAborted(): void {
    this.#startDiscardTimeout(this.#pipeline.oldest)
  }

  /**
   * Whether all requests in flight were aborted. Requests that are queued must not wait for a server that never answers
   * those, so a limit runs then, which no byte extends.
   */
  #startDiscardTimeout(oldest: Exchange | null): boolean {
    if (oldest === null || !oldest.done) return false
    if (oldest === this.#oldestDiscarded) return true
    if (this.#pipeline.hasActiveRequest) return false
    this.#oldestDiscarded = oldest
    this.timer.set(DISCARD_TIMEOUT)
    return true
  }

  /** Stops the timeout that runs, while a handler has the response paused. */
  pause(): void {
    // A slow reader is not a slow server.
    this.timer.set(0)
  }

  /** Starts the keep-alive timeout. Returns false if the server keeps no idle connection that long. */
  startKeepAliveTimeout(): boolean {
    // An idle connection holds no request, nor its handler.
    this.#oldestDiscarded = null
    const { keepAliveTimeout, keepAliveMaxTimeout, keepAliveTimeoutThreshold } = this.#options
    const hint = this.keepAliveHint
    const delay = hint === null ? keepAliveTimeout : Math.min(hint - keepAliveTimeoutThreshold, keepAliveMaxTimeout)
    if (delay > 0) this.timer.set(delay)
    return delay > 0
  }

  onInactive(): void {
    const exchange = this.#pipeline.oldest
    if (exchange === null) this.#listener.onTimeout(new InformationalError('socket idle timeout'), 'network')
    else if (exchange === this.#oldestDiscarded) {
      this.#listener.onTimeout(
        new InformationalError('the response of an aborted request did not end in time'),
        'caller',
      )
    } else this.#listener.onTimeout(timeoutErrorOf(exchange), 'oldest')
  }
}

function timeoutErrorOf(exchange: Exchange): Error {
  const { headersTimeout, bodyTimeout } = exchange.request
  if (exchange.headersReceived)
    return new BodyTimeoutError(`No response body data received for ${bodyTimeout} ms (bodyTimeout)`)
  return new HeadersTimeoutError(`Response headers not received within ${headersTimeout} ms (headersTimeout)`)
}
