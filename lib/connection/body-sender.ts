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

/** Receives the events of a {@link BodySender}. */
export interface BodySenderListener {
  /** The sender requests a chunk from the body source, or has passed one to the socket writer. */
  onBodyProgress(): void
  onBodySent(): void
  onBodyError(error: Error): void
}

const LAST_CHUNK = '0\r\n\r\n'
const TRANSFER_ENCODING_FIELD = '\r\ntransfer-encoding: chunked\r\n'
/** Bytes sent per event-loop turn. More would starve other connections if source and peer are both fast. */
const BYTES_PER_TICK = 1024 * 1024
/** Minimum cost of a chunk in bytes, so that many tiny chunks use up {@link BYTES_PER_TICK} too. */
const MIN_CHUNK_COST = 4096

/**
 * Sends a streamed request body at the pace of the socket. The memory of a chunk can be reused as soon as the source is
 * read again or `onBodySent` is called: by then the bytes have been copied or passed to the operating system.
 */
export class BodySender implements SentListener, BodyStreamListener {
  readonly exchange: Exchange
  readonly #socketWriter: SocketWriter
  readonly #listener: BodySenderListener
  readonly #strict: boolean
  /** `null` for an iterable body. */
  readonly #stream: BodyStream | null
  /** Chunk that the socket reads from the source's memory, without a copy. */
  #zeroCopyChunk: Uint8Array | null = null
  /** Request head, sent with the first chunk or when the source ends without one. */
  #unsentHead: string
  /** Last byte of a body with `content-length`. It is sent only when the source has ended. */
  #lastByte: Uint8Array | null = null
  #sentBytes = 0
  #tickBudget = BYTES_PER_TICK
  #yielding = false
  #stopped = false
  #resumeIteration: (() => void) | null = null
  /** Iterator to close when sending stops early. */
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

  /** Whether the number of bytes sent matches `content-length`. */
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

  /** Continues after the socket has drained. */
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

  /** Stops sending and closes the source. */
  stop(error?: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stream?.stop(error)
    this.#iterator?.return?.().catch(() => {})
    this.#resumeIterating()
  }

  onChunk(chunk: unknown): boolean {
    if (this.#stopped) return false
    try {
      this.#send(chunk, false)
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

  /**
   * Reports an error of the caller's source. It is marked as caller-owned because other requests may fail with it too.
   */
  onSourceError(error: Error): void {
    markCallerFault(error)
    this.#fail(markCallerOwned(error))
  }

  /** Fails the request: with sluice's own error, or with the error that reading the caller's chunk threw. */
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
    const chunks = body.kind === 'bytes' ? [body.bytes] : body.iterable
    markIteratorRead(chunks)
    try {
      this.#iterator = closableIterator(chunks)
      for await (const chunk of this.#iterator ?? chunks) {
        if (this.#stopped) return
        if (!this.#sendChunkOf(chunk)) return
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

  /** Sends one chunk of an iterable. Returns `false` if it failed. */
  #sendChunkOf(chunk: unknown): boolean {
    try {
      if (!this.exchange.request.bodyIntact) throw new RequestContentLengthMismatchError(BODY_CHANGED)
      // An aborted request that waits behind another one outlives its caller, so its memory is copied.
      this.#send(chunk, this.exchange.previous === null)
      return true
    } catch (error) {
      this.#onSendError(error)
      return false
    }
  }

  /** Whether the source must not be read now. */
  get #mustWait(): boolean {
    return this.#stopped || this.#yielding || this.#socketWriter.readsCallerMemory || this.#socketWriter.congested
  }

  /** Pauses sending until the next event-loop turn. */
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

  /** Sends `chunk`. With `zeroCopy`, the source is not read again before the socket has taken this chunk. */
  #send(chunk: unknown, zeroCopy: boolean): void {
    const { framing, contentLength } = this.exchange.request.head
    const given = toBytes(chunk)
    const left = framing === 'chunked' ? given.length : Math.max(0, contentLength - this.#sentBytes)
    this.#sentBytes += given.length
    this.#tickBudget -= Math.max(given.length, MIN_CHUNK_COST)
    if (given.length > left) {
      if (this.#strict) this.#reportMismatch()
      this.#sendUnsentHead()
    }
    // Excess bytes would be read as another request, and an empty chunk would end a chunked body.
    const bytes = given.length > left ? given.subarray(0, left) : given
    if (bytes.length > 0) {
      this.#sendUnsentHead()
      if (framing === 'chunked') this.#socketWriter.appendLatin1(`${bytes.length.toString(16)}\r\n`)
      const part = this.#strict && framing === 'length' && bytes.length === left ? this.#withoutLastByte(bytes) : bytes
      if (typeof chunk === 'string') this.#socketWriter.appendImmutable(part)
      else if (zeroCopy && this.#socketWriter.canSendUncopied(part)) this.#sendZeroCopy(bytes, part)
      else this.#socketWriter.appendCopy(part)
      if (framing === 'chunked') this.#socketWriter.appendLatin1('\r\n')
      if (this.#zeroCopyChunk === null) this.exchange.onBodySent(bytes)
    }
    // Without the flush the socket would not emit `drain`.
    if (this.#socketWriter.congested) this.#socketWriter.flush()
    this.#listener.onBodyProgress()
  }

  #sendZeroCopy(bytes: Uint8Array, part: Uint8Array): void {
    this.#zeroCopyChunk = bytes
    this.#socketWriter.appendUncopied(part, this)
  }

  /**
   * Holds back the last byte: a server that has the complete body executes the request, even if the source then fails
   * or yields more.
   */
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
