import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Alarm, queueMicrotask, setImmediate } from '../base/clock.js'
import { unpooledConcat } from '../base/unpooled-memory.js'
import { reportUncaught } from '../base/user-code.js'
import { copyForeignError, type SocketInfo } from '../errors.js'
import { destroyUnused, markInUse, markUnused, notAByteStream, typeName } from './check-socket.js'
import type { Onread } from './connector.js'
import { isMocked } from './mocked-socket.js'
import { readAfterWriteErrors, restoreDestroy } from './read-after-write-error.js'
import { bodyReadBuffer, endReadWait, ownChunk, takesBufferFunction } from './read-buffers.js'
import { stopStoringSessions } from './session-cache.js'
import { socketInfo } from './socket-info.js'
import { addListeners, removeListeners, type SocketEvents, type SocketListeners } from './socket-listeners.js'

/** Receives the bytes and events of a socket. */
export interface SocketReaderListener {
  /** Called with the number of bytes read into the start of the input buffer. Return false to stop reading. */
  onBytes(length: number): boolean
  /** Number of bytes to come that need no parsing and may be read into a buffer of their own. */
  readonly unparsedBytes: number
  /** Called with body bytes in a buffer of their own. Return false to stop reading. */
  onBodyBytes(chunk: Buffer): boolean
  /** Called when the peer ended its side and all bytes before it were delivered. */
  onReadEnd(): void
  onSocketError(error: Error): void
  onSocketClose(): void
  /** Called when the socket drained. */
  onWritable(): void
}

/** Input buffer of a parser engine. All sockets of the engine read into it, one at a time. */
export interface SharedInputBuffer {
  readonly input: Buffer
  /** Whether the buffer holds bytes that are being parsed and must not be overwritten. */
  readonly busy: boolean
}

const EMPTY = new Uint8Array(0)

/** ms after {@link SocketReader.close} within which the peer must end its side. */
const CLOSE_TIMEOUT = 500

/** Reads one socket into the input buffer that all sockets share, and closes it. */
export class SocketReader implements SocketEvents {
  /** Receiver of bytes and events; null before {@link attach} and after {@link release}. */
  listener: SocketReaderListener | null = null
  readonly #sharedInput: SharedInputBuffer
  #socket: Duplex | null = null
  /** Whether the socket was opened with {@link onread}. */
  #usesOnread = false
  #socketListeners: SocketListeners | null = null
  #paused = false
  /** Whether a connector left a `readable` listener on the socket, which prevents flowing mode. */
  #readsOnReadable = false
  /** Whether the last read filled its buffer, so that more bytes are available already. */
  #lastReadFilledBuffer = false
  /** Buffer that the next read fills; null for the input buffer. */
  #bodyBuffer: Buffer | null = null
  /** Chunks received while the input buffer was busy or reading was paused. */
  #queuedChunks: Uint8Array[] | null = null
  /** Rest of the chunk in delivery, after the part that is in the input buffer. */
  #undelivered: Uint8Array = EMPTY
  /** Whether the peer ended its side. All its bytes were received then. */
  ended = false
  #closeReported = false
  /** Destroys the socket if the peer does not end its side after {@link close}. */
  #closeTimer: Alarm | null = null
  #deliveryScheduled = false

  constructor(shared: SharedInputBuffer) {
    this.#sharedInput = shared
  }

