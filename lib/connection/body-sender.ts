import { setImmediate } from '../base/clock.js'
import { faultOf, markCallerFault } from '../errors/faults.js'
import { markCallerOwned, RequestContentLengthMismatchError } from '../errors.js'
import { toBytes } from '../exchange/body-chunks.js'
import { BodyStream, type BodyStreamListener } from '../exchange/body-stream.js'
import type { Exchange } from '../exchange/exchange.js'
import { closableIterator, markIteratorRead } from '../exchange/owned-iterator.js'
import type { RequestBody } from '../exchange/request-body.js'
import { BODY_CHANGED, type SentListener, type SocketWriter } from '../transport/socket-writer.js'
import { reportLengthMismatch } from '../wire/framing.js'

export interface BodySenderListener {
  /** A piece is asked for, or was handed over. */
  onBodyProgress(): void
  onBodySent(): void
  onBodyError(error: Error): void
}

const LAST_CHUNK = '0\r\n\r\n'
const TRANSFER_ENCODING_FIELD = '\r\ntransfer-encoding: chunked\r\n'
/** What is sent in one go, in bytes: a source that always has more, and a peer that takes it, share the loop. */
const BYTES_PER_TICK = 1024 * 1024
/** What a piece counts for at least, in bytes. */
const MIN_CHUNK_COST = 4096

/**
 * Sends a body that comes in pieces, at the pace of the socket. The bytes of a piece are copied or with the system when
 * its source is asked for the next one, and when `onBodySent` is called: its memory may be used again.
 */
export class BodySender implements SentListener, BodyStreamListener {
  readonly exchange: Exchange
  readonly #socketWriter: SocketWriter
  readonly #listener: BodySenderListener
  readonly #strict: boolean
  /** null for an iterable. */
  readonly #stream: BodyStream | null
  /** The piece that the socket reads where it is. */
  #zeroCopyChunk: Uint8Array | null = null
  /** Sent with the first bytes, or once the source has ended without any. */
  #unsentHead: string
  /** The last byte that `content-length` announces: sent once the source has ended. */
  #lastByte: Uint8Array | null = null
  #sentBytes = 0
  #tickBudget = BYTES_PER_TICK
  #yielding = false
  #stopped = false
  #resumeIteration: (() => void) | null = null
  /** What is closed when nothing more is to be sent. */
  #iterator: AsyncIterableIterator<unknown> | null = null

  constructor(part: {
    exchange: Exchange
    socketWriter: SocketWriter
    listener: BodySenderListener
    strict: boolean
    head: string
  }) {
    this.exchange = part.exchange
    this.#socketWriter = part.socketWriter
    this.#listener = part.listener
    this.#strict = part.strict
    this.#unsentHead = part.head
    const { body } = part.exchange.request
    this.#stream = body?.kind === 'stream' ? BodyStream.of(body.stream) : null
  }

  /** As many bytes went out as `content-length` says. */
  get matchesContentLength(): boolean {
    const { framing, contentLength } = this.exchange.request.head
    return framing === 'chunked' || this.#sentBytes === contentLength
  }

