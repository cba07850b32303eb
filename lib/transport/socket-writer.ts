import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { nextTick, now, queueMicrotask } from '../base/clock.js'
import { RequestContentLengthMismatchError } from '../errors.js'
import { LARGEST_COPY, Loan } from './send-memory.js'

/** Bytes that may wait in front of the socket before more input is asked to wait. */
const CONGESTION = 65536

/** Bytes that are handed over at once: how a long upload gets on is seen by what the socket takes. */
const PART = 262144
/** The same where the socket takes one part after another in no time. */
const LARGE_PART = 16 * PART
/** ms */
const NO_TIME = 20

/** What a body that shrank fails with. */
export const TAKEN = 'The request body was detached or resized before it was sent'

/** Learns that bytes that were lent to a socket writer are not needed any more. */
export interface Lender {
  onTaken(): void
}

/**
 * Gathers what is written in one turn and hands it to the socket at once. Memory of callers is read until the call
 * returns, and no longer; only what {@link appendLent} is given is read until `onTaken`.
 */
export class SocketWriter {
  readonly socket: Duplex
  /** The socket has copied, or the kernel has, whatever it calls back for. Foreign streams may keep what they are given. */
  readonly #copies: boolean
  /** Heads that follow one another, as one string. */
  #text = ''
  /** Whole pieces in order; null while only {@link #text} is in use. */
  #pieces: (string | Uint8Array | Loan)[] | null = null
  /** The last of {@link #pieces}, while more may be added to it. */
  #open: Loan | null = null
  /** In {@link #pieces} or with the socket. */
  #loans: Loan[] | null = null
  #lender: Lender | null = null
  /** Position behind the bytes of {@link #lender}. */
  #lentEnd = 0
  /** The socket took nothing at once the last time: it says later that it has. */
  #late = false
  #taken: ((error?: Error | null) => void) | null = null
  #scheduled = false
  #destroyed = false
  #appended = 0
  #handedOver = 0
  #part = PART
  #partAt = 0

  constructor(socket: Duplex) {
    this.socket = socket
    this.#copies = isSystemSocket(socket)
  }

  /** Bytes taken in since the start. */
  get appended(): number {
    return this.#appended
  }

  /** Bytes handed to the socket since the start: only these can have reached the peer. */
  get bytesHandedOver(): number {
    return this.#handedOver
  }

  /** Whether memory of a caller is still read from. */
  get lent(): boolean {
    return this.#lender !== null
  }

  /** All that stands before `position`, or all there is, was handed over. */
  passed(position = this.#appended): boolean {
    return this.#handedOver >= position && this.#lender === null
  }

  /** More should wait until the socket drained. */
  get congested(): boolean {
    const { socket } = this
    // What it took at once needs no draining, though a socket says so only in the next turn.
    if (socket.writableNeedDrain === true && socket.writableLength > 0) return true
    return this.#appended - this.#handedOver > CONGESTION
  }

  /** `text` in latin1. */
  appendHead(text: string): void {
    this.#appended += text.length
    if (this.#open?.fits(text.length)) this.#open.addText(text)
    else this.#text += text
    this.#schedule()
  }

  /** Bytes in memory of this library, which does not change any more. */
  appendOwn(bytes: Uint8Array): void {
    if (bytes.length <= LARGEST_COPY) return this.appendCopy(bytes)
    this.#append(bytes)
    this.#schedule()
  }

  /** Copies `bytes`: their memory is free when this returns. */
  appendCopy(bytes: Uint8Array): void {
    this.#schedule()
    if (!this.#copies) return this.#append(new Uint8Array(bytes))
    for (let at = 0; at < bytes.length; at += LARGEST_COPY) {
      // What the socket takes at once is copied into the same memory again and again.
      if (this.congested) this.flush()
      this.#appendLoan(bytes.length <= LARGEST_COPY ? bytes : bytes.subarray(at, at + LARGEST_COPY))
    }
  }

  /** Reads `bytes` where they are, as the socket takes them; then `lender` is told. One at a time. */
  appendLent(bytes: Uint8Array, lender: Lender): void {
    this.#lender = lender
    this.#append(bytes)
    this.#lentEnd = this.#appended
    this.#schedule()
  }

  /** Whether {@link appendLent} saves a copy. */
  mayBorrow(bytes: Uint8Array): boolean {
    return this.#copies && bytes.length > LARGEST_COPY && this.#lender === null
  }

  #append(bytes: Uint8Array): void {
    this.#pushText()
    this.#pieces?.push(bytes)
    this.#open = null
    this.#appended += bytes.length
  }

  #appendLoan(bytes: Uint8Array): void {
    const text = this.#text
    if (text !== '' || !this.#open?.fits(bytes.length)) {
      // With heads of a foreign size in front there would be no bound for what is copied.
      if (text.length > LARGEST_COPY) this.#pushText()
      this.#pieces ??= []
      this.#open = new Loan(this.#text.length + bytes.length)
      this.#pieces.push(this.#open)
      this.#loans ??= []
      this.#loans.push(this.#open)
      this.#open.addText(this.#text)
      this.#text = ''
    }
    this.#open.addBytes(bytes)
    this.#appended += bytes.length
  }