  /** The `onread` option for a socket opened for this connection. The kernel then writes into the input buffer. */
  get onread(): Onread {
    this.#usesOnread = true
    const buffer = takesBufferFunction() ? this.#nextBuffer.bind(this) : this.#sharedInput.input
    return { buffer, callback: this.#onread.bind(this) }
  }

  /** Starts to read a socket. Returns the error that a method of the stream threw, in which case it is not attached. */
  attach(socket: Duplex, listener: SocketReaderListener): Error | null {
    try {
      this.#attach(socket, listener)
      return null
    } catch (error) {
      this.listener = null
      this.#socket = null
      markUnused(socket)
      destroyUnused(socket)
      return copyForeignError(error)
    }
  }

  #attach(socket: Duplex, listener: SocketReaderListener): void {
    this.#socket = socket
    this.listener = listener
    markInUse(socket)
    readAfterWriteErrors(socket)
    this.#usesOnread &&= !isMocked(socket)
    const listeners = addListeners(socket, this, !this.#usesOnread)
    this.#socketListeners = listeners
    // A connector with a handshake of its own may have paused the socket.
    socket.resume()
    this.#readsOnReadable = socket.listenerCount('readable') > 0
    if (this.#readsOnReadable) {
      socket.on('readable', listeners.readable)
      this.#readAvailableLater()
    }
    if (this.#queuedChunks !== null) this.#deliverQueuedLater()
  }

  /** Addresses and byte counts of the socket, for errors; null if none is attached. */
  get info(): SocketInfo | null {
    return this.#socket === null ? null : socketInfo(this.#socket)
  }

  /** Stops reading. */
  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  /** Delivers queued chunks, then continues to read. */
  resume(): void {
    this.#paused = false
    if (this.#queuedChunks !== null) this.#deliverQueuedLater()
    else this.#restart()
  }

  /** Lets the process exit while the socket is open. Used for idle connections. */
  unref(): void {
    try {
      ;(this.#socket as Socket | null)?.unref?.()
    } catch (error) {
      reportUncaught(error)
    }
  }

  /** Reverts {@link unref}. */
  ref(): void {
    try {
      ;(this.#socket as Socket | null)?.ref?.()
    } catch (error) {
      reportUncaught(error)
    }
  }

  /**
   * Ends the local side, and closes the socket when the peer has ended its side, so that a connection does not count as
   * closed while the peer counts it as open. Discards received bytes. `onSocketClose` is called at the end.
   */
  close(): void {
    const socket = this.#socket
    if (socket === null || socket.destroyed) return this.destroy()
    this.#closeTimer = new Alarm({ onAlarm: () => this.destroy() })
    this.#closeTimer.set(CLOSE_TIMEOUT)
    this.ref()
    this.#queuedChunks = null
    try {
      socket.end()
      this.resume()
    } catch (error) {
      this.#closeTimer.clear()
      reportUncaught(error)
      this.destroy()
    }
  }

  /** Destroys the socket at once, unless {@link close} is in progress. `onSocketClose` is called later. */
  destroy(): void {
    this.#queuedChunks = null
    const socket = this.#socket
    if (socket === null || this.#closeTimer?.pending) return
    try {
      socket.destroy()
    } catch (error) {
      reportUncaught(error)
      return queueMicrotask(() => this.onClose())
    }
    // A stream of a connector may not emit `close`.
    if (!this.#usesOnread) setImmediate(() => setImmediate(() => socket.closed && this.onClose()))
  }

  /** Detaches the socket for a caller, with `rest` and all undelivered bytes put back into it. */
  release(rest: Uint8Array): Duplex {
    const socket = this.#socket as Duplex
    this.listener = null
    markUnused(socket)
    restoreDestroy(socket)
    stopStoringSessions(socket)
    removeListeners(socket, this.#socketListeners as SocketListeners)
    // The socket must behave like a new one: it reads ahead, so that `end` is emitted even if only that is listened for,
    // and buffers data until a listener is added. A paused socket does neither. A socket that is resumed in the turn in
    // which its `readable` listener is removed would flow in the next turn and lose data, so it is read instead.
    if (this.#readsOnReadable) socket.read(0)
    else socket.resume()
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    const unread = unpooledConcat([rest, this.#undelivered, ...(this.#queuedChunks ?? [])])
    this.#undelivered = EMPTY
    this.#queuedChunks = null
    if (unread.length > 0) socket.unshift(unread)
    return socket
  }

  /**
   * Returns the buffer for the next read. A long body that arrives faster than it is read gets buffers that are passed to
   * the caller. Everything else uses the input buffer, so that an idle connection has no memory of its own. Never returns
   * undefined: Node also calls this for each connect attempt, and a handle without an answer would read elsewhere while
   * this object would parse stale bytes of the input buffer.
   */
  #nextBuffer(): Uint8Array {
    const { input } = this.#sharedInput
    const left = this.#lastReadFilledBuffer && !this.#paused ? (this.listener?.unparsedBytes ?? 0) : 0
    this.#bodyBuffer = bodyReadBuffer(left)
    return this.#bodyBuffer ?? input
  }

  #takeBodyBuffer(): Buffer | null {
    const buffer = this.#bodyBuffer
    if (buffer !== null) endReadWait()
    this.#bodyBuffer = null
    return buffer
  }

  /** Handles a read. Must not throw: Node would not request the next buffer and would read into one a caller owns. */
  #onread(length: number): boolean {
    const { listener } = this
    const direct = this.#takeBodyBuffer()
    const buffer = direct ?? this.#sharedInput.input
    this.#lastReadFilledBuffer = length === buffer.length
    if (this.#closeTimer !== null) return true
    if (listener === null) {
      const bytes = buffer.subarray(0, length)
      if (this.#socket === null) return this.#queue('push', bytes)
      const copied = this.#copy(() => unpooledConcat([bytes]))
      return copied !== null && this.#socket.push(copied)
    }
    let continueReading = true
    try {
      continueReading = direct === null ? listener.onBytes(length) : this.#onBodyBuffer(listener, direct, length)
    } catch (error) {
      reportUncaught(error)
    }
    // After close() from within the callback, reading continues until the peer ends its side.
    if (this.listener === null || this.#closeTimer !== null) return true
    if (!continueReading) this.#paused = true
    return continueReading
  }

  /** Passes on the `length` bytes at the start of `buffer`. The caller owns the memory of the chunk and may transfer it. */
  #onBodyBuffer(listener: SocketReaderListener, buffer: Buffer, length: number): boolean {
    const chunk = this.#copy(() => ownChunk(buffer, length))
    if (chunk === null) return false
    if (length <= listener.unparsedBytes) return listener.onBodyBytes(chunk)
    // A part of the body arrived by another path meanwhile: mocks push their data into sockets.
    this.onData(chunk)
    return !this.#paused
  }

  /** Copies received bytes. Without memory for them the socket is destroyed: a response must not have a gap. */
  #copy(copy: () => Buffer): Buffer | null {
    try {
      return copy()
    } catch (error) {
      this.#socket?.destroy(error as Error)
      return null
    }
  }

  /** Queues a copy of received bytes, because their source may fill the same memory again. */
  #queue(method: 'push' | 'unshift', bytes: Uint8Array): boolean {
    const copied = this.#copy(() => unpooledConcat([bytes]))
    if (copied === null) return false
    this.#queuedChunks ??= []
    this.#queuedChunks[method](copied)
    return true
  }

  onData(given: unknown): void {
    if (this.#closeTimer !== null) return
    if (!ArrayBuffer.isView(given))
      return this.listener?.onSocketError(notAByteStream(`a stream that yields ${typeName(given)}`))
    const chunk = given as Buffer
    if (this.#queuedChunks === null && this.#undelivered.length === 0 && !this.#paused && !this.#sharedInput.busy) {
      return this.#deliver(chunk)
    }
    if (this.#queue('push', chunk) && !this.#paused) this.#deliverQueuedLater()
  }

  /** Delivers a chunk in parts, because it may be longer than the input buffer. */
  #deliver(chunk: Uint8Array): void {
    const { input } = this.#sharedInput
    for (let at = 0; at < chunk.length; at += input.length) {
      const { listener } = this
      if (listener === null) return
      const part = chunk.subarray(at, at + input.length)
      input.set(part)
      // Stored for release(), which the listener may call.
      this.#undelivered = chunk.subarray(at + part.length)
      const continueReading = listener.onBytes(part.length)
      const rest = this.#undelivered
      this.#undelivered = EMPTY
      if (this.listener === null || this.#closeTimer !== null) return
      if (continueReading) continue
      if (rest.length > 0) this.#queue('unshift', rest)
      this.pause()
      return
    }
  }

  #deliverQueuedLater(): void {
    if (this.#deliveryScheduled) return
    this.#deliveryScheduled = true
    queueMicrotask(() => {
      this.#deliveryScheduled = false
      this.#deliverQueued()
    })
  }

  #deliverQueued(): void {
    while (this.#queuedChunks !== null && !this.#paused && this.listener !== null) {
      const first = this.#queuedChunks.shift() as Uint8Array
      if (this.#queuedChunks.length === 0) this.#queuedChunks = null
      this.#deliver(first)
    }
    if (this.#paused || this.listener === null) return
    if (this.ended) this.listener.onReadEnd()
    else this.#restart()
  }

  #restart(): void {
    const socket = this.#socket
    if (socket === null || socket.destroyed) return
    socket.resume()
    // A socket stopped by its `onread` callback still counts as flowing: only read() starts its handle again.
    socket.read(0)
    if (this.#readsOnReadable) this.#readAvailableLater()
  }

  #readAvailableLater(): void {
    queueMicrotask(() => this.onReadable())
  }

  onDrain(): void {
    this.listener?.onWritable()
  }

  /** Reads a socket that is not in flowing mode. What it reads is emitted as `data`. */
  onReadable(): void {
    while (!this.#paused && this.listener !== null && this.#socket?.read() != null);
  }

  /** Reports a socket error. A stream of a connector may be destroyed with an error object that is used elsewhere too. */
  onError(error: Error): void {
    this.listener?.onSocketError(this.#usesOnread ? error : copyForeignError(error))
  }

  onClose(): void {
    if (this.#closeReported) return
    this.#closeReported = true
    this.#takeBodyBuffer()
    this.#closeTimer?.dispose()
    this.listener?.onSocketClose()
  }

  onEnd(): void {
    this.ended = true
    if (this.#queuedChunks === null && this.#closeTimer === null) this.listener?.onReadEnd()
  }
}
