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

/** Receives the chunks of a {@link BodyStream}. */
export interface BodyStreamListener {
  /** Receives a chunk, whose memory may be overwritten after the call. Returns whether to send the next chunk. */
  onChunk(chunk: unknown): boolean
  onSourceEnd(): void
  onSourceError(error: Error): void
}

/** Owner of a {@link BodyStream}, notified if it fails before it is sent. */
export interface BodyStreamOwner {
  /** Whether its request has completed or failed. */
  readonly done: boolean
  onBodyFailed(error: Error): void
}

/** A stream of any library. */
type Source = Readable & { readable?: boolean }

const bodyStreams = new WeakMap<object, BodyStream>()
/** Destroyed streams whose further errors are ignored. */
const ignoredStreams = new WeakSet<object>()

/** Whether `body` is a readable stream: of Node, or of an old library that has only `pipe` and `on`. */
export function isStream(body: unknown): body is Readable {
  if (typeof body !== 'object' || body === null) return false
  const stream = body as Partial<Source>
  if (typeof stream.pipe !== 'function' || typeof stream.on !== 'function') return false
  // An old-style stream may have ended since it became a body.
  if (bodyStreams.has(stream)) return true
  // A Writable has `pipe` too, but can not be read.
  return isIterable(stream, Symbol.asyncIterator) ? typeof stream.destroy === 'function' : stream.readable === true
}

/**
 * Checks that `stream` can be a request body. Data read before is not part of the body.
 * @throws {InvalidArgumentError} the stream has ended, was destroyed or belongs to another request; or the stream's own
 * error
 */
export function checkStream(stream: Readable): void {
  const known = bodyStreams.get(stream)
  if (known?.used)
    throw invalidArgument('body is a stream that another request has used: create a stream for each request')
  const error = known?.error ?? stream.errored
  markCallerFault(error)
  if (error) {
    // The stream was destroyed in this event-loop turn: its `error` event is still to come, and this request reports
    // it.
    if (known === undefined) ignoreLateErrors(stream)
    throw error
  }
  if (known?.ended) return
  if (stream.destroyed || stream.readableEnded) {
    // A file that could not be opened emits its error after it was destroyed.
    if (stream.destroyed) ignoreLateErrors(stream)
    throw invalidArgument('body is a stream that has already ended or been destroyed: create a stream for each request')
  }
}

/** Returns the {@link BodyStream} of `stream`, if it has one. */
export function findBodyStream(stream: Readable): BodyStream | undefined {
  return bodyStreams.get(stream)
}

/** Pauses `stream` until its request is sent. Returns `null` if an outer layer already owns it. */
export function ownStream(stream: Readable): BodyStream | null {
  return bodyStreams.has(stream) ? null : new BodyStream(stream)
}

/**
 * A stream used as request body, from dispatch on. It pipes the stream into itself as a destination that is full until
 * the request is sent. The stream is thereby paused even if others listen to it or pipe it, and then flows at the pace
 * of the slowest reader. Data that flows earlier, because a caller resumed the stream, is buffered and sent first.
 *
 * Until a request claims it, an interceptor may read the stream in order to send another body. The stream then flows to
 * that reader, and data is buffered until the request starts with the other body.
 */
export class BodyStream extends LazyStream {
  /** Private, so that an object that refers to this one can still be serialized as JSON. */
  readonly #stream: Source
  readonly writable = true
  /** Property that `pipe` reads: the destination is full. */
  writableNeedDrain = true
  /** Error of the stream, before or while it was sent. */
  error: Error | null = null
  #owner: BodyStreamOwner | null = null
  /** Whether the owner is a request that sends the stream. */
  #claimed = false
  /** Whether another reader was added before a request claimed the stream. */
  #hasOtherReader = false
  /** Whether the stream flows to that reader. */
  #flowsToReader = false
  /** Whether the request has started with another body. */
  #startedWithOtherBody = false
  /** Whether data of the stream was consumed for another body. */
  #partlyConsumed = false
  /** Whether data was buffered before another reader was added. */
  #bufferedUnread = false
  #piping = false
  /** Whether `#onReadable` is a listener of the stream. */
  #readsAll = false
  #listener: BodyStreamListener | null = null
  #buffered: unknown[] = []
  #ended = false
  #done = false
  readonly #onError = (error: unknown): void => this.#fail(error as Error)
  readonly #onClose = (): void => {
    if (this.#ended) return
    // An interceptor may destroy a stream that it has replaced. Otherwise a remaining pipe would never end its
    // destination.
    if (this.#isClaimed || this.#stream.listenerCount?.('data') > 1) this.#fail(prematureClose())
  }

  /** Returns the BodyStream of `stream`, and creates it if need be. */
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
    // `unpipe()` without an argument removes all pipes, but is meant for the caller's.
    this.on('unpipe', () => {
      if (!this.#done && !this.#ended) this.#pipe()
    })
    // Without the pause the first pipe would start to read.
    stream.pause?.()
    this.#pipe()
  }

  #pipe(): void {
    this.#piping = true
    this.#stream.pipe(this as unknown as NodeJS.WritableStream)
    this.#piping = false
  }