  start(): void {
    this.exchange.bodyStarted = true
    this.#listener.onBodyProgress()
    if (this.#stream !== null) this.#stream.start(this)
    else void this.#iterate()
  }

  /** The socket takes more. */
  resume(): void {
    if (this.#socketWriter.congested || this.#yielding) return
    this.#stream?.resume()
    this.#resumeIterating()
  }

  onSent(): void {
    const bytes = this.#zeroCopyChunk
    this.#zeroCopyChunk = null
    if (bytes !== null) this.exchange.onBodySent(bytes)
    this.#resumeIterating()
  }

  /** Sends nothing more, and lets the source know. */
  stop(error?: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stream?.stop(error)
    this.#iterator?.return?.().catch(() => {})
    this.#resumeIterating()
  }

  onChunk(piece: unknown): boolean {
    if (this.#stopped) return false
    try {
      this.#send(piece, false)
    } catch (error) {
      this.#onSendError(error)
    }
    if (this.#tickBudget <= 0) this.#yieldTick()
    return !this.#mustWait
  }

  onSourceEnd(): void {
    try {
      if (!this.#stopped) this.#complete()
    } catch (error) {
      this.#onSendError(error)
    }
  }

  /** The error is the caller's, of whatever class: other requests may fail with it too. */
  onSourceError(error: Error): void {
    markCallerFault(error)
    this.#fail(markCallerOwned(error))
  }

  /** Sending threw: an error of its own for this request, or what a piece of the caller's threw when it was read. */
  #onSendError(error: unknown): void {
    if (faultOf(error) === 'user') this.#fail(error as Error)
    else this.onSourceError(error as Error)
  }

  #fail(error: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stream?.stop(error)
    this.#listener.onBodyError(error)
  }

  async #iterate(): Promise<void> {
    const body = this.exchange.request.body as Exclude<RequestBody, { kind: 'stream' }>
    const pieces = body.kind === 'bytes' ? [body.bytes] : body.iterable
    markIteratorRead(pieces)
    try {
      this.#iterator = closableIterator(pieces)
      for await (const piece of this.#iterator ?? pieces) {
        if (this.#stopped) return
        if (!this.#sendChunkOf(piece)) return
        if (this.#tickBudget <= 0) this.#yieldTick()
        while (this.#mustWait && !this.#stopped) await this.#untilResumed()
        if (this.#stopped) return
      }
      this.#iterator = null
      this.onSourceEnd()
    } catch (error) {
      this.#iterator = null
      this.onSourceError(error as Error)
    }
  }

  /** Returns false if the piece can not be sent. */
  #sendChunkOf(piece: unknown): boolean {
    try {
      if (!this.exchange.request.bodyIntact) throw new RequestContentLengthMismatchError(BODY_CHANGED)
      // Aborted behind another request it lives on without its caller.
      this.#send(piece, this.exchange.previous === null)
      return true
    } catch (error) {
      this.#onSendError(error)
      return false
    }
  }

  /** Whether the source must not be asked for another piece now. */
  get #mustWait(): boolean {
    return this.#stopped || this.#yielding || this.#socketWriter.readsCallerMemory || this.#socketWriter.congested
  }

  /** For one turn of the event loop. */
  #yieldTick(): void {
    if (this.#yielding) return
    this.#yielding = true
    setImmediate(() => {
      this.#yielding = false
      this.#tickBudget = BYTES_PER_TICK
      this.resume()
    })
  }

  #untilResumed(): Promise<void> {
    return new Promise((resolve) => {
      this.#resumeIteration = resolve
    })
  }

  #resumeIterating(): void {
    const wake = this.#resumeIteration
    this.#resumeIteration = null
    wake?.()
  }

  /** `mayLend`: the source is not asked for another piece before the socket has taken this one. */
  #send(piece: unknown, mayLend: boolean): void {
    const { framing, contentLength } = this.exchange.request.head
    const given = toBytes(piece)
    const left = framing === 'chunked' ? given.length : Math.max(0, contentLength - this.#sentBytes)
    this.#sentBytes += given.length
    this.#tickBudget -= Math.max(given.length, MIN_CHUNK_COST)
    if (given.length > left) {
      if (this.#strict) this.#reportMismatch()
      this.#sendUnsentHead()
    }
    // More than announced would read as another request; a chunk of no bytes would end a chunked body.
    const bytes = given.length > left ? given.subarray(0, left) : given
    if (bytes.length > 0) {
      this.#sendUnsentHead()
      if (framing === 'chunked') this.#socketWriter.appendLatin1(`${bytes.length.toString(16)}\r\n`)
      const part = this.#strict && framing === 'length' && bytes.length === left ? this.#withoutLastByte(bytes) : bytes
      if (typeof piece === 'string') this.#socketWriter.appendImmutable(part)
      else if (mayLend && this.#socketWriter.canSendUncopied(part)) this.#sendZeroCopy(bytes, part)
      else this.#socketWriter.appendCopy(part)
      if (framing === 'chunked') this.#socketWriter.appendLatin1('\r\n')
      if (this.#zeroCopyChunk === null) this.exchange.onBodySent(bytes)
    }
    // A socket that takes more than that at once does not tell when it drained.
    if (this.#socketWriter.congested) this.#socketWriter.flush()
    this.#listener.onBodyProgress()
  }

  #sendZeroCopy(bytes: Uint8Array, part: Uint8Array): void {
    this.#zeroCopyChunk = bytes
    this.#socketWriter.appendUncopied(part, this)
  }

  /** All but the last byte: a server would execute the whole request although its source then has more, or fails. */
  #withoutLastByte(bytes: Uint8Array): Uint8Array {
    this.#lastByte = bytes.slice(-1)
    return bytes.subarray(0, -1)
  }

  #sendUnsentHead(): void {
    if (this.#unsentHead !== '') this.#socketWriter.appendLatin1(this.#unsentHead)
    this.#unsentHead = ''
  }

  #complete(): void {
    if (!this.matchesContentLength) this.#reportMismatch()
    const chunked = this.exchange.request.head.framing === 'chunked'
    if (chunked && this.#unsentHead !== '') this.#unsentHead = this.#unsentHead.replace(TRANSFER_ENCODING_FIELD, '\r\n')
    else if (chunked) this.#socketWriter.appendLatin1(LAST_CHUNK)
    this.#sendUnsentHead()
    if (this.#lastByte !== null) this.#socketWriter.appendImmutable(this.#lastByte)
    this.#stopped = true
    this.#listener.onBodySent()
  }

  #reportMismatch(): void {
    const { contentLength } = this.exchange.request.head
    const length = this.#sentBytes > contentLength ? `at least ${this.#sentBytes}` : `only ${this.#sentBytes}`
    reportLengthMismatch(`Request body has ${length} bytes, but content-length is ${contentLength}`, this.#strict)
  }
}
