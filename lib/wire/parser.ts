import { pooledCopy, unpooledCopy } from '../base/unpooled-memory.js'
import { ResponseContentLengthMismatchError } from '../errors.js'
import { CHUNK_MEMORY, type ChunkMemory, joinChunks } from './chunk-memory.js'
import { type Engine, OK, PAUSED } from './engine.js'
import type { SavedRecord } from './field-record.js'
import { defaultLimits, headersOverflow, type ParserLimits, type ParserOptions } from './parser-limits.js'
import { type ParserListener, REQUEST_KIND, type RequestKind } from './parser-listener.js'
import { RepeatedHeadCache } from './repeated-head-cache.js'
import { checkStatusLine, commaList, parserError, ResponseHead, sliceFields } from './response-head.js'

export { type ParserListener, REQUEST_KIND, type RequestKind }

/** Bytes up to which a copy in the pool takes no longer than a view. */
const POOLED_COPY_BYTES = 1024

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

/** Bytes of line ends that are skipped in front of a message. */
const MAX_LINE_END_BYTES = 16

/** Reads the responses of one connection. */
export class Parser {
  readonly engine: Engine
  /** What the chunks of the current body are handed out as. */
  chunkMemory: ChunkMemory = CHUNK_MEMORY.copy
  readonly #listener: ParserListener
  readonly #limits: ParserLimits
  #handle: number
  #stage: Stage = START
  #requestKind: RequestKind = REQUEST_KIND.none
  #position = 0
  #end = 0
  /** What came of the current section in earlier reads, and the fields found in it. */
  #partialSection = ''
  #savedRecord: SavedRecord | null = null
  #remaining = 0
  #chunkOverhead = 0
  #informationalCount = 0
  /** Bytes of line ends skipped in front of the next message. */
  #lineEndBytes = 0
  #reusable = false
  #inTrailers = false
  #paused = false
  readonly #headCache: RepeatedHeadCache

  constructor(engine: Engine, listener: ParserListener, options: ParserOptions = defaultLimits) {
    this.#listener = listener
    this.#limits = options
    this.#headCache = options.heads ?? new RepeatedHeadCache()
    this.engine = engine
    this.#handle = this.engine.allocate()
  }

  /** True once the connection left HTTP. */
  get tunnelled(): boolean {
    return this.#stage === TUNNEL
  }

