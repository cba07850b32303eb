import { ResponseContentLengthMismatchError } from '../errors.js'
import { type BufferedBody, passChunk, passDecodedChunks } from './body-chunks.js'
import { ChunkLimits } from './chunk-limits.js'
import { CHUNK_MEMORY, type ChunkMemory } from './chunk-memory.js'
import { type Engine, OK, PAUSED } from './engine.js'
import type { SavedRecord } from './field-record.js'
import { defaultLimits, headersOverflow, type ParserLimits, type ParserOptions } from './parser-limits.js'
import { type ParserListener, REQUEST_KIND, type RequestKind } from './parser-listener.js'
import { RepeatedHeadCache } from './repeated-head-cache.js'
import { checkStatusLine, checkTransferEncoding, parserError, ResponseHead, sliceFields } from './response-head.js'

export { type ParserListener, REQUEST_KIND, type RequestKind }

const START = 0
const HEAD = 1
const LENGTH = 2
const CHUNKED = 3
const UNTIL_CLOSE = 4
const TUNNEL = 5
const ENDED = 6
type Stage = 0 | 1 | 2 | 3 | 4 | 5 | 6

const H = 0x48
const CR = 0x0d
const LF = 0x0a

/** Maximum bytes of line ends skipped before a response. */
const MAX_LINE_END_BYTES = 16

/** Parses the responses of one connection. */
export class Parser implements BufferedBody {
  readonly engine: Engine
  readonly listener: ParserListener
  /** Memory in which the chunks of the current body are passed on. */
  chunkMemory: ChunkMemory = CHUNK_MEMORY.copy
  readonly #limits: ParserLimits
  /** Created for the first chunked body. */
  #chunkLimits: ChunkLimits | null = null
  #handle: number
  #stage: Stage = START
  #requestKind: RequestKind = REQUEST_KIND.none
  #position = 0
  #end = 0
  /** Part of the current section that earlier reads received, and the fields found in it. */
  #partialSection = ''
  #savedRecord: SavedRecord | null = null
  #remaining = 0
  #informationalCount = 0
  /** Bytes of line ends skipped before the next response. */
  #lineEndBytes = 0
  #reusable = false
  #paused = false
  readonly #headCache: RepeatedHeadCache

  constructor(engine: Engine, listener: ParserListener, options: ParserOptions = defaultLimits) {
    this.listener = listener
    this.#limits = options
    this.#headCache = options.heads ?? new RepeatedHeadCache()
    this.engine = engine
    this.#handle = this.engine.allocate()
  }

  /** Whether the connection became a tunnel, so that its bytes are not HTTP. */
  get tunnelled(): boolean {
    return this.#stage === TUNNEL
  }