  #pushText(): void {
    this.#pieces ??= []
    if (this.#text !== '') this.#pieces.push(this.#text)
    this.#text = ''
  }

  /** Hands over what was appended, in one write; of more than the socket is to have at once a part. */
  flush(): void {
    this.#scheduled = false
    if (this.#destroyed || this.#handedOver === this.#appended) return
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
      this.#handedOver = this.#appended
      socket.write(text, 'latin1')
      return
    }
    if (this.#text !== '') this.#pushText()
    this.#open = null
    const pieces = this.#pieces.map((piece) => (piece instanceof Loan ? piece.bytes : piece))
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (length !== this.#appended - this.#handedOver) return this.#fail(new RequestContentLengthMismatchError(TAKEN))
    this.#pieces = pieces
    while (this.#pieces !== null && socket.writableNeedDrain !== true) this.#handOver(pieces)
    this.#settle()
  }

  #handOver(pieces: (string | Uint8Array)[]): void {
    const { socket } = this
    let room = this.#appended - this.#handedOver > PART ? this.#nextPart() : PART
    socket.cork()
    for (let piece = pieces[0]; piece !== undefined && room > 0; piece = pieces[0]) {
      const part = typeof piece === 'string' ? piece : piece.subarray(0, room)
      if (part.length < piece.length) pieces[0] = (piece as Uint8Array).subarray(room)
      else pieces.shift()
      room -= part.length
      this.#handedOver += part.length
      const taken = this.#isAwaited(pieces.length === 0) ? this.#onTaken : undefined
      if (typeof part === 'string') socket.write(part, 'latin1', taken)
      else socket.write(part, taken)
    }
    if (pieces.length === 0) this.#pieces = null
    socket.uncork()
  }

  /** A callback costs a turn: a socket that takes all at once is not asked for it. `last`: of what is to be handed over. */
  #isAwaited(last: boolean): boolean {
    if (this.#lender !== null && this.#handedOver === this.#lentEnd) return true
    return last && this.#late && this.#loans !== null
  }

  get #onTaken(): (error?: Error | null) => void {
    this.#taken ??= (error) => {
      if (!error && !this.#destroyed) this.#settle()
    }
    return this.#taken
  }

  /** Frees the memory of what the socket has done with. */
  #settle(): void {
    const held = this.socket.writableLength
    this.#late = held !== 0
    if (held === 0 && this.#pieces === null && this.#loans !== null) {
      for (const loan of this.#loans) loan.giveBack()
      this.#loans = null
    }
    if (this.#lender === null || this.#handedOver - held < this.#lentEnd) return
    const lender = this.#lender
    this.#lender = null
    lender.onTaken()
  }

  /** A write costs the more the oftener it is done; an upload over a slow line is to be seen to move. */
  #nextPart(): number {
    const at = now()
    this.#part = at - this.#partAt < NO_TIME ? Math.min(2 * this.#part, LARGE_PART) : PART
    this.#partAt = at
    return this.#part
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
    this.#open = null
    this.#lender = null
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