  /** Bytes of the current body that are to come and need no parsing: {@link feedBody} has them without a way through the input buffer. */
  get unparsedBytes(): number {
    if (this.#stage === UNTIL_CLOSE) return Number.POSITIVE_INFINITY
    return this.#stage === LENGTH ? this.#remaining : 0
  }

  /** Stops {@link feed} after the current call into the sink and the end it may bring; {@link resume} allows the next. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
  }

  /** Gives the parser state back. Nothing may be called after. */
  release(): void {
    this.#paused = true
    this.#stage = ENDED
    if (this.#handle !== 0) this.engine.release(this.#handle)
    this.#handle = 0
  }

  /**
   * Reads `input[start..end)` and returns where it stopped: at `end`, or before it when the sink stopped it or the
   * connection became a tunnel.
   * @throws {HTTPParserError | HeadersOverflowError} what came is not a response we accept
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
   * The server ended its side.
   * @throws {HTTPParserError | ResponseContentLengthMismatchError} it ended in the middle of a message
   */
  finish(): void {
    switch (this.#stage) {
      case HEAD:
        throw parserError('INVALID_EOF_STATE', 'the connection ended inside a response head')
      case LENGTH:
        throw new ResponseContentLengthMismatchError(
          `The connection ended ${this.#remaining} bytes before the end of the response body`,
        )
      case CHUNKED:
        throw parserError('INVALID_EOF_STATE', 'the connection ended inside a chunked body')
      case UNTIL_CLOSE:
        this.#endMessage([])
    }
  }

  /** Takes bytes of a body, at most {@link unparsedBytes}, in memory that is the sink's from now on. */
  feedBody(chunk: Buffer): void {
    if (this.#stage === LENGTH) this.#remaining -= chunk.length
    this.#listener.onBody(chunk, false)
    if (this.#stage === LENGTH && this.#remaining === 0) this.#endMessage([])
  }

  #beginMessage(): void {
    const { input } = this.engine
    if (input[this.#position] !== H) {
      this.#skipLineEnds()
      if (this.#position === this.#end) return
    }
    this.#requestKind = this.#listener.onMessageBegin()
    if (this.#paused) return
    if (this.#requestKind === REQUEST_KIND.none) {
      throw parserError('UNSOLICITED', 'bytes came that no request asked for', this.#unreadSample())
    }
    // llhttp skips any line ends here and takes other protocols' names.
    if (input[this.#position] !== H || this.#lineEndBytes % 2 !== 0)
      throw parserError('INVALID_CONSTANT', 'Expected HTTP/', this.#unreadSample())
    this.#lineEndBytes = 0
    this.#stage = HEAD
  }

  /** Some servers send an empty line behind a response, which is no part of the next one (RFC 9112 §2.2, §9.2). */
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
    this.#checkFraming(head)
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

  /**
   * RFC 9112 §6.3. A length beside a transfer coding is refused by the engine. `identity` alone is accepted: such a body
   * lasts until the connection closes, so that nothing behind it can be taken for another response.
   */
  #checkFraming({ transferEncoding, chunked }: ResponseHead): void {
    if (transferEncoding === null || !chunked) return
    const codings = commaList(transferEncoding)
    if (codings.indexOf('chunked') !== codings.length - 1) {
      throw parserError('INVALID_TRANSFER_ENCODING', 'chunked must be the last transfer-encoding, once')
    }
  }

  #enterTunnel(head: ResponseHead): void {
    if (head.statusCode === 101 && this.#requestKind < REQUEST_KIND.upgrade) {
      throw parserError('INVALID_UPGRADE', '101 Switching Protocols was not asked for')
    }
    this.#stage = TUNNEL
    this.#listener.onTunnel(head)
  }

  /** RFC 9110 §15.2: whatever its fields say, an interim response ends with its head. */
  #endInformational(head: ResponseHead): void {
    if (++this.#informationalCount > this.#limits.maxInformational) {
      throw parserError('TOO_MANY_INFORMATIONAL', `more than ${this.#limits.maxInformational} interim responses`)
    }
    this.engine.reset(this.#handle)
    // The next head is checked like the first: its first byte may not have come yet.
    this.#stage = START
    this.#listener.onInformational(head)
  }

  #enterBody(head: ResponseHead): void {
    const { statusCode, contentLength } = head
    const answersHead = this.#requestKind === REQUEST_KIND.head || this.#requestKind === REQUEST_KIND.headUpgrade
    const bodiless = answersHead || statusCode === 204 || statusCode === 304
    const chunked = !bodiless && head.chunked
    const untilClose = !bodiless && !chunked && contentLength < 0
    this.#reusable = head.persistent && !untilClose
    this.#remaining = bodiless ? 0 : contentLength
    this.#chunkOverhead = 0
    this.#inTrailers = false
    if (chunked) {
      this.#stage = CHUNKED
      this.engine.resume(this.#handle)
    } else {
      this.#stage = untilClose ? UNTIL_CLOSE : LENGTH
      this.engine.reset(this.#handle)
    }
    this.#listener.onHead(head)
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
    this.#deliverChunk(start, end)
  }

  /** An input buffer that can be transferred is shown to nobody. */
  get #copiesChunks(): boolean {
    return this.chunkMemory === CHUNK_MEMORY.copy || (this.chunkMemory === CHUNK_MEMORY.view && this.engine.detachable)
  }

  #deliverChunk(start: number, end: number): void {
    const { input, views } = this.engine
    if (this.#copiesChunks) this.#listener.onBody(unpooledCopy(input, start, end), false)
    else if (this.chunkMemory === CHUNK_MEMORY.view || end - start > POOLED_COPY_BYTES)
      this.#listener.onBody(views.of(start, end), true)
    else this.#listener.onBody(pooledCopy(input, start, end), false)
  }

  #readChunks(end: number): void {
    const start = this.#position
    const code = this.#execute(end)
    const stop = code === OK ? end : this.engine.position(this.#handle)
    const { messageComplete, record } = this.engine
    this.#countOverhead(start, stop)
    const section = record.count > 0 ? this.#trailerSection(start, stop) : ''
    this.#position = stop
    const trailers = messageComplete ? sliceFields(section, record) : []
    const failure = code === OK || code === PAUSED ? null : this.#failure(code)
    if (this.engine.data.length > 0) this.#deliverChunks()
    if (failure !== null) throw failure
    if (messageComplete && this.#stage === CHUNKED) {
      this.#clearSection()
      this.engine.reset(this.#handle)
      this.#endMessage(trailers)
    }
  }

  /** Trailer offsets count from the start of the section, which is where the first read that had one began. */
  #trailerSection(start: number, stop: number): string {
    const section = this.#partialSection + this.engine.input.latin1Slice(start, stop)
    this.#partialSection = section
    this.#savedRecord = this.engine.record.save()
    return section
  }

  /** Chunk sizes, extensions and trailers have no limit in llhttp. */
  #countOverhead(start: number, stop: number): void {
    const { data, record } = this.engine
    let from = start
    for (let i = 0; i < data.length; i += 2) {
      this.#chunkOverhead += (data[i] as number) - from
      if (this.#chunkOverhead > this.#limits.maxChunkOverhead) throw this.#chunkOverflow()
      this.#chunkOverhead = 0
      from = data[i + 1] as number
    }
    // Names are recorded of trailers only.
    const framing = (record.count > 0 ? start + (record.offsets[0] as number) : stop) - from
    if (!this.#inTrailers && this.#chunkOverhead + framing > this.#limits.maxChunkOverhead) throw this.#chunkOverflow()
    this.#chunkOverhead += stop - from
    this.#inTrailers ||= record.count > 0
    if (this.#inTrailers && this.#chunkOverhead > this.#limits.maxHeaderBytes) throw this.#headOverflow()
  }

  /** Chunks met in one read become one: their borders mean nothing (RFC 9112 §7.1). */
  #deliverChunks(): void {
    const { data, input } = this.engine
    const start = data[0] as number
    if (data.length > 2 && this.#copiesChunks) return this.#listener.onBody(joinChunks(input, data), false)
    // Over the framing between them, which has been read.
    let end = data[1] as number
    for (let i = 2; i < data.length; i += 2) end += input.copy(input, end, data[i], data[i + 1])
    this.#deliverChunk(start, end)
  }

  #endMessage(trailers: string[]): void {
    this.#stage = this.#reusable ? START : ENDED
    this.#listener.onMessageEnd(trailers, this.#reusable)
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

  #chunkOverflow(): Error {
    return parserError('CHUNK_EXTENSIONS_OVERFLOW', `chunk extensions above ${this.#limits.maxChunkOverhead} bytes`)
  }

  /** What is behind the end came for other connections. */
  #unreadSample(): string {
    return this.engine.input.latin1Slice(this.#position, Math.min(this.#position + 64, this.#end))
  }
}
