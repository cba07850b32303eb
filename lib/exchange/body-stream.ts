import type { Readable } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { nextTick, queueMicrotask } from '../base/clock.js'
import { LazyStream } from '../base/lazy-streams.js'
import { isIterable } from '../base/prototype-pollution.js'
import { callUserCode } from '../base/user-code.js'
import { markCallerFault } from '../errors/faults.js'
import { InvalidArgumentError, invalidArgument } from '../errors.js'
import { streamError } from './abort-errors.js'
import { copyChunk, toBytes } from './body-chunks.js'

/** Receives what comes out of a {@link BodyStream}. */
export interface BodyStreamListener {
  /** The memory of `piece` may be written over when this returns. Returns whether the next piece may come now. */
  onChunk(piece: unknown): boolean
  onSourceEnd(): void
  onSourceError(error: Error): void
}

/** Who is notified when a {@link BodyStream} fails before it is sent. */
export interface BodyStreamOwner {
  /** Its request has completed or failed. */
  readonly done: boolean
  onBodyFailed(error: Error): void
}

/** What a stream of any library may have. */
type Source = Readable & { readable?: boolean }

const bodyStreams = new WeakMap<object, BodyStream>()

/** Whether `body` is a stream: Node's, or an older one that has only `pipe` and `on`. */
export function isStream(body: unknown): body is Readable {
  if (typeof body !== 'object' || body === null) return false
  const stream = body as Partial<Source>
  if (typeof stream.pipe !== 'function' || typeof stream.on !== 'function') return false
  // An older one may have ended while it was held.
  if (bodyStreams.has(stream)) return true
  // A Writable has `pipe` too, but nothing to read.
  return isIterable(stream, Symbol.asyncIterator) ? typeof stream.destroy === 'function' : stream.readable === true
}

/**
 * Throws what keeps `stream` from being a body. What was read from it before is not part of the body.
 * @throws {InvalidArgumentError} it has ended, was destroyed or belongs to another request; or its own error
 */
export function checkStream(stream: Readable): void {
  const known = bodyStreams.get(stream)
  if (known?.used)
    throw invalidArgument('body is a stream that another request has used: create a stream for each request')
  const error = known?.error ?? stream.errored
  markCallerFault(error)
  if (error) {
    // Destroyed in this event-loop turn: its `error` event is still to come, and is reported by this request.
    if (known === undefined) stream.once('error', ignore)
    throw error
  }
  if (known?.ended) return
  if (stream.destroyed || stream.readableEnded) {
    throw invalidArgument('body is a stream that has already ended or been destroyed: create a stream for each request')
  }
}

/** The {@link BodyStream} that `stream` is held by. */
export function findBodyStream(stream: Readable): BodyStream | undefined {
  return bodyStreams.get(stream)
}

/** Keeps `stream` from flowing until its request is sent. Returns null when an outer layer did so before. */
export function ownStream(stream: Readable): BodyStream | null {
  return bodyStreams.has(stream) ? null : new BodyStream(stream)
}

/**
 * A stream that is the body of a request, from dispatch on. It is the destination of a pipe that is full until the
 * request is sent. Thereby the stream rests although others listen to it or pipe it, and later it flows at the pace of
 * the slowest. What flows nonetheless, because a caller resumed it, is kept and sent first.
 *
 * Until a request claims it, an interceptor may read it in order to send something else. It then flows to that reader,
 * and is kept until the request starts without it.
 */
