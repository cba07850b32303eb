import type { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { builtinModule } from '../base/builtin-modules.js'
import { setImmediate } from '../base/clock.js'
import { LazyReadable } from '../base/lazy-streams.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { pooledCopy, toBuffer, unpooled, unpooledChunk, unpooledCopy } from '../base/unpooled-memory.js'
import { reportUncaught } from '../base/user-code.js'
import { markSluiceOwned, RequestAbortedError } from '../errors.js'
import { streamError } from '../exchange/abort-errors.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import { canBypass, collectStream } from './body-collect.js'
import { type Dumped, type DumpOptions, dump } from './body-dump.js'
import { BodyFlow } from './body-flow.js'
import { BodyCollector, type BodyFacts, type BodyFormat, type Consumer } from './body-formats.js'
import { eachPiece, IN_STREAM, type Piece, Waiting } from './body-pieces.js'
import type { BodySource } from './body-source.js'
import { defineState, flowsToReader } from './body-state.js'

/** What sets up the body of a response. */
export interface BodyOptions {
  highWaterMark?: number | null
}

/** Creates the body of a response as its caller asked for it. */
export function bodyFor(options: BodyOptions, headers: IncomingHeaders, source: BodySource): BodyReadable {
  return new BodyReadable({ source, headers, highWaterMark: options.highWaterMark })
}

/** Bytes that are copied into memory at once: longer parts are slow to allocate. */
const PART = 65536

/**
 * A response body: a `Readable` with the body mixin of the Fetch standard. What comes before anybody asks is held
 * aside, so that `text()` and its like never pay for the stream. Source: undici's `Dispatcher.md`.
 */
export class BodyReadable extends LazyReadable {
  static #stateDefined = false
  readonly #source: BodySource
  readonly #flow: BodyFlow
  readonly #facts: BodyFacts
  /** There once an iteration began, and until somebody turned to the stream. */
  #waiting: Waiting | null = null
  #demand = false
  #touched = false
  #consumer: Consumer | null = null
  /** Takes what flows to other listeners too. */
  #collector: Consumer | null = null
  #consumed = false
  #attaching = false
  /** Why the body broke off, in the form it was given. */
  #failure: { readonly reason: unknown } | null = null
  /** All of it went to a consumer, past the stream. */
  #taken = false
  #streamEnded = false
  #web: ReadableStream | null = null
  #over = false
  #onOver: (() => void)[] | null = null

  constructor(given: { source: BodySource; headers?: IncomingHeaders; highWaterMark?: number | null | undefined }) {
    const part = unpollutedRequest(given)
    // Node reads options that are not there from `Object.prototype` too.
    super(unpollutedRequest({ highWaterMark: part.highWaterMark ?? 65536 }))
    if (!BodyReadable.#stateDefined) BodyReadable.#defineState()
    this.#source = part.source
    const { 'content-type': type, 'content-length': length } = part.headers ?? {}
    this.#facts = {
      contentType: typeof type === 'string' ? type : '',
      contentLength: typeof length === 'string' ? length : undefined,
      encoding: null,
    }
    this.#flow = new BodyFlow(part.source, this.readableHighWaterMark)
  }

  /** True once the body was read or begun to be. */
  get bodyUsed(): boolean {
    return this.readableDidRead
  }

  /** With the first body, since an import does nothing. */
  static #defineState(): void {
    BodyReadable.#stateDefined = true
    // Node asks before the fields are there.
    defineState(BodyReadable.prototype, {
      readableDidRead: (body) => #consumed in body && (body.#consumed || (body.#waiting ?? body.#collector) !== null),
      readableEnded: (body) => #consumed in body && body.#endStream(),
      closed: (body) => #consumed in body && !body.#endStream() && false,
    })
  }

  override on(event: string | symbol, listener: (...values: never[]) => void): this {
    this.#endStream()
    if (event === 'data' || event === 'readable') this.#leaveToStream()
    return super.on(event as 'data', listener as never)
  }

  override addListener(event: string | symbol, listener: (...values: never[]) => void): this {
    return this.on(event, listener)
  }

  override [Symbol.asyncIterator](): ReturnType<Readable[typeof Symbol.asyncIterator]> {
    return eachPiece({
      next: () => this.#nextPiece(),
      stream: () => super[Symbol.asyncIterator](),
      giveUp: () => this.destroy(),
    })
  }

  override unshift(chunk: unknown, encoding?: BufferEncoding): void {
    this.#leaveToStream()
    super.unshift(chunk, encoding)
  }

  override setEncoding(encoding: BufferEncoding): this {
    this.#leaveToStream()
    return super.setEncoding(encoding)
  }

  /** The body as a web stream. */
  get body(): ReadableStream {
    this.#web ??= builtinModule('node:stream').Readable.toWeb(this)
    return this.#web
  }

  /** The body as a string in UTF-8; a byte order mark is dropped. */
  text(): Promise<string> {
    return this.#consume('text') as Promise<string>
  }

  /** The body parsed as JSON. Rejects with a SyntaxError when it is none, or empty. */
  json(): Promise<unknown> {
    return this.#consume('json')
  }

  /** The body as bytes. */
  bytes(): Promise<Uint8Array> {
    return this.#consume('bytes') as Promise<Uint8Array>
  }

  /** The body as an ArrayBuffer. */
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#consume('arrayBuffer') as Promise<ArrayBuffer>
  }

  /** The body as a Blob of the response's content type. */
  blob(): Promise<Blob> {
    return this.#consume('blob') as Promise<Blob>
  }

  /** The body parsed by its content type: `multipart/form-data` or `application/x-www-form-urlencoded`. */
  formData(): Promise<FormData>
  /** As undici, which has none, declares it: so that results of ours fit where theirs are asked for. */
  formData(): Promise<never>
  formData(): Promise<FormData> {
    return this.#consume('formData') as Promise<FormData>
  }

  /**
   * Drops the body so that its connection can be used again; past `limit` bytes (default: 131 072) the connection
   * is given up instead. Rejects only when `signal` aborts.
   * @throws {InvalidArgumentError} by rejection: an option is not what is documented
   */
  dump(options?: DumpOptions | null): Promise<void> {
    const dumped: Dumped = {
      over: this.#over || this.destroyed,
      announced: this.#flow.complete || this.readableDidRead ? 0 : Number(this.#facts.contentLength),
      cancel: (reason) => this.cancel(reason),
      drop: (limit) => this.#drop(limit),
    }
    return dump(dumped, options)
  }

  /** Ends when the body does; whoever reads it meanwhile reads on. */
  #drop(limit: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onOver ??= []
      this.#onOver.push(resolve)
      let left = limit
      const count = (chunk: Buffer | string) => {
        left -= chunk.length
        if (left < 0) this.destroy()
      }
      if (this.#consumed) return
      if (this.#demand || this.readableDidRead) this.on('data', count).resume()
      else this.#attach({ take: count, copy: count, end() {}, fail() {} })
    })
  }

  /** @internal Destroys a body that nothing reads, so that its connection is not kept for it. */
  release(): void {
    if (!this.#over && this.#consumer === null && !flowsToReader(this)) this.destroy()
  }

  /** @internal Somebody reads it, or has. */
  get used(): boolean {
    return this.#touched || this.#over
  }

  /** @internal Chunks are handed out, and not collected. */
  get keepsChunks(): boolean {
    return this.#consumer === null
  }

  /** @internal A chunk came, which is the body's now. */
  feed(piece: Buffer): void {
    const chunk = toBuffer(piece)
    if (this.#consumer !== null) this.#consumer.take(chunk)
    else if (chunk.length === 0) return
    else if (this.#demand) this.#hand(unpooled(chunk))
    else if (this.#waiting?.any) this.#waiting.give(unpooled(chunk))
    else this.#hold(chunk)
  }

  /** @internal As {@link feed}, but the memory of `chunk` is used again. */
  feedCopy(chunk: Buffer): void {
    for (let start = 0, end = 0; start < chunk.length; start = end) {
      if (this.#consumer !== null) return this.#consumer.copy(start === 0 ? chunk : chunk.subarray(start))
      end = Math.min(start + PART, chunk.length)
      if (this.#demand || this.#waiting?.any) this.feed(unpooledCopy(chunk, start, end))
      else this.#hold(pooledCopy(chunk, start, end))
    }
  }

  /** A listener's exception is an uncaught one here as in any turn of the event loop, and the body goes on. */
  #hand(chunk: Buffer): void {
    try {
      this.#demand = this.push(chunk)
    } catch (error) {
      reportUncaught(error)
    }
    if (!this.#demand) this.#flow.pause()
  }

  #hold(chunk: Buffer): void {
    if (!this.#flow.hold(chunk) && !this.#touched) this.#source.onStalled(this)
  }

  /** @internal All has come. */
  finish(): void {
    this.#flow.complete = true
    if (this.#consumer !== null) this.#end(this.#consumer)
    else if (!this.#flow.empty || !this.#touched) return
    else if (this.#waiting === null) this.push(null)
    else this.#endTaken()
  }

  /** @internal No more will come. */
  fail(reason: unknown): void {
    if (this.#flow.complete) return
    this.#flow.complete = true
    this.#failure = { reason }
    // The caller may not have the body yet: its listeners are to see what came, and that it broke off.
    if (this.used) this.cancel(reason)
    else setImmediate(() => this.cancel(reason))
  }

  /** @internal Ends a body for a reason of any type: what no stream takes for an error becomes the cause of one. */
  cancel(reason: unknown): void {
    if (!this.#over) this.#failure ??= { reason }
    this.destroy(streamError(reason))
  }

  /** Node cuts and joins buffered chunks in memory of its pool, which is nobody's to transfer. */
  override read(size?: number): unknown {
    return unpooledChunk(super.read(size))
  }

  /** Asked by the stream for more. */
  override _read(): void {
    if (this.#consumed) {
      // Whoever turns to the stream after the body was taken whole finds it at its end.
      if (this.#flow.complete && this.#consumer === null && !this.#attaching) this.push(null)
      return
    }
    this.#leaveToStream()
    this.#touch()
    this.#demand = true
    while (this.#demand && !this.#flow.empty) this.#demand = this.push(unpooled(this.#flow.shift()))
    if (!this.#flow.empty || this.#failure !== null) return
    if (this.#flow.complete) this.push(null)
    else this.#flow.resume()
  }

  /** Told by the stream that it is over. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    let reason = error
    if (!this.#flow.complete) {
      reason ??= markSluiceOwned(new RequestAbortedError())
      this.#flow.complete = true
      this.#source.abort(this.#failure === null ? reason : this.#failure.reason)
    }
    this.#flow.clear()
    const consumer = this.#consumer ?? this.#collector
    this.#consumer = null
    this.#collector = null
    consumer?.fail(this.#failure === null ? (reason ?? new RequestAbortedError()) : this.#failure.reason)
    this.#waiting?.giveAll(() => this.#nextPiece())
    // A connection that breaks must not end the process of a caller who listens for no error: `errored` tells it.
    const tell = () => callback(this.listenerCount('error') > 0 ? reason : null)
    // Nor does it go unheard by one who begins to listen in this turn.
    if (this.#touched) tell()
    else setImmediate(tell)
    this.#settle()
  }

  #settle(): void {
    if (this.#over) return
    this.#over = true
    this.#source.onOver()
    if (this.#onOver !== null) for (const tell of this.#onOver) tell()
  }

  #touch(): void {
    if (this.#touched) return
    this.#touched = true
    this.#source.onUsed(this)
  }

  #attach(consumer: Consumer): void {
    this.#consumed = true
    this.#consumer = consumer
    this.#touch()
    const held = this.#flow.clear()
    this.#attaching = true
    while (this.readableLength > 0) consumer.take(this.read() as Buffer)
    this.#attaching = false
    for (const chunk of held) consumer.take(chunk)
    if (this.destroyed || this.#failure !== null) return
    if (this.#flow.complete) this.#end(consumer)
    else this.#flow.resume()
  }

  #end(consumer: Consumer): void {
    this.#consumer = null
    this.#endTaken()
    consumer.end()
  }

  /** The machinery of streams costs more than a short body: it runs when somebody looks. */
  #endTaken(): void {
    this.#consumed = true
    this.#taken = true
    if (this.listenerCount('end') + this.listenerCount('close') > 0) this.#endStream()
    this.#waiting?.giveAll(() => null)
    this.#settle()
  }

  /** Somebody turned to the stream while it was iterated over. */
  #leaveToStream(): void {
    this.#waiting?.giveAll(() => IN_STREAM)
    this.#waiting = null
  }

  /** What an iteration gets. */
  async #nextPiece(): Promise<Piece> {
    const waiting = this.#waiting ?? this.#beginIteration()
    if (waiting === null) return IN_STREAM
    if (this.#taken) return null
    if (this.destroyed)
      throw this.#failure === null ? (this.errored ?? new RequestAbortedError()) : this.#failure.reason
    const piece = this.#flow.empty ? null : unpooled(this.#flow.shift())
    this.#flow.resume()
    if (this.#flow.complete && this.#flow.empty) this.#endTaken()
    return piece === null && !this.#taken ? waiting.wait() : piece
  }

  /** Returns null where all is to go through the stream. */
  #beginIteration(): Waiting | null {
    const heard = this.listenerCount('data') + this.listenerCount('readable') > 0
    const begun = this.#touched || this.destroyed || this.readableLength > 0 || this.readableEncoding !== null
    if (heard || begun) return null
    this.#touch()
    this.#waiting = new Waiting()
    return this.#waiting
  }

  /** Ends the stream of a body that was taken whole. Returns whether it was. */
  #endStream(): boolean {
    if (this.#taken && !this.#streamEnded) {
      this.#streamEnded = true
      this.push(null)
      this.resume()
    }
    return this.#taken
  }

  #consume(kind: BodyFormat): Promise<unknown> {
    if (this.#failure !== null && !this.#consumed) return Promise.reject(this.#failure.reason)
    if (this.bodyUsed) return Promise.reject(new TypeError('Body is unusable: Body has already been read'))
    if (this.#web?.locked) return Promise.reject(new TypeError('Body is locked'))
    if (this.destroyed) return Promise.reject(new RequestAbortedError('The body was destroyed'))
    this.#facts.encoding = this.readableEncoding
    return new Promise((resolve, reject) => {
      const collector = new BodyCollector(kind, this.#facts, { resolve, reject })
      if (canBypass(this, this.#touched)) return this.#attach(collector)
      this.#collector = collector
      collectStream(this, collector, () => (this.#collector = null))
    })
  }
}
