import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Alarm, queueMicrotask, setImmediate } from '../base/clock.js'
import { unpooled, unpooledConcat, unpooledCopy } from '../base/unpooled-memory.js'
import { reportUncaught } from '../base/user-code.js'
import { readProperty } from '../errors/safe-read.js'
import { copyForeignError, type SocketInfo } from '../errors.js'
import { destroyUnused, markInUse, markUnused, notAByteStream, typeName } from './check-socket.js'
import type { Onread } from './connector.js'
import { isMocked } from './mocked-socket.js'
import { readAfterWriteErrors, restoreDestroy } from './read-after-write-error.js'
import { bodyReadBuffer, recycleBuffer, takesBufferFunction } from './read-buffers.js'
import { stopStoringSessions } from './session-cache.js'

/** Tells of what a socket does. */
export interface SocketReaderListener {
  /** `length` bytes stand at the start of the input buffer. Return false to stop reading. */
  onBytes(length: number): boolean
  /** How many of the bytes to come may be read past the input buffer, into memory that is handed on. */
  readonly unparsedBytes: number
  /** As {@link onBytes}, for bytes that came past the input buffer. */
  onBodyBytes(chunk: Buffer): boolean
  /** The peer ended its side. */
  onReadEnd(): void
  onSocketError(error: Error): void
  onSocketClose(): void
  /** The socket drained. */
  onWritable(): void
}

/** What all sockets of an engine read into, one at a time. */
export interface SharedInputBuffer {
  readonly input: Buffer
  /** It holds bytes that are being read: nobody else may write there. */
  readonly busy: boolean
}

const EMPTY = new Uint8Array(0)

/** What errors tell of a socket. That of a connector may have getters that throw. */
const INFO_PROPERTIES = [
  'localAddress',
  'localPort',
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'timeout',
  'bytesWritten',
  'bytesRead',
] as const

/** ms in which a peer closes its side of a connection that is ended in peace. */
const CLOSE_TIMEOUT = 500

const readers = new WeakMap<object, SocketReader>()

/** The same functions for all sockets: five closures of each connection would be a tenth of what it holds while idle. */
const LISTENERS = {
  error(this: Duplex, error: Error): void {
    readers.get(this)?.onError(error)
  },
  close(this: Duplex): void {
    readers.get(this)?.onClose()
  },
  drain(this: Duplex): void {
    readers.get(this)?.listener?.onWritable()
  },
  end(this: Duplex): void {
    readers.get(this)?.onEnd()
  },
  data(this: Duplex, chunk: unknown): void {
    readers.get(this)?.onData(chunk)
  },
  readable(this: Duplex): void {
    readers.get(this)?.readAvailable()
  },
}

/** For sockets that are proxied, by a mock or by the caller: `this` is not always the object that was attached. */
function listenersBoundTo(socket: Duplex): typeof LISTENERS {
  const bound = Object.entries(LISTENERS).map(([event, listener]) => [event, listener.bind(socket)])
  return Object.fromEntries(bound)
}

/** The reading side of one socket: bytes arrive in an input buffer that all sockets share. */
export class SocketReader {
  /** null before {@link attach} and after {@link release}. */
  listener: SocketReaderListener | null = null
  readonly #input: SharedInputBuffer
  #socket: Duplex | null = null
  /** The socket was opened to be read by {@link onread}. */
  #usesOnread = false
  #socketListeners = LISTENERS
  #paused = false
  /** A connector left a `readable` listener behind, which keeps the stream from flowing. */
  #readsOnReadable = false
  /** The last read filled its buffer: continueReading has come already. */
  #lastReadFilledBuffer = false
  /** What the next read fills, if not the input buffer. */
  #bodyBuffer: Buffer | null = null
  /** Bytes of a socket that came while the input buffer was in use, or while paused. */
  #queuedChunks: Uint8Array[] | null = null
  /** What is left of the chunk in delivery, behind the part that stands in the input buffer. */
  #undelivered: Uint8Array = EMPTY
  /** The peer ended its side, and what it had sent before came whole. */
  ended = false
  /** The socket is closed. */
  #closeReported = false
  /** Ends the socket of a peer that does not answer {@link close}. */
  #closeTimer: Alarm | null = null
  #deliveryScheduled = false

