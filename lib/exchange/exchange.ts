import type { Duplex } from 'node:stream'
import { queueMicrotask } from '../base/clock.js'
import type { Queue, QueueNode } from '../base/queue.js'
import { reportUncaught } from '../base/user-code.js'
import { isErrorLike } from '../errors/safe-read.js'
import {
  addErrorContext,
  type ErrorContext,
  markCallerOwned,
  nonNullError,
  type Phase,
  RequestAbortedError,
  RequestContentLengthMismatchError,
} from '../errors.js'
import { BODY_CHANGED } from '../transport/socket-writer.js'
import { CHUNK_MEMORY, type ChunkMemory } from '../wire/chunk-memory.js'
import { headersToObject } from '../wire/headers.js'
import type { ResponseHead } from '../wire/response-head.js'
import { abortReasonOf, destroyedErrorOf } from './abort-errors.js'
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
import { ZeroCopyHandler } from './zero-copy-handler.js'

/** Whoever holds an exchange just now: a queue's owner, or the connection that carries it. */
export interface ExchangeOwner extends TimedConnection {
  onExchangeAborted(exchange: Exchange): void
  onExchangePaused(exchange: Exchange): void
  onExchangeResumed(exchange: Exchange): void
  /** A handler threw in its last callback. */
  onHandlerError(error: unknown): void
}

/**
 * One request with its response, from dispatch to its one end. The only place that calls a user's handler: what a
 * handler throws ends its own request and nothing else.
 */
export class Exchange implements QueueNode<Exchange> {
  previous: Exchange | null = null
  next: Exchange | null = null
  queue: Queue<Exchange> | null = null

