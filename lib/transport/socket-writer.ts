import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { nextTick, now, queueMicrotask } from '../base/clock.js'
import { RequestContentLengthMismatchError } from '../errors.js'
import { MAX_COPY, SendBuffer } from './send-buffer.js'

/** Maximum number of appended, unwritten bytes before the writer reports {@link SocketWriter.congested}. */
const MAX_PENDING = 65536

/** Bytes per write of a long body. Small enough that the progress of an upload is visible in what the socket accepts. */
const WRITE_SIZE = 262144
/** Bytes per write if the socket accepts one write after another quickly. */
const MAX_WRITE_SIZE = 16 * WRITE_SIZE
/** ms between two writes below which the write size is doubled. */
const FAST_WRITE = 20

/** Error message for a request body whose memory changed before it was sent. */
export const BODY_CHANGED = 'The request body was detached or resized before it was sent'

/** Receives the event of {@link SocketWriter.appendUncopied}. */
export interface SentListener {
  /** Called when the appended bytes are no longer read. */
  onSent(): void
}

/**
 * Collects what is appended in one event-loop turn and writes it to the socket at once. Memory of callers is read only
 * until the append method returns, except by {@link appendUncopied}, which reads it until `onSent`.
 */
export class SocketWriter {
  readonly socket: Duplex
  /** Whether the socket no longer reads bytes after its write callback. Streams of callers may keep them. */
  readonly #socketCopies: boolean
  /** Consecutive request headers, as one latin1 string. */
  #text = ''
  /** Appended pieces in order; null while {@link #text} is enough. */
  #pieces: (string | Uint8Array | SendBuffer)[] | null = null
  /** Last element of {@link #pieces} while more can be appended to it. */
  #openBuffer: SendBuffer | null = null
  /** Buffers that are in {@link #pieces} or not yet sent by the socket. */
  #usedBuffers: SendBuffer[] | null = null
  #sentListener: SentListener | null = null
  /** Position after the bytes of the pending {@link appendUncopied}. */
  #uncopiedEnd = 0
  /** Whether the socket buffered the last write, so that its callback is needed to release memory. */
  #drainsLater = false
  #writeCallback: ((error?: Error | null) => void) | null = null
  #scheduled = false
  #destroyed = false
  #bytesAppended = 0
  #bytesWritten = 0
  #writeSize = WRITE_SIZE
  #lastWriteAt = 0

  constructor(socket: Duplex) {
    this.socket = socket
    this.#socketCopies = isSystemSocket(socket)
  }

  /** Number of bytes appended since the start. */
  get bytesAppended(): number {
    return this.#bytesAppended
  }

  /** Number of bytes passed to `socket.write` since the start. Only these can have reached the peer. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** Whether memory of a caller is still being read. */
  get readsCallerMemory(): boolean {
    return this.#sentListener !== null
  }

  /** Whether all bytes before `position` (default: all appended bytes) were passed to the socket. */
  hasSent(position = this.#bytesAppended): boolean {
    return this.#bytesWritten >= position && this.#sentListener === null
  }

  /** Whether the caller should wait until the socket drained before it appends more. */
  get congested(): boolean {
    const { socket } = this
    // A socket that sent everything at once needs no draining, but it clears writableNeedDrain only in the next turn.
    if (socket.writableNeedDrain === true && socket.writableLength > 0) return true
    return this.#bytesAppended - this.#bytesWritten > MAX_PENDING
  }

  /** Appends text, encoded as latin1. */
  appendLatin1(text: string): void {
    this.#bytesAppended += text.length
    if (this.#openBuffer?.fits(text.length)) this.#openBuffer.addText(text)
    else this.#text += text
    this.#schedule()
  }

  /** Appends bytes that belong to the library and do not change. */
  appendImmutable(bytes: Uint8Array): void {
    if (bytes.length <= MAX_COPY) return this.appendCopy(bytes)
    this.#append(bytes)
    this.#schedule()
  }

  /** Appends a copy of `bytes`. The caller can reuse their memory when this returns. */
  appendCopy(bytes: Uint8Array): void {
    this.#schedule()
    if (!this.#socketCopies) return this.#append(new Uint8Array(bytes))
    for (let at = 0; at < bytes.length; at += MAX_COPY) {
      // After a flush that the socket accepts at once, the next part is copied into the same memory.
      if (this.congested) this.flush()
      this.#appendToBuffer(bytes.length <= MAX_COPY ? bytes : bytes.subarray(at, at + MAX_COPY))
    }
  }

  /** Appends `bytes` without a copy and calls `listener.onSent` when they are no longer read. Only one can be pending. */
  appendUncopied(bytes: Uint8Array, listener: SentListener): void {
    this.#sentListener = listener
    this.#append(bytes)
    this.#uncopiedEnd = this.#bytesAppended
    this.#schedule()
  }

  /** Whether {@link appendUncopied} can be used for `bytes` and saves a copy. */
  canSendUncopied(bytes: Uint8Array): boolean {
    return this.#socketCopies && bytes.length > MAX_COPY && this.#sentListener === null
  }

  #append(bytes: Uint8Array): void {
    this.#pushText()
    this.#pieces?.push(bytes)
    this.#openBuffer = null
    this.#bytesAppended += bytes.length
  }

  #appendToBuffer(bytes: Uint8Array): void {
    const text = this.#text
    if (text !== '' || !this.#openBuffer?.fits(bytes.length)) {
      // Long headers are not copied, so that the size of a copy stays bounded.
      if (text.length > MAX_COPY) this.#pushText()
      this.#pieces ??= []
      this.#openBuffer = new SendBuffer(this.#text.length + bytes.length)
      this.#pieces.push(this.#openBuffer)
      this.#usedBuffers ??= []
      this.#usedBuffers.push(this.#openBuffer)
      this.#openBuffer.addText(this.#text)
      this.#text = ''
    }
    this.#openBuffer.addBytes(bytes)
    this.#bytesAppended += bytes.length
  }