  constructor(shared: SharedInputBuffer) {
    this.#input = shared
  }

  /** For a connector that opens sockets for this connection alone: the kernel then writes into the input buffer. */
  get onread(): Onread {
    this.#usesOnread = true
    const buffer = takesBufferFunction() ? this.#nextBuffer.bind(this) : this.#input.input
    return { buffer, callback: this.#onread.bind(this) }
  }

  /** Begins to read. Returns what a method of the caller's stream threw, null otherwise: then it is not attached. */
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
    readers.set(socket, this)
    const listeners = this.#usesOnread && !isMocked(socket) ? LISTENERS : listenersBoundTo(socket)
    this.#socketListeners = listeners
    socket.on('error', listeners.error)
    socket.on('close', listeners.close)
    socket.on('drain', listeners.drain)
    socket.on('end', listeners.end)
    // Also where `onread` was asked for: mocks push what they have into the sockets of Node.
    socket.on('data', listeners.data)
    // A connector that did a handshake of its own may have paused it.
    socket.resume()
    this.#readsOnReadable = socket.listenerCount('readable') > 0
    if (this.#readsOnReadable) {
      socket.on('readable', listeners.readable)
      this.#readAvailableLater()
    }
    if (this.#queuedChunks !== null) this.#deliverQueuedLater()
  }

  /** Facts about the socket, for errors. */
  get info(): SocketInfo | null {
    const socket = this.#socket
    if (socket === null) return null
    const values = INFO_PROPERTIES.map((name) => [name, readProperty(socket, name)] as const)
    return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as SocketInfo
  }

  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#queuedChunks !== null) this.#deliverQueuedLater()
    else this.#restart()
  }