  request: Request
  owner: ExchangeOwner | null = null
  /** The handler heard its end or its error. */
  done = false
  /** The first byte of the response came. */
  responseStarted = false
  /** The final head came. */
  headersReceived = false
  paused = false
  /** How often a connection failed under it before it was sent again. */
  replays = 0
  /** Its body was read from. */
  bodyStarted = false
  /** The caller was told that the body was sent, and may have written over it. */
  bodyReleased = false
  /** It left the queue for a connection. */
  sent = false
  /** The connection had carried another request before. */
  reused = false
  /** Position in the connection's output at which the request begins. */
  outputStart = 0
  /** Bytes of it that the socket had taken when its connection ended. */
  bytesWritten = 0
  rawTrailers: string[] | null = null
  /** What subscribers of diagnostics know it by. */
  diagnostics: DiagnosticsRequest | null = null
  /** Watches over limits of this request alone; null when it has none. */
  readonly deadlines: Deadlines | null
  readonly timings: RequestTimings | null
  /** Undefined when it was not aborted. */
  #reason: unknown = undefined
  #lastHead: ResponseHead | null = null
  #rawHeaders: string[] | null = null
  /** Trailers of a response that ended while the handler had it paused. */
  #pendingTrailers: string[] | null = null
  #notifiesQueued: boolean
  readonly #handler: DispatchHandler
  /** The same, if it is the library's own; known when the response headers have come. */
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
    // Behind all that may throw: a request that is refused has no alarm left.
    this.deadlines = request.limits === null ? null : new Deadlines(this, request.limits)
    publishCreate(this)
  }

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  /** What it was aborted with, in the form that the caller gave; null when it was not. */
  get reason(): Error | null {
    return (this.#reason ?? null) as Error | null
  }

  /** The same as an Error, for the connection and its streams. */
  get abortError(): Error {
    return toError(this.#reason)
  }

  /** Fields of the head that came last, as sent. The head may be another response's too: its list is not handed out. */
  get rawHeaders(): string[] | null {
    if (this.#lastHead !== null) {
      this.#rawHeaders = this.#lastHead.rawHeaders.slice()
      this.#lastHead = null
    }
    return this.#rawHeaders
  }

  /** Whether the handler is still to be notified by {@link onQueued}. */
  get notifiesQueued(): boolean {
    return this.#notifiesQueued
  }

  /** Decides what {@link onData} takes of the body that follows. */
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

  /** Whether what is to come is best read into memory of its own, when {@link chooseChunks} chose `chunks`. */
  keepsChunks(chunks: ChunkMemory): boolean {
    if (this.done || chunks === CHUNK_MEMORY.view) return false
    return this.#zeroCopy === null || this.#zeroCopy.keepsChunks
  }

  /** A queue accepted it. Notifies the handler the first time: from a pool it goes on to the queue of a client. */
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
    // Given up while it waited, by one who sent another before the queue had heard of it.
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

  /** Fails it, before it is written, when a caller has transferred or resized the memory of its body. */
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

  /** `view`: the memory of `chunk` is used again when this returns. */
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
      this.#notifyError(markCallerOwned(error) as Error)
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
      // Without the error: the handler gets that, and the socket may have no listener for it.
      socket.destroy()
      return this.#notifyError(markCallerOwned(error) as Error)
    }
    publishTrailers(this, [])
  }

  /** The memory of `piece` is not read any more. */
  onBodySent(piece: Uint8Array): void {
    publishBodyChunkSent(this, piece)
    if (this.done || this.#handler.onBodySent === undefined) return
    this.#releaseBody()
    try {
      this.#handler.onBodySent(Buffer.from(piece.buffer, piece.byteOffset, piece.length))
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  onRequestSent(): void {
    publishBodySent(this)
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

  /** Ends it with an error, once. `context` is written on the error unless the error is the caller's. */
  fail(error: Error, context: ErrorContext): void {
    if (this.done) return
    this.#setDone()
    this.#notifyError(this.#addContext(error, context))
  }

  /** Fails it because its dispatcher was destroyed. */
  failDestroyed(error: Error, context: ErrorContext): void {
    this.fail(destroyedErrorOf(error), context)
  }

  /** How far it has come, for errors. */
  get phase(): Phase {
    if (!this.sent) return this.deadlines?.connecting === true ? 'connect' : 'queued'
    if (this.headersReceived) return 'body'
    return this.responseStarted ? 'headers' : 'send'
  }

  /** Ends it for its caller. A reason that the caller gave reaches the handler as it is. */
  abort(reason: unknown): void {
    this.#abortWith(abortReasonOf(reason))
  }

  /** The stream that is its body failed before it was sent. */
  onBodyFailed(error: Error): void {
    this.#abortWith(markCallerOwned(error))
  }

  /** Ends it because a time limit of this request passed. */
  expire(error: Error): void {
    this.#abortWith(error)
  }

  #abortWith(reason: unknown): void {
    if (this.done || this.aborted) return
    this.#reason = reason
    const error = this.#addContext(reason as Error, { phase: this.phase })
    this.#setDone()
    try {
      // First: the statistics that the handler may read are right then.
      this.owner?.onExchangeAborted(this)
    } finally {
      this.#notifyError(error)
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
    const held = this.#pendingTrailers
    // Its connection is long at the next: only the handler is kept waiting.
    if (held !== null) queueMicrotask(() => this.onEnd(held))
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

  #notifyError(given: Error): void {
    const error = nonNullError(given)
    publishError(this, toError(error))
    try {
      this.#handler.onResponseError?.(this.#controller, error)
    } catch (thrown) {
      this.#onHandlerThrew(thrown)
    }
  }

  /** The handler may have aborted it before it threw. */
  #onHandlerThrew(error: unknown): void {
    if (!this.done) this.abort(error)
    else if (this.owner === null) reportUncaught(error)
    else this.owner.onHandlerError(error)
  }
}

function toError(value: unknown): Error {
  // An abort reason may be a DOMException of another realm, or anything else the caller chose.
  return isErrorLike(value) ? value : new RequestAbortedError(undefined, { cause: value })
}