  /** Number of body bytes to come that need no parsing and can be passed to {@link feedBody}. */
  get unparsedBytes(): number {
    if (this.#stage === UNTIL_CLOSE) return Number.POSITIVE_INFINITY
    return this.#stage === LENGTH ? this.#remaining : 0
  }

  /** Stops {@link feed} after the current callback, and after the end of the message if that follows at once. */
  pause(): void {
    this.#paused = true
  }

  /** Reverts {@link pause}. The caller must call {@link feed} with the remaining bytes. */
  resume(): void {
    this.#paused = false
  }

  /** Frees the parser state. No method may be called after it. */
  release(): void {
    this.#paused = true
    this.#stage = ENDED
    if (this.#handle !== 0) this.engine.release(this.#handle)
    this.#handle = 0
  }

  /**
   * Parses `input[start..end)` and returns the position where it stopped: `end`, or less if the listener paused the parser
   * or the connection became a tunnel.
   * @throws {HTTPParserError | HeadersOverflowError} the bytes are not an acceptable response
   */
  feed(start: number, end: number): number {
    this.#position = start
    this.#end = end
    while (this.#position < end && !this.#paused) {
      switch (this.#stage) {
        case START:
          this.#beginMessage()
          break
        case HEAD:
          this.#readHead(end)
          break
        case LENGTH:
          this.#readLength(end)
          break
        case CHUNKED:
          this.#readChunks(end)
          break
        case UNTIL_CLOSE:
          this.#passBody(this.#position, end)
          break
        default:
          return this.#position
      }
    }
    return this.#position
  }

  /**
   * Handles the end of the connection.
   * @throws {HTTPParserError | ResponseContentLengthMismatchError} it ended within a response
   */
  finish(): void {
    switch (this.#stage) {
      case HEAD:
        throw parserError('INVALID_EOF_STATE', 'the connection ended within the response headers')
      case LENGTH:
        throw new ResponseContentLengthMismatchError(
          `The connection ended ${this.#remaining} bytes before the end of the response body`,
        )
      case CHUNKED:
        throw parserError('INVALID_EOF_STATE', 'the connection ended within a chunked body')
      case UNTIL_CLOSE:
        this.#endMessage([])
    }
  }

  /** Passes on body bytes, at most {@link unparsedBytes}. The listener owns their memory. */
  feedBody(chunk: Buffer): void {
    if (this.#stage === LENGTH) this.#remaining -= chunk.length
    this.listener.onBody(chunk, false)
    if (this.#stage === LENGTH && this.#remaining === 0) this.#endMessage([])
  }

  #beginMessage(): void {
    const { input } = this.engine
    if (input[this.#position] !== H) {
      this.#skipLineEnds()
      if (this.#position === this.#end) return
    }
    this.#requestKind = this.listener.onMessageBegin()
    if (this.#paused) return
    if (this.#requestKind === REQUEST_KIND.none) {
      throw parserError('UNSOLICITED', 'received bytes without a pending request', this.#unreadSample())
    }
    // llhttp skips any number of line ends here and accepts names of other protocols.
    if (input[this.#position] !== H || this.#lineEndBytes % 2 !== 0)
      throw parserError('INVALID_CONSTANT', 'Expected HTTP/', this.#unreadSample())
    this.#lineEndBytes = 0
    this.#stage = HEAD
  }

  /** Skips empty lines that some servers send after a response; they do not belong to the next one (RFC 9112 §2.2, §9.2). */
  #skipLineEnds(): void {
    const { input } = this.engine
    while (this.#position < this.#end && this.#lineEndBytes < MAX_LINE_END_BYTES) {
      if (input[this.#position] !== (this.#lineEndBytes % 2 === 0 ? CR : LF)) return
      this.#position++
      this.#lineEndBytes++
    }
  }

  #clearSection(): void {
    this.#partialSection = ''
    this.#savedRecord = null
  }

  #execute(end: number): number {
    const { engine } = this
    const { record } = engine
    record.limit = this.#limits.maxHeaderCount
    record.base = engine.origin + this.#position - this.#partialSection.length
    if (this.#savedRecord === null) record.reset()
    else record.restore(this.#savedRecord)
    return engine.execute(this.#handle, this.#position, end)
  }

  #readHead(end: number): void {
    const start = this.#position
    const known = this.#partialSection === '' ? this.#headCache.find(this.engine.view, start, end) : null
    if (known !== null) {
      this.#position = start + this.#headCache.length
      return this.#handleHead(known)
    }
    const code = this.#execute(end)
    if (code === PAUSED) {
      this.#position = this.engine.position(this.#handle)
      if (this.#partialSection.length + this.#position - start > this.#limits.maxHeaderBytes) throw this.#headOverflow()
      return this.#finishHead(this.#partialSection + this.engine.input.latin1Slice(start, this.#position))
    }
    if (code !== OK) throw this.#failure(code)
    if (this.#partialSection.length + end - start > this.#limits.maxHeaderBytes) throw this.#headOverflow()
    this.#partialSection += this.engine.input.latin1Slice(start, end)
    this.#savedRecord = this.engine.record.save()
    this.#position = end
  }

  #finishHead(section: string): void {
    const { engine } = this
    const handle = this.#handle
    const statusText = checkStatusLine(section, engine.record)
    const statusCode = engine.status(handle)
    if (engine.major(handle) !== 1) throw parserError('INVALID_VERSION', 'not HTTP/1.x', section)
    if (statusCode < 100) throw parserError('INVALID_STATUS', `status ${statusCode} is below 100`, section)
    const head = new ResponseHead(
      { statusCode, statusText, minor: engine.minor(handle) },
      sliceFields(section, engine.record),
    )
    this.#clearSection()
    checkTransferEncoding(head)
    this.#headCache.remember(section, head)
    this.#handleHead(head)
  }

  #handleHead(head: ResponseHead): void {
    const { statusCode } = head
    if (statusCode === 101 || (this.#requestKind === REQUEST_KIND.connect && statusCode >= 200 && statusCode < 300)) {
      return this.#enterTunnel(head)
    }
    if (statusCode < 200) return this.#endInformational(head)
    this.#informationalCount = 0
    this.#enterBody(head)
  }

  #enterTunnel(head: ResponseHead): void {
    if (head.statusCode === 101 && this.#requestKind < REQUEST_KIND.upgrade) {
      throw parserError('INVALID_UPGRADE', '101 Switching Protocols without an upgrade request')
    }
    this.#stage = TUNNEL
    this.listener.onTunnel(head)
  }

  /** Ends an interim response, which has no body whatever its headers say (RFC 9110 §15.2). */
  #endInformational(head: ResponseHead): void {
    if (++this.#informationalCount > this.#limits.maxInformational) {
      throw parserError('TOO_MANY_INFORMATIONAL', `more than ${this.#limits.maxInformational} interim responses`)
    }
    this.engine.reset(this.#handle)
    // The first byte of the next response is checked too; it may not have been received yet.
    this.#stage = START
    this.listener.onInformational(head)
  }

  #enterBody(head: ResponseHead): void {
    const { statusCode, contentLength } = head
    const answersHead = this.#requestKind === REQUEST_KIND.head || this.#requestKind === REQUEST_KIND.headUpgrade
    const bodiless = answersHead || statusCode === 204 || statusCode === 304
    const chunked = !bodiless && head.chunked
    const untilClose = !bodiless && !chunked && contentLength < 0
    this.#reusable = head.persistent && !untilClose
    this.#remaining = bodiless ? 0 : contentLength
    if (chunked) {
      this.#chunkLimits ??= new ChunkLimits(this.engine, this.#limits)
      this.#chunkLimits.start()
      this.#stage = CHUNKED
      this.engine.resume(this.#handle)
    } else {
      this.#stage = untilClose ? UNTIL_CLOSE : LENGTH
      this.engine.reset(this.#handle)
    }
    this.listener.onHead(head)
    if (this.#stage === LENGTH && this.#remaining === 0) this.#endMessage([])
  }

  #readLength(end: number): void {
    const start = this.#position
    const take = Math.min(this.#remaining, end - start)
    this.#remaining -= take
    this.#passBody(start, start + take)
    if (this.#stage === LENGTH && this.#remaining === 0) this.#endMessage([])
  }

  #passBody(start: number, end: number): void {
    this.#position = end
    passChunk(this, start, end)
  }

  #readChunks(end: number): void {
    const start = this.#position
    const code = this.#execute(end)
    const stop = code === OK ? end : this.engine.position(this.#handle)
    const { messageComplete, record } = this.engine
    ;(this.#chunkLimits as ChunkLimits).count(start, stop)
    const section = record.count > 0 ? this.#trailerSection(start, stop) : ''
    this.#position = stop
    const trailers = messageComplete ? sliceFields(section, record) : []
    const failure = code === OK || code === PAUSED ? null : this.#failure(code)
    if (this.engine.data.length > 0) passDecodedChunks(this)
    if (failure !== null) throw failure
    if (messageComplete && this.#stage === CHUNKED) {
      this.#clearSection()
      this.engine.reset(this.#handle)
      this.#endMessage(trailers)
    }
  }

  /** Stores the trailer section. Its offsets count from the start of the first read that contained a trailer. */
  #trailerSection(start: number, stop: number): string {
    const section = this.#partialSection + this.engine.input.latin1Slice(start, stop)
    this.#partialSection = section
    this.#savedRecord = this.engine.record.save()
    return section
  }

  #endMessage(trailers: string[]): void {
    this.#stage = this.#reusable ? START : ENDED
    this.listener.onMessageEnd(trailers, this.#reusable)
  }

  #failure(code: number): Error {
    const { engine } = this
    if (engine.record.overflowed) return this.#headOverflow()
    return parserError(engine.errorName(code), engine.reason(this.#handle), this.#unreadSample())
  }

  #headOverflow(): Error {
    const what = this.#stage === CHUNKED ? 'trailers' : 'headers'
    return headersOverflow(what, this.#limits, this.engine.record.overflowed)
  }

  /** Returns at most 64 unread bytes for an error. The bytes after `#end` belong to other connections. */
  #unreadSample(): string {
    return this.engine.input.latin1Slice(this.#position, Math.min(this.#position + 64, this.#end))
  }
}