  /** An idle connection must not keep the process alive. */
  unref(): void {
    try {
      ;(this.#socket as Socket | null)?.unref?.()
    } catch (error) {
      reportUncaught(error)
    }
  }

  ref(): void {
    try {
      ;(this.#socket as Socket | null)?.ref?.()
    } catch (error) {
      reportUncaught(error)
    }
  }

  /**
   * Ends our side, and the socket once the peer has ended its own: nothing is counted as closed that the peer still
   * counts as open. What comes meanwhile is dropped. `onSocketClose` still follows.
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

  /** Ends the socket. `onSocketClose` still follows. */
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
    // A stream of the caller's need not emit the event.
    if (!this.#usesOnread) setImmediate(() => setImmediate(() => socket.closed && this.onClose()))
  }

  /** Hands the socket to a user, `rest` first. */
  release(rest: Uint8Array): Duplex {
    const socket = this.#socket as Duplex
    this.listener = null
    readers.delete(socket)
    markUnused(socket)
    restoreDestroy(socket)
    stopStoringSessions(socket)
    for (const [event, listener] of Object.entries(this.#socketListeners)) socket.off(event, listener)
    // As new: it is read ahead, so that its end is heard by whoever listens for nothing else, and what comes is unread
    // until somebody reads. Paused, neither would be. Resumed and rid of a `readable` listener in one turn, it would flow
    // in the next one, and lose what comes.
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
   * While a long body comes faster than it is read, it is read into memory that is handed on. All else goes through the
   * input buffer, so that a connection that waits has no memory of its own. Never undefined: it is asked for each address that
   * is tried too, and a handle that gets no answer reads elsewhere, while we would read what others left here.
   */
  #nextBuffer(): Uint8Array {
    const { input } = this.#input
    const left = this.#lastReadFilledBuffer && !this.#paused ? (this.listener?.unparsedBytes ?? 0) : 0
    this.#bodyBuffer = bodyReadBuffer(left)
    return this.#bodyBuffer ?? input
  }

  /** Never throws: Node would not ask for the next buffer, and read on in one that was handed over. */
  #onread(length: number): boolean {
    const { listener } = this
    const direct = this.#bodyBuffer
    const buffer = direct ?? this.#input.input
    this.#bodyBuffer = null
    this.#lastReadFilledBuffer = length === buffer.length
    if (this.#closeTimer !== null) return true
    if (listener === null) {
      const bytes = unpooledCopy(buffer, 0, length)
      if (this.#socket !== null) return this.#socket.push(bytes)
      this.#queuedChunks ??= []
      this.#queuedChunks.push(bytes)
      return true
    }
    let continueReading = true
    try {
      continueReading =
        direct === null ? listener.onBytes(length) : this.#onBodyBuffer(listener, direct.subarray(0, length))
    } catch (error) {
      reportUncaught(error)
    }
    // After hangUp() from within it reads on, to the end of the peer.
    if (this.listener === null || this.#closeTimer !== null) return true
    if (!continueReading) this.#paused = true
    return continueReading
  }

  /** A buffer that was filled is handed over; one that was not has not been seen by a caller, and is read into again. */
  #onBodyBuffer(listener: SocketReaderListener, bytes: Buffer): boolean {
    const chunk = unpooled(bytes)
    if (chunk !== bytes) recycleBuffer(bytes.buffer)
    if (bytes.length <= listener.unparsedBytes) return listener.onBodyBytes(chunk)
    // A part of the body came another way since: mocks push what they have into sockets.
    this.onData(chunk)
    return !this.#paused
  }

  onData(given: unknown): void {
    if (this.#closeTimer !== null) return
    if (!ArrayBuffer.isView(given))
      return this.listener?.onSocketError(notAByteStream(`a stream that yields ${typeName(given)}`))
    const chunk = given as Buffer
    if (this.#queuedChunks === null && this.#undelivered.length === 0 && !this.#paused && !this.#input.busy) {
      return this.#deliver(chunk)
    }
    this.#queuedChunks ??= []
    // A connector's stream may fill the same memory again.
    this.#queuedChunks.push(unpooledConcat([chunk]))
    if (!this.#paused) this.#deliverQueuedLater()
  }

  /** A chunk may be longer than the input buffer. */
  #deliver(chunk: Uint8Array): void {
    const { input } = this.#input
    for (let at = 0; at < chunk.length; at += input.length) {
      const { listener } = this
      if (listener === null) return
      const part = chunk.subarray(at, at + input.length)
      input.set(part)
      // Whoever takes the socket over in there takes the rest of this chunk along.
      this.#undelivered = chunk.subarray(at + part.length)
      const continueReading = listener.onBytes(part.length)
      const rest = this.#undelivered
      this.#undelivered = EMPTY
      if (this.listener === null || this.#closeTimer !== null) return
      if (continueReading) continue
      if (rest.length > 0) {
        this.#queuedChunks ??= []
        this.#queuedChunks.unshift(unpooledConcat([rest]))
      }
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
    // A socket whose `onread` callback said stop is still flowing to itself: only a read starts the handle again.
    socket.read(0)
    if (this.#readsOnReadable) this.#readAvailableLater()
  }

  #readAvailableLater(): void {
    queueMicrotask(() => this.readAvailable())
  }

  /** Reads a socket that does not flow by itself: what is read is emitted as data. */
  readAvailable(): void {
    while (!this.#paused && this.listener !== null && this.#socket?.read() != null);
  }

  /** A socket of the caller's may be destroyed with an error that is used for others too. */
  onError(error: Error): void {
    this.listener?.onSocketError(this.#socketListeners === LISTENERS ? error : copyForeignError(error))
  }

  onClose(): void {
    if (this.#closeReported) return
    this.#closeReported = true
    this.#closeTimer?.dispose()
    this.listener?.onSocketClose()
  }

  onEnd(): void {
    this.ended = true
    if (this.#queuedChunks === null && this.#closeTimer === null) this.listener?.onReadEnd()
  }
}
