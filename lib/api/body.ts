import type { Readable } from 'node:stream'
import { setImmediate } from '../base/clock.js'
import { type InspectArguments, inspectSymbol } from '../base/inspect-symbol.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { pooledCopy, toBuffer, unpooled, unpooledChunk, unpooledCopy } from '../base/unpooled-memory.js'
import { reportUncaught } from '../base/user-code.js'
import { markSluiceOwned, RequestAbortedError } from '../errors.js'
import { streamError } from '../exchange/abort-errors.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import { BodyBuffer } from './body-buffer.js'
import { canBypass, collectStream } from './body-collect.js'
import { type BodyDumpOptions, type DumpTarget, dump } from './body-dump.js'
import { type Consumer, metadataOf } from './body-formats.js'
import { type BodyChunk, IN_STREAM, iterateBody, PendingReads } from './body-iteration.js'
import { BodyMixinReadable } from './body-mixin.js'
import type { BodySource } from './body-source.js'
import { defineState, flowsToReader } from './body-state.js'

/** Maximum number of bytes per copied chunk: larger allocations are slow. */
const MAX_COPY = 65536

/**
 * Response body: a `Readable` with the body mixin of the Fetch standard. Data received before the first read is buffered
 * outside the stream, so that `text()`, `json()` and the like avoid the cost of the stream. Source: undici's
 * `Dispatcher.md`.
 *
 * @example
 * const { body } = await client.request({ path: '/', method: 'GET' })
 * for await (const chunk of body) console.log(chunk.length)
 */
export class BodyReadable extends BodyMixinReadable {
  static #stateDefined = false
  readonly #source: BodySource
  readonly #buffer: BodyBuffer
  /** Value of `content-length`, if there is one. */
  readonly #contentLength: string | undefined
  /** Iterators that wait for a chunk. Set from the begin of an iteration until the stream is used. */
  #pendingReads: PendingReads | null = null
  #demand = false
  #used = false
  #consumer: Consumer | null = null
  /** Consumer of data that other listeners receive as well. */
  #collector: Consumer | null = null
  #consumed = false
  #attaching = false
  /** Reason why the body failed, as reported. */
  #failure: { readonly reason: unknown } | null = null
  /** Whether the whole body was consumed without the stream. */
  #consumedWhole = false
  #streamEnded = false
  #ended = false
  #endListeners: (() => void)[] | null = null
  /** Number of further bytes that all calls of `dump` allow, once there is one. */
  #dumpLeft = 0

  /** @internal `highWaterMark`: number of buffered bytes at which reading from the socket stops. Default: 65 536. */
  constructor(source: BodySource, headers?: IncomingHeaders, highWaterMark?: number | null) {
    const metadata = metadataOf(headers)
    // Node also reads options from `Object.prototype`.
    super(unpollutedRequest({ highWaterMark: highWaterMark ?? 65536 }), metadata)
    if (!BodyReadable.#stateDefined) BodyReadable.#defineState()
    this.#source = source
    this.#contentLength = metadata.contentLength
    this.#buffer = new BodyBuffer(source, this.readableHighWaterMark)
  }

  /** Called for the first body, so that an import has no side effect. */
  static #defineState(): void {
    BodyReadable.#stateDefined = true
    // Node reads the properties before the private fields exist.
    defineState(BodyReadable.prototype, {
      readableDidRead: (body) =>
        #consumed in body && (body.#consumed || (body.#pendingReads ?? body.#collector) !== null),
      readableEnded: (body) => #consumed in body && body.#endConsumedStream(),
      closed: (body) => #consumed in body && !body.#endConsumedStream() && false,
    })
  }

  override on(event: string | symbol, listener: (...values: never[]) => void): this {
    this.#endConsumedStream()
    if (event === 'data' || event === 'readable') this.#switchToStream()
    return super.on(event as 'data', listener as never)
  }

  override addListener(event: string | symbol, listener: (...values: never[]) => void): this {
    return this.on(event, listener)
  }

  override [Symbol.asyncIterator](): ReturnType<Readable[typeof Symbol.asyncIterator]> {
    return iterateBody({
      next: () => this.#nextChunk(),
      stream: () => super[Symbol.asyncIterator](),
      cancel: () => this.destroy(),
    })
  }

  override unshift(chunk: unknown, encoding?: BufferEncoding): void {
    this.#switchToStream()
    super.unshift(chunk, encoding)
  }

  override setEncoding(encoding: BufferEncoding): this {
    this.#switchToStream()
    return super.setEncoding(encoding)
  }