  #pushText(): void {
    this.#pieces ??= []
    if (this.#text !== '') this.#pieces.push(this.#text)
    this.#text = ''
  }

  /** Writes the appended bytes to the socket in one write; long bodies in parts, until the socket is full. */
  flush(): void {
    this.#scheduled = false
    if (this.#destroyed || this.#bytesWritten === this.#bytesAppended) return
    try {
      this.#write()
    } catch (error) {
      // The stream of a connector may throw from `write` instead of calling back.
      this.#fail(error as Error)
    }
  }

  #write(): void {
    const { socket } = this
    if (this.#pieces === null) {
      const text = this.#text
      this.#text = ''
      this.#bytesWritten = this.#bytesAppended
      socket.write(text, 'latin1')
      return
    }
    if (this.#text !== '') this.#pushText()
    this.#openBuffer = null
    const pieces = this.#pieces.map((piece) => (piece instanceof SendBuffer ? piece.bytes : piece))
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (length !== this.#bytesAppended - this.#bytesWritten)
      return this.#fail(new RequestContentLengthMismatchError(BODY_CHANGED))
    this.#pieces = pieces
    while (this.#pieces !== null && socket.writableNeedDrain !== true) this.#writePieces(pieces)
    this.#releaseSent()
  }

  #writePieces(pieces: (string | Uint8Array)[]): void {
    const { socket } = this
    let remaining = this.#bytesAppended - this.#bytesWritten > WRITE_SIZE ? this.#nextWriteSize() : WRITE_SIZE
    socket.cork()
    for (let piece = pieces[0]; piece !== undefined && remaining > 0; piece = pieces[0]) {
      const part = typeof piece === 'string' ? piece : piece.subarray(0, remaining)
      if (part.length < piece.length) pieces[0] = (piece as Uint8Array).subarray(remaining)
      else pieces.shift()
      remaining -= part.length
      this.#bytesWritten += part.length
      const callback = this.#needsCallback(pieces.length === 0) ? this.#onWritten : undefined
      if (typeof part === 'string') socket.write(part, 'latin1', callback)
      else socket.write(part, callback)
    }
    if (pieces.length === 0) this.#pieces = null
    socket.uncork()
  }

  /** Whether the next write needs a callback, which costs a tick. `last`: it is the last piece to write. */
  #needsCallback(last: boolean): boolean {
    if (this.#sentListener !== null && this.#bytesWritten === this.#uncopiedEnd) return true
    return last && this.#drainsLater && this.#usedBuffers !== null
  }

  get #onWritten(): (error?: Error | null) => void {
    this.#writeCallback ??= (error) => {
      if (!error && !this.#destroyed) this.#releaseSent()
    }
    return this.#writeCallback
  }

  /** Releases the memory of all bytes that the socket has sent. */
  #releaseSent(): void {
    const unsentLength = this.socket.writableLength
    this.#drainsLater = unsentLength !== 0
    if (unsentLength === 0 && this.#pieces === null && this.#usedBuffers !== null) {
      for (const buffer of this.#usedBuffers) buffer.release()
      this.#usedBuffers = null
    }
    if (this.#sentListener === null || this.#bytesWritten - unsentLength < this.#uncopiedEnd) return
    const listener = this.#sentListener
    this.#sentListener = null
    listener.onSent()
  }

  /** Returns the size of the next write: larger while the socket is fast, small on a slow line so that progress is visible. */
  #nextWriteSize(): number {
    const at = now()
    this.#writeSize = at - this.#lastWriteAt < FAST_WRITE ? Math.min(2 * this.#writeSize, MAX_WRITE_SIZE) : WRITE_SIZE
    this.#lastWriteAt = at
    return this.#writeSize
  }

  /** Closes the connection, because the peer would read later bytes as the rest of the unwritten ones. */
  #fail(error: Error): void {
    this.destroy()
    this.socket.destroy(error)
  }

  /** Discards the bytes that were not passed to the socket. */
  destroy(): void {
    this.#destroyed = true
    this.#text = ''
    this.#pieces = null
    this.#openBuffer = null
    this.#sentListener = null
  }

  /**
   * Schedules a flush after the promise jobs of this tick. Handlers run inside the read callback, and their requests are
   * often dispatched by promise jobs after it. `nextTick` alone would run before those jobs; a microtask queued from it
   * runs after most of them.
   */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    nextTick(flushLater, this)
  }
}

function flushLater(socketWriter: SocketWriter): void {
  queueMicrotask(() => socketWriter.flush())
}

/**
 * Whether a stream is a `net.Socket` or `tls.TLSSocket` with unmodified write methods, which no longer reads bytes after
 * its write callback. Mocks that extend `net.Socket`, and other streams, may keep the bytes.
 */
function isSystemSocket(socket: Duplex): boolean {
  const { Socket } = builtinModule('node:net')
  const { write, _write, _writev } = Socket.prototype
  return socket instanceof Socket && socket.write === write && socket._write === _write && socket._writev === _writev
}
