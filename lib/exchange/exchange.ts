import type { Duplex } from 'node:stream'
import { queueMicrotask } from '../base/clock.js'
import type { Queue, QueueNode } from '../base/queue.js'
import { reportUncaught } from '../base/user-code.js'
import {
  addErrorContext,
  type ErrorContext,
  markCallerOwned,
  nonNullError,
  type Phase,
  RequestContentLengthMismatchError,
} from '../errors.js'
import { BODY_CHANGED } from '../transport/socket-writer.js'
import { CHUNK_MEMORY, type ChunkMemory } from '../wire/chunk-memory.js'
import { headersToObject } from '../wire/headers.js'
import type { ResponseHead } from '../wire/response-head.js'
import { abortReasonOf, destroyedErrorOf, toError } from './abort-errors.js'
import { BodyStream } from './body-stream.js'
import { Controller } from './controller.js'
import { Deadlines } from './deadlines.js'
import type { DispatchController, DispatchHandler, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'
import {
  type DiagnosticsRequest,
  publishBodyChunkReceived,
  publishBodyChunkSent,
  publishBodySent,
  publishCreate,
  publishError,
  publishHeaders,
  publishTrailers,
} from './publish-diagnostics.js'
import type { Request } from './request.js'
import type { RequestTimings, TimedConnection } from './request-timings.js'
import { passError } from './thrown-errors.js'
import { ZeroCopyHandler } from './zero-copy-handler.js'

/** Current owner of an exchange: the queue that holds it, or the connection that sends it. */
export interface ExchangeOwner extends TimedConnection {
  onExchangeAborted(exchange: Exchange): void
  onExchangePaused(exchange: Exchange): void
  onExchangeResumed(exchange: Exchange): void
  /** A handler threw in its last callback. */
  onHandlerError(error: unknown): void
}

/**
 * One request with its response, from dispatch to completion or failure. Only this class calls handlers of users: an
 * error that a handler throws fails only its own request.
 */
export class Exchange implements QueueNode<Exchange> {
  previous: Exchange | null = null
  next: Exchange | null = null
  queue: Queue<Exchange> | null = null

  request: Request
  owner: ExchangeOwner | null = null
  /** Whether the last callback (`onResponseEnd`, `onRequestUpgrade` or `onResponseError`) was called. */
  done = false
  /** Whether the first byte of the response was received. */
  responseStarted = false
  /** Whether the final response headers were received. */
  headersReceived = false
  paused = false
  /** How often the request was sent again because a connection closed. */
  replays = 0
  /** Whether the body source was read. */
  bodyStarted = false
  /** Whether the caller was notified that the body was sent, and may have overwritten it. */
  bodyReleased = false
  /** Whether the request left the queue for a connection. */
  sent = false
  /** Whether the whole request was written to its connection. */
  written = false
  /** Whether its connection had sent another request before. */
  reused = false
  /** Position in the connection's output at which the request begins. */
  outputStart = 0
  /** Number of its bytes that the socket had taken when the connection closed. */
  bytesWritten = 0
  rawTrailers: string[] | null = null
  /** The request as subscribers of diagnostics channels see it. */
  diagnostics: DiagnosticsRequest | null = null
  /** Enforces the time limits of this request that the connection does not; `null` without such limits. */
  readonly deadlines: Deadlines | null
  readonly timings: RequestTimings | null
  /** `undefined` unless the request was aborted. */
  #reason: unknown = undefined
  #lastHead: ResponseHead | null = null
  #rawHeaders: string[] | null = null
  /** Trailers of a response that completed while the handler had it paused. */
  #pendingTrailers: string[] | null = null
  #notifiesQueued: boolean
  readonly #handler: DispatchHandler
  /** The handler, if it is one of sluice's own; set when the response headers are received. */
  #zeroCopy: ZeroCopyHandler | null = null
  readonly #controller: DispatchController

  constructor(request: Request, handler: DispatchHandler | LegacyDispatchHandler) {
    this.request = request
    this.#handler = adaptHandler(handler, request.upgrade !== null)
    this.#controller = new Controller(this)
    this.#notifiesQueued = this.#handler.onRequestQueued !== undefined
    this.timings = request.timings
    if (request.body?.kind === 'stream') {
      BodyStream.of(request.body.stream).claim(this)
    }
    // Last, because the code above may throw: no alarm must remain for a rejected request.
    this.deadlines = request.limits === null ? null : new Deadlines(this, request.limits)
    publishCreate(this)
  }

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  /** Abort reason as the caller gave it; `null` if the request was not aborted. */
  get reason(): Error | null {
    return (this.#reason ?? null) as Error | null
  }

  /** Abort reason as an Error, for the connection and its streams. */
  get abortError(): Error {
    return toError(this.#reason)
  }

  /** Headers received last: name, value, name, value, … A copy, because responses can share the list. */
  get rawHeaders(): string[] | null {
    if (this.#lastHead !== null) {
      this.#rawHeaders = this.#lastHead.rawHeaders.slice()
      this.#lastHead = null
    }
    return this.#rawHeaders
  }

  /** Whether {@link onQueued} has still to notify the handler. */
  get notifiesQueued(): boolean {
    return this.#notifiesQueued
  }

  /** Chooses the kind of memory in which {@link onData} receives the body. */
  chooseChunks(): ChunkMemory {
    this.#zeroCopy = ZeroCopyHandler.isZeroCopy(this.#handler) ? this.#handler : null
    if (this.#zeroCopy !== null) return CHUNK_MEMORY.cheapest
    if (this.done) return CHUNK_MEMORY.view
    try {
      return this.#handler.borrowsChunks === true ? CHUNK_MEMORY.view : CHUNK_MEMORY.copy
    } catch (error) {
      this.#onHandlerThrew(error)
      return CHUNK_MEMORY.view
    }
  }

  /** Whether body data is best read into memory of its own, given the `chunks` that {@link chooseChunks} returned. */
  keepsChunks(chunks: ChunkMemory): boolean {
    if (this.done || chunks === CHUNK_MEMORY.view) return false
    return this.#zeroCopy === null || this.#zeroCopy.keepsChunks
  }

  /**
   * Notifies the handler that a queue has accepted the request. Only the first call does: a pool passes the request on
   * to the queue of a client.
   */
  onQueued(): void {
    if (!this.#notifiesQueued) return
    this.#notifiesQueued = false
    try {
      this.#handler.onRequestQueued?.(this.#controller)
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  start(): void {
    // The request may have been aborted by a handler that dispatched another one, before its queue was notified.
    if (this.done) return
    this.deadlines?.onSent()
    this.timings?.recordConnection(this.owner as ExchangeOwner, this.reused)
    this.failIfBodyChanged()
    if (this.done) return
    try {
      this.#handler.onRequestStart?.(this.#controller, null)
    } catch (error) {
      this.#onHandlerThrew(error)
    }
    this.failIfBodyChanged()
  }

  /** Fails the request before it is written if the caller has transferred or resized the memory of its body. */
  failIfBodyChanged(): void {
    if (!this.request.bodyIntact) this.#abortWith(new RequestContentLengthMismatchError(BODY_CHANGED))
  }

  onResponseBegin(): void {
    this.responseStarted = true
    this.timings?.record('firstByte')
    if (this.done) return
    try {
      this.#handler.onResponseStarted?.()
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  onInformational(head: ResponseHead): void {
    this.#notifyHeaders(head)
  }

  onHeaders(head: ResponseHead): void {
    this.headersReceived = true
    this.#lastHead = head
    this.#notifyHeaders(head)
  }

  /** Receives a chunk of the response body. `view`: its memory is reused after the call. */
  onData(chunk: Buffer, view: boolean): void {
    publishBodyChunkReceived(this, chunk)
    if (this.done) return
    try {
      if (view && this.#zeroCopy !== null) this.#zeroCopy.onZeroCopyData(chunk)
      else this.#handler.onResponseData?.(this.#controller, chunk)
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  onEnd(trailers: string[]): void {
    if (this.done) return
    if (this.paused) {
      this.#pendingTrailers = trailers
      return
    }
    this.#setDone()
    this.rawTrailers = trailers
    publishTrailers(this, trailers)
    try {
      this.#handler.onResponseEnd?.(this.#controller, headersToObject(trailers))
    } catch (error) {
      this.#notifyError(markCallerOwned(error) as Error, true)
    }
  }

  onUpgrade(head: ResponseHead, socket: Duplex): void {
    if (this.done) return
    this.#setDone()
    this.#lastHead = head
    publishHeaders(this, head)
    try {
      this.#handler.onRequestUpgrade?.(this.#controller, head.statusCode, head.headers(), socket)
    } catch (error) {
      // Without an error: the handler receives it, and the socket may have no listener for it.
      socket.destroy()
      return this.#notifyError(markCallerOwned(error) as Error, true)
    }
    publishTrailers(this, [])
  }

  /** Notifies the handler that the memory of `chunk` is no longer read. */
  onBodySent(chunk: Uint8Array): void {
    publishBodyChunkSent(this, chunk)
    if (this.done || this.#handler.onBodySent === undefined) return
    this.#releaseBody()
    try {
      this.#handler.onBodySent(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  onRequestSent(): void {
    publishBodySent(this)
    this.written = true
    if (this.done) return
    this.timings?.record('sent')
    if (this.#handler.onRequestSent === undefined) return
    this.#releaseBody()
    try {
      this.#handler.onRequestSent()
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  /** Fails the request, once. `context` is added to the error, unless it is the caller's. */
  fail(error: Error, context: ErrorContext): void {
    if (this.done) return
    this.#setDone()
    this.#notifyError(this.#addContext(error, context), false)
  }

  /** Fails the request because its dispatcher was destroyed. */
  failDestroyed(error: Error, context: ErrorContext): void {
    this.fail(destroyedErrorOf(error), context)
  }

  /** How far the request has come, for errors. */
  get phase(): Phase {
    if (!this.sent) return this.deadlines?.connecting === true ? 'connect' : 'queued'
    if (this.headersReceived) return 'body'
    if (this.responseStarted) return 'headers'
    return this.written ? 'wait' : 'send'
  }

  /** Aborts the request for its caller. The handler receives the caller's reason unchanged. */
  abort(reason: unknown): void {
    this.#abortWith(abortReasonOf(reason))
  }

  /** Handles a body stream that failed before it was sent. */
  onBodyFailed(error: Error): void {
    this.#abortWith(markCallerOwned(error))
  }

  /** Fails the request because one of its time limits has passed. */
  expire(error: Error): void {
    this.#abortWith(error)
  }

  /** `thrown`: whether the handler threw the reason. */
  #abortWith(reason: unknown, thrown = false): void {
    if (this.done || this.aborted) return
    this.#reason = reason
    const error = this.#addContext(reason as Error, { phase: this.phase })
    this.#setDone()
    try {
      // The owner first: its statistics must be correct when the handler reads them.
      this.owner?.onExchangeAborted(this)
    } finally {
      this.#notifyError(error, thrown)
    }
  }

  pause(): void {
    if (this.paused || this.done) return
    this.paused = true
    this.owner?.onExchangePaused(this)
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    const trailers = this.#pendingTrailers
    // The connection has moved on to the next request: only the handler is notified.
    if (trailers !== null) queueMicrotask(() => this.onEnd(trailers))
    else if (!this.done) this.owner?.onExchangeResumed(this)
  }

  #notifyHeaders(head: ResponseHead): void {
    if (!this.done) publishHeaders(this, head)
    if (this.done || this.#handler.onResponseStart === undefined) return
    const headers = head.headers()
    if (head.informational) this.#lastHead = head
    try {
      this.#handler.onResponseStart(this.#controller, head.statusCode, headers, head.statusText)
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  #releaseBody(): void {
    if (!this.request.copyBodyForReplay()) this.bodyReleased = true
  }

  #setDone(): void {
    this.done = true
    this.deadlines?.stop()
    this.timings?.record('end')
  }

  #addContext(error: Error, context: ErrorContext): Error {
    const { origin, method, path } = this.request
    const timings = this.timings?.values
    return addErrorContext(error, { ...context, ...(timings === undefined ? {} : { timings }), origin, method, path })
  }

  #notifyError(given: Error, thrown: boolean): void {
    const error = nonNullError(given)
    publishError(this, toError(error))
    try {
      passError(error, thrown, () => this.#handler.onResponseError?.(this.#controller, error))
    } catch (problem) {
      this.#onHandlerThrew(problem)
    }
  }

  /** Handles an error that the handler threw, perhaps after it aborted the request. */
  #onHandlerThrew(error: unknown): void {
    if (!this.done) this.#abortWith(abortReasonOf(error), true)
    else if (this.owner === null) reportUncaught(error)
    else this.owner.onHandlerError(error)
  }
}