  /** Pauses the stream until `owner` sends it. */
  claim(owner: BodyStreamOwner): void {
    this.#owner = owner
    this.#claimed = true
    this.#hasOtherReader = false
    this.#flowsToReader = false
    this.#startedWithOtherBody = false
    if (this.#listener === null) this.writableNeedDrain = true
  }

  /** Lets interceptors read the stream again. `owner` is still notified if it fails. */
  release(owner: BodyStreamOwner): void {
    this.#owner = owner
    this.#claimed = false
  }

  /** Handles the start of the owner's request. If the request has not claimed the stream, it sends another body. */
  onRequestStart(owner: BodyStreamOwner): void {
    if (this.#isClaimed) return
    this.release(owner)
    this.#startedWithOtherBody = true
    this.#partlyConsumed = this.#partlyConsumed || this.#buffered.length > 0
    this.#buffered = []
    this.#failIfIncomplete()
  }

  /** Handles the end of the request: stops the stream, unless it is being sent. */
  onRequestEnd(): void {
    if (this.#listener === null) this.stop()
  }

  get #isClaimed(): boolean {
    return this.#listener !== null || (this.#claimed && this.#owner?.done === false)
  }

  /** Another body made from this stream must contain all of its data. */
  #failIfIncomplete(): void {
    if (!this.#startedWithOtherBody || !this.#flowsToReader || !this.#bufferedUnread) return
    this.#owner?.onBodyFailed(
      new InvalidArgumentError('body is a stream that emitted data before the request read it: do not resume it'),
    )
  }

  readonly #onNewListener = (event: unknown): void => {
    if ((event !== 'data' && event !== 'readable') || this.#piping || this.#hasOtherReader || this.#isClaimed) return
    this.#hasOtherReader = true
    // The listener may only observe progress: the same stream can still be dispatched in this tick.
    queueMicrotask(() => {
      if (this.#done || this.#isClaimed) return
      this.#flowsToReader = true
      this.writableNeedDrain = false
      this.#failIfIncomplete()
      this.emit('drain')
      this.#stream.resume?.()
    })
  }

  /**
   * Returns a Readable with the same data, for a dispatcher of another library. `stream` is paused until it is read.
   */
  static toReadable(stream: Readable): Readable {
    const known = BodyStream.of(stream)
    return known.used ? stream : known.#toReadable()
  }

  #toReadable(): Readable {
    const listener: BodyStreamListener = {
      onChunk: (chunk) => readable.push(Buffer.from(toBytes(copyChunk(chunk)))),
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

  /** Whether the stream can not be the body of another request any more. */
  get used(): boolean {
    return this.#done || this.#partlyConsumed || this.#listener !== null
  }

  /** Whether the stream has ended and all of its data was buffered. */
  get ended(): boolean {
    return this.#ended
  }

  /** Number of buffered bytes; `null` if a chunk is neither a string nor bytes. */
  get bufferedLength(): number | null {
    try {
      return this.#buffered.reduce<number>((sum, chunk) => sum + toBytes(chunk).length, 0)
    } catch {
      return null
    }
  }

  /** Starts to pass the stream to `listener`, from the next microtask on. */
  start(listener: BodyStreamListener): void {
    this.#listener = listener
    queueMicrotask(() => this.resume())
  }

  /** Continues after the listener was full. */
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

  /** Closes the stream without reading the rest. */
  stop(error?: Error | null): void {
    if (this.#done) return
    this.#detach()
    const stream = this.#stream
    // The request reports the error; without a listener it would be an uncaught exception.
    stream.on('error', ignore)
    stream.unpipe?.(this as unknown as NodeJS.WritableStream)
    if (this.#ended) return
    // Removing a `readable` listener takes effect on the next tick.
    if (isIncomingRequest(stream)) nextTick(() => stream.resume())
    else callUserCode(() => stream.destroy?.(error === undefined || error === null ? undefined : streamError(error)))
  }

  /** Part of the Writable interface, called by the pipe. */
  write(chunk: unknown): boolean {
    if (this.#done) return true
    if (this.#flowsToReader) {
      if (this.#startedWithOtherBody) this.#partlyConsumed = true
      else this.#buffered.push(copyChunk(chunk))
      return true
    }
    if (this.#listener === null || this.writableNeedDrain) {
      this.#buffered.push(copyChunk(chunk))
      if (!this.#isClaimed && !this.#hasOtherReader) this.#bufferedUnread = true
      return false
    }
    this.writableNeedDrain = !this.#listener.onChunk(chunk)
    return !this.writableNeedDrain
  }

  /** Part of the Writable interface, called by the pipe. */
  end(chunk?: unknown): void {
    if (chunk !== undefined && chunk !== null) this.write(chunk)
    this.#ended = true
    this.emit('finish')
    if (!this.#done && this.#listener !== null && !this.writableNeedDrain) this.#notifyEnd()
  }

  /** Part of the Writable interface. Old pipes call it on `close`, which has its own listener here. */
  destroy(): void {}

  /**
   * Reads the stream until it is empty or the listener is full. A stream with a `readable` listener of the caller does
   * not flow into pipes.
   */
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
    // Node pauses a stream when a `readable` listener is removed, even one that was never added, unless it has others.
    if (this.#readsAll) stream.removeListener('readable', this.#onReadable)
  }
}

/** Whether a stream is a request that a server received. Destroying it would close the connection of its response. */
function isIncomingRequest(stream: Readable & { httpVersion?: unknown; method?: unknown }): boolean {
  return typeof stream.httpVersion === 'string' && typeof stream.method === 'string'
}

/** Returns the error that Node reports for a stream that closes before its end. */
function prematureClose(): Error {
  return Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

/** Ignores errors that a destroyed stream may still emit: its request reports why the stream can not be sent. */
function ignoreLateErrors(stream: Readable): void {
  if (ignoredStreams.has(stream)) return
  ignoredStreams.add(stream)
  stream.on('error', ignore)
}

function ignore(): void {}