export class BodyStream extends LazyStream {
  /** Private, so that the stream can still be turned into JSON. */
  readonly #stream: Source
  readonly writable = true
  /** Known to `pipe`: a destination that is full. */
  writableNeedDrain = true
  /** It failed before or while it was sent. */
  error: Error | null = null
  #owner: BodyStreamOwner | null = null
  /** The owner is a request that sends it. */
  #claimed = false
  /** A reader came before a request claimed it. */
  #hasOtherReader = false
  /** It flows to that reader. */
  #flowsToReader = false
  /** The request started with another body. */
  #startedWithOtherBody = false
  /** Some of it was read for another body. */
  #partlyConsumed = false
  /** Some of it flowed before another body was made of it. */
  #bufferedUnread = false
  #piping = false
  /** It has a `readable` listener of its own. */
  #readsAll = false
  #listener: BodyStreamListener | null = null
  #buffered: unknown[] = []
  #ended = false
  #done = false
  readonly #onError = (error: unknown): void => this.#fail(error as Error)
  readonly #onClose = (): void => {
    if (this.#ended) return
    // An interceptor may destroy what it has replaced. A pipe that remains would never end what it leads to.
    if (this.#isClaimed || this.#stream.listenerCount?.('data') > 1) this.#fail(prematureClose())
  }

  /** The one of `stream`, which is held from now on. */
  static of(stream: Readable): BodyStream {
    return bodyStreams.get(stream) ?? new BodyStream(stream)
  }

  constructor(stream: Readable) {
    super()
    this.#stream = stream
    bodyStreams.set(stream, this)
    stream.on('error', this.#onError)
    stream.on('close', this.#onClose)
    stream.on('newListener', this.#onNewListener)
    // `unpipe` without an argument is meant for the pipes that its caller made.
    this.on('unpipe', () => {
      if (!this.#done && !this.#ended) this.#pipe()
    })
    // Without it the first pipe would begin to read.
    stream.pause?.()
    this.#pipe()
  }

  #pipe(): void {
    this.#piping = true
    this.#stream.pipe(this as unknown as NodeJS.WritableStream)
    this.#piping = false
  }

  /** Has it rest until `owner` sends it. */
  claim(owner: BodyStreamOwner): void {
    this.#owner = owner
    this.#claimed = true
    this.#hasOtherReader = false
    this.#flowsToReader = false
    this.#startedWithOtherBody = false
    if (this.#listener === null) this.writableNeedDrain = true
  }

  /** Lets interceptors read it again. `owner` is still notified when it fails. */
  release(owner: BodyStreamOwner): void {
    this.#owner = owner
    this.#claimed = false
  }

  /** The request of `owner` has started: unless it claimed the stream, another body is sent. */
  onRequestStart(owner: BodyStreamOwner): void {
    if (this.#isClaimed) return
    this.release(owner)
    this.#startedWithOtherBody = true
    this.#partlyConsumed = this.#partlyConsumed || this.#buffered.length > 0
    this.#buffered = []
    this.#failIfIncomplete()
  }

  /** The request has completed: nothing reads it any more, unless it is being sent. */
  onRequestEnd(): void {
    if (this.#listener === null) this.stop()
  }

  get #isClaimed(): boolean {
    return this.#listener !== null || (this.#claimed && this.#owner?.done === false)
  }

  /** What another body is made of must be all of it. */
  #failIfIncomplete(): void {
    if (!this.#startedWithOtherBody || !this.#flowsToReader || !this.#bufferedUnread) return
    this.#owner?.onBodyFailed(
      new InvalidArgumentError('body is a stream that emitted data before the request read it: do not resume it'),
    )
  }

  readonly #onNewListener = (event: unknown): void => {
    if ((event !== 'data' && event !== 'readable') || this.#piping || this.#hasOtherReader || this.#isClaimed) return
    this.#hasOtherReader = true
    // A listener for progress may be followed by a dispatch of the same stream.
    queueMicrotask(() => {
      if (this.#done || this.#isClaimed) return
      this.#flowsToReader = true
      this.writableNeedDrain = false
      this.#failIfIncomplete()
      this.emit('drain')
      this.#stream.resume?.()
    })
  }

  /** The same bytes for a dispatcher of another library: `stream` rests until that reads them. */
  static toReadable(stream: Readable): Readable {
    const known = BodyStream.of(stream)
    return known.used ? stream : known.#toReadable()
  }

  #toReadable(): Readable {
    const listener: BodyStreamListener = {
      onChunk: (piece) => readable.push(Buffer.from(toBytes(copyChunk(piece)))),
      onSourceEnd: () => void readable.push(null),
      onSourceError: (error) => void readable.destroy(streamError(error)),
    }
    const readable = new (builtinModule('node:stream').Readable)({
      read: () => (this.#listener === null ? this.start(listener) : this.resume()),
      destroy: (error, done) => {
        this.stop(error)
        done(error)
      },
    })
    return readable
  }

  /** It can be no other request's body. */
  get used(): boolean {
    return this.#done || this.#partlyConsumed || this.#listener !== null
  }

  /** All of it came while it was held. */
  get ended(): boolean {
    return this.#ended
  }

  /** Number of bytes that came while it was held; null when one of the pieces is none. */
  get bufferedLength(): number | null {
    try {
      return this.#buffered.reduce<number>((sum, piece) => sum + toBytes(piece).length, 0)
    } catch {
      return null
    }
  }

  /** Lets it flow to `listener`, from the next microtask on. */
  start(listener: BodyStreamListener): void {
    this.#listener = listener
    queueMicrotask(() => this.resume())
  }

  /** The listener takes more. */
  resume(): void {
    const listener = this.#listener
    if (this.#done || listener === null || !this.writableNeedDrain) return
    if (this.error !== null) return this.#notifyEnd()
    this.writableNeedDrain = false
    while (this.#buffered.length > 0 && !this.writableNeedDrain) {
      this.writableNeedDrain = !listener.onChunk(this.#buffered.shift())
    }
    if (this.writableNeedDrain || this.#done) return
    if (this.#ended) return this.#notifyEnd()
    this.emit('drain')
    this.#readUntilFull()
  }

  #notifyEnd(): void {
    const listener = this.#listener as BodyStreamListener
    this.#detach()
    if (this.error === null) listener.onSourceEnd()
    else listener.onSourceError(this.error)
  }

  /** Ends it without reading the rest. */
  stop(error?: Error | null): void {
    if (this.#done) return
    this.#detach()
    const stream = this.#stream
    // The caller may have no listener, and the error is not news.
    stream.on('error', ignore)
    stream.unpipe?.(this as unknown as NodeJS.WritableStream)
    if (this.#ended) return
    // A tick later: the removal of a `readable` listener takes effect in a tick.
    if (isIncomingRequest(stream)) nextTick(() => stream.resume())
    else callUserCode(() => stream.destroy?.(error === undefined || error === null ? undefined : streamError(error)))
  }

  /** As of a Writable: called by the pipe. */
  write(piece: unknown): boolean {
    if (this.#done) return true
    if (this.#flowsToReader) {
      if (this.#startedWithOtherBody) this.#partlyConsumed = true
      else this.#buffered.push(copyChunk(piece))
      return true
    }
    if (this.#listener === null || this.writableNeedDrain) {
      this.#buffered.push(copyChunk(piece))
      if (!this.#isClaimed && !this.#hasOtherReader) this.#bufferedUnread = true
      return false
    }
    this.writableNeedDrain = !this.#listener.onChunk(piece)
    return !this.writableNeedDrain
  }

  /** As of a Writable: called by the pipe. */
  end(piece?: unknown): void {
    if (piece !== undefined && piece !== null) this.write(piece)
    this.#ended = true
    this.emit('finish')
    if (!this.#done && this.#listener !== null && !this.writableNeedDrain) this.#notifyEnd()
  }

  /** As of a Writable: older pipes call it on `close`, which is listened to here. */
  destroy(): void {}

  /** With a `readable` listener, which a caller may have left behind, no pipe flows: it has to be read. */
  #readUntilFull(): void {
    const stream = this.#stream
    if (typeof stream.read !== 'function' || !(stream.listenerCount?.('readable') > 0)) return
    if (!this.#readsAll) stream.on('readable', this.#onReadable)
    this.#readsAll = true
    this.#onReadable()
  }

  readonly #onReadable = (): void => {
    while (!this.writableNeedDrain && !this.#done && this.#stream.read() !== null);
  }

  #fail(error: Error): void {
    if (this.#done || this.error !== null) return
    markCallerFault(error)
    this.error = error
    if (this.#listener === null) this.#owner?.onBodyFailed(error)
    else this.#notifyEnd()
  }

  #detach(): void {
    this.#done = true
    this.#buffered = []
    const stream = this.#stream
    stream.removeListener('error', this.#onError)
    stream.removeListener('close', this.#onClose)
    stream.removeListener('newListener', this.#onNewListener)
    // Node pauses a stream that loses a `readable` listener, even one that was never added, unless it has others.
    if (this.#readsAll) stream.removeListener('readable', this.#onReadable)
  }
}

/** A request that a server of the caller's received: destroyed, it would take the connection of its answer along. */
function isIncomingRequest(stream: Readable & { httpVersion?: unknown; method?: unknown }): boolean {
  return typeof stream.httpVersion === 'string' && typeof stream.method === 'string'
}

/** As Node's own readers of streams report it. */
function prematureClose(): Error {
  return Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

function ignore(): void {}
