import type { Duplex } from 'node:stream'
import { nextTick, now, queueMicrotask } from '../base/clock.js'
import { RequestContentLengthMismatchError } from '../errors.js'

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

/** Gathers what is written in one turn and hands it to the socket at once. */
export class Outlet {
  readonly socket: Duplex
  /** Heads that follow one another, as one string. */
  #text = ''
  /** Whole pieces in order; null while only {@link #text} is in use. */
  #pieces: (string | Uint8Array)[] | null = null
  #scheduled = false
  #destroyed = false
  #appended = 0
  #handedOver = 0
  #part = PART
  #partAt = 0

  constructor(socket: Duplex) {
    this.socket = socket
  }

  /** Bytes taken in since the start. */
  get appended(): number {
    return this.#appended
  }

  /** Bytes handed to the socket since the start: only these can have reached the peer. */
  get bytesHandedOver(): number {
    return this.#handedOver
  }

  /** All that stands before `position`, or all there is, was handed over. */
  passed(position = this.#appended): boolean {
    return this.#handedOver >= position
  }

  /** More should wait until the socket drained. */
  get congested(): boolean {
    return this.socket.writableNeedDrain === true || this.#appended - this.#handedOver > CONGESTION
  }

  /** `text` in latin1. */
  appendHead(text: string): void {
    this.#text += text
    this.#appended += text.length
    this.#schedule()
  }

  appendBytes(bytes: Uint8Array): void {
    this.#pieces ??= []
    if (this.#text !== '') {
      this.#pieces.push(this.#text)
      this.#text = ''
    }
    this.#pieces.push(bytes)
    this.#appended += bytes.length
    this.#schedule()
  }

  /** Hands over what was appended, in one write; of more than the socket is to have at once a part. */
  flush(): void {
    this.#scheduled = false
    if (this.#destroyed || this.#handedOver === this.#appended) return
    const socket = this.socket
    const text = this.#text
    const pieces = this.#pieces
    this.#text = ''
    if (pieces === null) {
      this.#handedOver = this.#appended
      socket.write(text, 'latin1')
      return
    }
    if (text !== '') pieces.push(text)
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (length !== this.#appended - this.#handedOver) return this.#fallShort()
    while (this.#pieces !== null && socket.writableNeedDrain !== true) this.#handOver(this.#pieces)
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
      if (typeof part === 'string') socket.write(part, 'latin1')
      else socket.write(part)
    }
    if (pieces.length === 0) this.#pieces = null
    socket.uncork()
  }

  /** A write costs the more the oftener it is done; an upload over a slow line is to be seen to move. */
  #nextPart(): number {
    const at = now()
    this.#part = at - this.#partAt < NO_TIME ? Math.min(2 * this.#part, LARGE_PART) : PART
    this.#partAt = at
    return this.#part
  }

  /** What follows would be read as the rest of a body whose memory was given to somebody else. */
  #fallShort(): void {
    this.destroy()
    this.socket.destroy(new RequestContentLengthMismatchError(TAKEN))
  }

  /** Drops what was not handed over. */
  destroy(): void {
    this.#destroyed = true
    this.#text = ''
    this.#pieces = null
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

function flushLater(outlet: Outlet): void {
  queueMicrotask(() => outlet.flush())
}
