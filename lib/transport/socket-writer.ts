import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { nextTick, now, queueMicrotask } from '../base/clock.js'
import { RequestContentLengthMismatchError } from '../errors.js'
import { MAX_COPY, SendBuffer } from './send-buffer.js'

/** Bytes that may wait in front of the socket before more input is asked to wait. */
const MAX_PENDING = 65536

/** Bytes that are handed over at once: how a long upload gets on is seen by what the socket takes. */
const WRITE_SIZE = 262144
/** The same where the socket takes one part after another in no time. */
const MAX_WRITE_SIZE = 16 * WRITE_SIZE
/** ms */
const FAST_WRITE = 20

/** What a body that shrank fails with. */
export const BODY_CHANGED = 'The request body was detached or resized before it was sent'

/** Learns that bytes that were lent to a socket writer are not needed any more. */
export interface SentListener {
  onSent(): void
}

/**
 * Gathers what is written in one turn and hands it to the socket at once. Memory of callers is read until the call
 * returns, and no longer; only what {@link appendUncopied} is given is read until `onTaken`.
 */
export class SocketWriter {
  readonly socket: Duplex
  /** The socket has copied, or the kernel has, whatever it calls back for. Foreign streams may keep what they are given. */
  readonly #socketCopies: boolean
  /** Heads that follow one another, as one string. */
  #text = ''
  /** Whole pieces in order; null while only {@link #text} is in use. */
  #pieces: (string | Uint8Array | SendBuffer)[] | null = null
  /** The last of {@link #pieces}, while more may be added to it. */
  #openBuffer: SendBuffer | null = null
  /** In {@link #pieces} or with the socket. */
  #usedBuffers: SendBuffer[] | null = null
  #sentListener: SentListener | null = null
  /** Position behind the bytes of {@link #sentListener}. */
  #uncopiedEnd = 0
  /** The socket took nothing at once the last time: it says later that it has. */
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

  /** Bytes taken in since the start. */
  get bytesAppended(): number {
    return this.#bytesAppended
  }

  /** Bytes handed to the socket since the start: only these can have reached the peer. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** Whether memory of a caller is still read from. */
  get readsCallerMemory(): boolean {
    return this.#sentListener !== null
  }

  /** All that stands before `position`, or all there is, was handed over. */
  hasSent(position = this.#bytesAppended): boolean {
    return this.#bytesWritten >= position && this.#sentListener === null
  }

  /** More should wait until the socket drained. */
  get congested(): boolean {
    const { socket } = this
    // What it took at once needs no draining, though a socket says so only in the next turn.
    if (socket.writableNeedDrain === true && socket.writableLength > 0) return true
    return this.#bytesAppended - this.#bytesWritten > MAX_PENDING
  }

  /** `text` in latin1. */
  appendLatin1(text: string): void {
    this.#bytesAppended += text.length
    if (this.#openBuffer?.fits(text.length)) this.#openBuffer.addText(text)
    else this.#text += text
    this.#schedule()
  }

  /** Bytes in memory of this library, which does not change any more. */
  appendImmutable(bytes: Uint8Array): void {
    if (bytes.length <= MAX_COPY) return this.appendCopy(bytes)
    this.#append(bytes)
    this.#schedule()
  }

  /** Copies `bytes`: their memory is free when this returns. */
  appendCopy(bytes: Uint8Array): void {
    this.#schedule()
    if (!this.#socketCopies) return this.#append(new Uint8Array(bytes))
    for (let at = 0; at < bytes.length; at += MAX_COPY) {
      // What the socket takes at once is copied into the same memory again and again.
      if (this.congested) this.flush()
      this.#appendToBuffer(bytes.length <= MAX_COPY ? bytes : bytes.subarray(at, at + MAX_COPY))
    }
  }

  /** Reads `bytes` where they are, as the socket takes them; then `listener` is told. One at a time. */
  appendUncopied(bytes: Uint8Array, listener: SentListener): void {
    this.#sentListener = listener
    this.#append(bytes)
    this.#uncopiedEnd = this.#bytesAppended
    this.#schedule()
  }

  /** Whether {@link appendUncopied} saves a copy. */
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
      // With heads of a foreign size in front there would be no bound for what is copied.
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

  /** Hands over what was appended, in one write; of more than the socket is to have at once a part. */
  flush(): void {
    this.#scheduled = false
    if (this.#destroyed || this.#bytesWritten === this.#bytesAppended) return
    try {
      this.#write()
    } catch (error) {
      // The stream of a connector may throw where it should call back.
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
      const taken = this.#needsCallback(pieces.length === 0) ? this.#onWritten : undefined
      if (typeof part === 'string') socket.write(part, 'latin1', taken)
      else socket.write(part, taken)
    }
    if (pieces.length === 0) this.#pieces = null
    socket.uncork()
  }

  /** A callback costs a turn: a socket that takes all at once is not asked for it. `last`: of what is to be handed over. */
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

  /** Frees the memory of what the socket has done with. */
  #releaseSent(): void {
    const held = this.socket.writableLength
    this.#drainsLater = held !== 0
    if (held === 0 && this.#pieces === null && this.#usedBuffers !== null) {
      for (const buffer of this.#usedBuffers) buffer.release()
      this.#usedBuffers = null
    }
    if (this.#sentListener === null || this.#bytesWritten - held < this.#uncopiedEnd) return
    const listener = this.#sentListener
    this.#sentListener = null
    listener.onSent()
  }

  /** A write costs the more the oftener it is done; an upload over a slow line is to be seen to move. */
  #nextWriteSize(): number {
    const at = now()
    this.#writeSize = at - this.#lastWriteAt < FAST_WRITE ? Math.min(2 * this.#writeSize, MAX_WRITE_SIZE) : WRITE_SIZE
    this.#lastWriteAt = at
    return this.#writeSize
  }

  /** Closes the connection: what follows would be read as the rest of what was not written. */
  #fail(error: Error): void {
    this.destroy()
    this.socket.destroy(error)
  }

  /** Drops what was not handed over. */
  destroy(): void {
    this.#destroyed = true
    this.#text = ''
    this.#pieces = null
    this.#openBuffer = null
    this.#sentListener = null
  }

  /**
   * Handlers run inside the read callback, and what they dispatch comes from promise jobs after it. A `nextTick`
   * queued there runs before those jobs; one more job behind it runs after most of them.
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
 * Whether it is a socket of the system, plain or TLS, whose own methods write: such a one has done with bytes when it
 * calls back. Mocks that extend it and streams of other kinds may keep what they are given.
 */
function isSystemSocket(socket: Duplex): boolean {
  const { Socket } = builtinModule('node:net')
  const { write, _write, _writev } = Socket.prototype
  return socket instanceof Socket && socket.write === write && socket._write === _write && socket._writev === _writev
}