  /**
   * Discards the body so that its connection is reused. Closes the connection instead beyond `limit` bytes (default:
   * 131 072). Rejects only when `signal` aborts.
   * @throws {InvalidArgumentError} by rejection: an option is invalid
   */
  dump(options?: BodyDumpOptions | null): Promise<void> {
    const target: DumpTarget = {
      ended: this.#ended || this.destroyed,
      expectedLength: this.#buffer.complete || this.readableDidRead ? 0 : Number(this.#contentLength),
      cancel: (reason) => this.cancel(reason),
      discard: (limit) => this.#discard(limit),
    }
    return dump(target, options)
  }

  /** Resolves when the body has ended; other readers still receive their data. */
  #discard(limit: number): Promise<void> {
    return new Promise((resolve) => {
      this.#endListeners ??= []
      const again = this.#endListeners.push(resolve) > 1
      this.#dumpLeft = again ? Math.min(this.#dumpLeft, limit) : limit
      // The first call counts for all.
      if (again || this.#consumed) return
      const count = (chunk: Buffer | string) => {
        this.#dumpLeft -= chunk.length
        if (this.#dumpLeft < 0) this.destroy()
      }
      if (this.#demand || this.readableDidRead || this.#hasListeners) this.on('data', count).resume()
      else this.#attach({ take: count, copy: count, end() {}, fail() {} })
    })
  }

  /** @internal */
  override get unreadFailure(): { readonly reason: unknown } | null {
    return this.#consumed ? null : this.#failure
  }

  /** @internal */
  override consumeWhole(consumer: Consumer): void {
    if (canBypass(this, this.#used)) return this.#attach(consumer)
    this.#collector = consumer
    collectStream(this, consumer, () => {
      this.#collector = null
    })
  }

  /** @internal Destroys an unread body, so that it does not block its connection. */
  release(): void {
    if (!this.#ended && this.#consumer === null && !flowsToReader(this)) this.destroy()
  }

  /** @internal Whether the body is or was read. */
  get used(): boolean {
    return this.#used || this.#ended
  }

  /** @internal Whether chunks are passed to the caller, instead of collected. */
  get keepsChunks(): boolean {
    return this.#consumer === null
  }

  /** @internal Adds a received chunk, whose memory belongs to the body from then on. */
  feed(piece: Buffer): void {
    const chunk = toBuffer(piece)
    if (this.#consumer !== null) this.#consumer.take(chunk)
    else if (chunk.length === 0) return
    else if (this.#demand) this.#pushToStream(unpooled(chunk))
    else if (this.#pendingReads?.pending) this.#pendingReads.resolveNext(unpooled(chunk))
    else this.#addToBuffer(chunk)
  }

  /** @internal Adds a copy of a received chunk, whose memory is reused. */
  feedCopy(chunk: Buffer): void {
    for (let start = 0, end = 0; start < chunk.length; start = end) {
      if (this.#consumer !== null) return this.#consumer.copy(start === 0 ? chunk : chunk.subarray(start))
      end = Math.min(start + MAX_COPY, chunk.length)
      if (this.#demand || this.#pendingReads?.pending) this.feed(unpooledCopy(chunk, start, end))
      else this.#addToBuffer(pooledCopy(chunk, start, end))
    }
  }

  /** Pushes a chunk. An exception of a listener is reported as uncaught, and the body continues. */
  #pushToStream(chunk: Buffer): void {
    try {
      this.#demand = this.push(chunk)
    } catch (error) {
      reportUncaught(error)
    }
    if (!this.#demand) this.#buffer.pause()
  }

  #addToBuffer(chunk: Buffer): void {
    if (!this.#buffer.push(chunk) && !this.#used) this.#source.onStalled(this)
  }

  /** @internal Marks the body as completely received. */
  finish(): void {
    this.#buffer.complete = true
    if (this.#consumer !== null) this.#end(this.#consumer)
    else if (!this.#buffer.empty || !this.#used) return
    else if (this.#pendingReads === null) this.push(null)
    else this.#endConsumed()
  }

  /** @internal Marks the body as failed. Returns false if it has ended already, unless it failed for the same reason. */
  fail(reason: unknown): boolean {
    if (this.#buffer.complete) return this.#failure?.reason === reason
    this.#buffer.complete = true
    this.#failure = { reason }
    // Deferred: the caller may not have the body yet, and its listeners must receive the data and the error.
    if (this.used) this.cancel(reason)
    else setImmediate(() => this.cancel(reason))
    return true
  }

  /** @internal Destroys the body for a reason of any type; one that is not an Error becomes the `cause` of an error. */
  cancel(reason: unknown): void {
    if (!this.#ended) this.#failure ??= { reason }
    this.destroy(streamError(reason))
  }

  /** Returns data in unpooled memory: Node joins buffered chunks in its pool, whose memory must not be transferred. */
  override read(size?: number): unknown {
    return unpooledChunk(super.read(size))
  }

  /** @internal Describes the state for `util.inspect`, without the state of the stream. */
  [inspectSymbol](...[, options, inspect]: InspectArguments): unknown {
    if (!(#used in this)) return this
    const { bodyUsed, destroyed } = this
    const state = { contentLength: this.#contentLength, bodyUsed, ended: this.#ended, destroyed }
    return `${this.constructor.name} ${inspect(state, options)}`
  }

  /** Called by the stream to read data. */
  override _read(): void {
    if (this.#consumed) {
      // The stream of a body that was consumed without it is at its end.
      if (this.#buffer.complete && this.#consumer === null && !this.#attaching) this.push(null)
      return
    }
    this.#switchToStream()
    this.#markUsed()
    this.#demand = true
    while (this.#demand && !this.#buffer.empty) this.#demand = this.push(unpooled(this.#buffer.shift()))
    if (!this.#buffer.empty || this.#failure !== null) return
    if (this.#buffer.complete) this.push(null)
    else this.#buffer.resume()
  }

  /** Called by the stream when it is destroyed. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    let reason = error
    if (!this.#buffer.complete) {
      reason ??= markSluiceOwned(new RequestAbortedError())
      this.#buffer.complete = true
      this.#source.abort(this.#failure === null ? reason : this.#failure.reason)
    }
    this.#buffer.clear()
    const consumer = this.#consumer ?? this.#collector
    this.#consumer = null
    this.#collector = null
    consumer?.fail(this.#failure === null ? (reason ?? new RequestAbortedError()) : this.#failure.reason)
    this.#pendingReads?.resolveAll(() => this.#nextChunk())
    // Without an `error` listener, a failed connection must not end the process: `errored` has the error.
    const finish = () => callback(this.listenerCount('error') > 0 ? reason : null)
    // Deferred, so that listeners added in this event-loop turn receive it.
    if (this.#used) finish()
    else setImmediate(finish)
    this.#notifyEnd()
  }

  #notifyEnd(): void {
    if (this.#ended) return
    this.#ended = true
    this.#source.onEnd()
    if (this.#endListeners !== null) for (const listener of this.#endListeners) listener()
  }

  #markUsed(): void {
    if (this.#used) return
    this.#used = true
    this.#source.onUsed(this)
  }

  #attach(consumer: Consumer): void {
    this.#consumed = true
    this.#consumer = consumer
    this.#markUsed()
    const held = this.#buffer.clear()
    this.#attaching = true
    while (this.readableLength > 0) consumer.take(this.read() as Buffer)
    this.#attaching = false
    for (const chunk of held) consumer.take(chunk)
    if (this.destroyed || this.#failure !== null) return
    if (this.#buffer.complete) this.#end(consumer)
    else this.#buffer.resume()
  }

  #end(consumer: Consumer): void {
    this.#consumer = null
    this.#endConsumed()
    consumer.end()
  }

  /** Ends the stream only if it has listeners, because ending it costs more than a short body. */
  #endConsumed(): void {
    this.#consumed = true
    this.#consumedWhole = true
    if (this.listenerCount('end') + this.listenerCount('close') > 0) this.#endConsumedStream()
    this.#pendingReads?.resolveAll(() => null)
    this.#notifyEnd()
  }

  /** Makes iterators read from the stream, because the caller uses the stream as well. */
  #switchToStream(): void {
    this.#pendingReads?.resolveAll(() => IN_STREAM)
    this.#pendingReads = null
  }

  /** Returns the next chunk for an iterator. */
  async #nextChunk(): Promise<BodyChunk> {
    const pendingReads = this.#pendingReads ?? this.#beginIteration()
    if (pendingReads === null) return IN_STREAM
    if (this.#consumedWhole) return null
    if (this.destroyed)
      throw this.#failure === null ? (this.errored ?? new RequestAbortedError()) : this.#failure.reason
    const piece = this.#buffer.empty ? null : unpooled(this.#buffer.shift())
    this.#buffer.resume()
    if (this.#buffer.complete && this.#buffer.empty) this.#endConsumed()
    return piece === null && !this.#consumedWhole ? pendingReads.add() : piece
  }

  get #hasListeners(): boolean {
    return this.listenerCount('data') + this.listenerCount('readable') > 0
  }

  /** Returns null if the body must be read from the stream. */
  #beginIteration(): PendingReads | null {
    const begun = this.#used || this.destroyed || this.readableLength > 0 || this.readableEncoding !== null
    if (this.#hasListeners || begun) return null
    this.#markUsed()
    this.#pendingReads = new PendingReads()
    return this.#pendingReads
  }

  /** Ends the stream if the body was consumed without it. Returns whether it was. */
  #endConsumedStream(): boolean {
    if (this.#consumedWhole && !this.#streamEnded) {
      this.#streamEnded = true
      this.push(null)
      this.resume()
    }
    return this.#consumedWhole
  }
}
