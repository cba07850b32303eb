import { BodyTimeoutError, HeadersTimeoutError, InformationalError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { type InactivityListener, InactivityTimer } from './inactivity-timer.js'
import type { ConnectionOptions } from './owner.js'
import type { Pipeline } from './pipeline.js'
import type { Blame } from './replay.js'
import type { RequestWriter } from './request-writer.js'

export interface TimeoutListener {
  onTimeout(error: Error, blame: Blame): void
}

interface Part {
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
  /** ms that the server keeps an idle connection, as it said last; null when it did not say. */
  keepAliveHint: number | null = null

  constructor({ pipeline, options, listener }: Part) {
    this.#pipeline = pipeline
    this.#options = options
    this.#listener = listener
  }

  /** Starts the headers timeout of the oldest request, if its headers did not come yet. */
  awaitHeaders(writer: RequestWriter | null): void {
    const exchange = this.#pipeline.head
    if (exchange?.headReceived) return
    // While the source of a request body is waited for, it is not the server that is slow.
    const ours = exchange === null || writer?.awaitsSource(exchange) === true
    this.timer.set(ours ? 0 : exchange.request.headersTimeout)
  }

  /** Starts the body timeout of `exchange`. */
  awaitBody(exchange: Exchange): void {
    this.timer.set(exchange.request.bodyTimeout)
  }

  /** Stops the timeout that runs, while a handler has the response paused. */
  pause(): void {
    // A slow reader is not a slow server.
    this.timer.set(0)
  }

  /** Starts the keep-alive timeout. Returns false if the server keeps no idle connection that long. */
  awaitReuse(): boolean {
    const { keepAliveTimeout, keepAliveMaxTimeout, keepAliveTimeoutThreshold } = this.#options
    const hint = this.keepAliveHint
    const delay = hint === null ? keepAliveTimeout : Math.min(hint - keepAliveTimeoutThreshold, keepAliveMaxTimeout)
    if (delay > 0) this.timer.set(delay)
    return delay > 0
  }

  onInactive(): void {
    const exchange = this.#pipeline.head
    if (exchange === null) this.#listener.onTimeout(new InformationalError('socket idle timeout'), 'network')
    else this.#listener.onTimeout(timeoutOf(exchange), 'head')
  }
}

function timeoutOf(exchange: Exchange): Error {
  const { headersTimeout, bodyTimeout } = exchange.request
  if (exchange.headReceived) return new BodyTimeoutError(`No byte of the response body for ${bodyTimeout} ms`)
  return new HeadersTimeoutError(`No complete response head within ${headersTimeout} ms`)
}
