import { setImmediate } from '../base/clock.js'
import { faultOf, markCallerFault } from '../errors/faults.js'
import { markCallerOwned, RequestContentLengthMismatchError } from '../errors.js'
import { toBytes } from '../exchange/body-pieces.js'
import { BodyStream, type BodyStreamListener } from '../exchange/body-stream.js'
import type { Exchange } from '../exchange/exchange.js'
import { beginIterator, closablePieces } from '../exchange/held-iterator.js'
import type { RequestBody } from '../exchange/request-body.js'
import { type Lender, type SocketWriter, TAKEN } from '../transport/socket-writer.js'
import { reportMismatch } from '../wire/framing.js'

export interface BodySenderListener {
  /** A piece is asked for, or was handed over. */
  onBodyProgress(): void
  onBodyEnd(): void
  onBodyError(error: Error): void
}

const LAST_CHUNK = '0\r\n\r\n'
const CHUNKED_FIELD = '\r\ntransfer-encoding: chunked\r\n'
/** What is sent in one go, in bytes: a source that always has more, and a peer that takes it, share the loop. */
const SHARE = 1024 * 1024
/** What a piece counts for at least, in bytes. */
const LEAST_COST = 4096

/**
 * Sends a body that comes in pieces, at the pace of the socket. The bytes of a piece are copied or with the system when
 * its source is asked for the next one, and when `onBodySent` is called: its memory may be used again.
 */
export class BodySender implements Lender, BodyStreamListener {
  readonly exchange: Exchange
  readonly #socketWriter: SocketWriter
  readonly #listener: BodySenderListener
  readonly #strict: boolean
  /** null for an iterable. */
  readonly #stream: BodyStream | null
  /** The piece that the socket reads where it is. */
  #lent: Uint8Array | null = null
  /** Sent with the first bytes, or once the source has ended without any. */
  #head: string
  /** The last byte that `content-length` announces: sent once the source has ended. */
  #last: Uint8Array | null = null
  #sent = 0
  #share = SHARE
  #resting = false
  #stopped = false
  #wake: (() => void) | null = null
  /** What is closed when nothing more is to be sent. */
  #pieces: AsyncIterableIterator<unknown> | null = null

  constructor(part: {
    exchange: Exchange
    socketWriter: SocketWriter
    listener: BodySenderListener
    strict: boolean
    head: string
  }) {
    this.exchange = part.exchange
    this.#socketWriter = part.socketWriter
    this.#listener = part.listener
    this.#strict = part.strict
    this.#head = part.head
    const { body } = part.exchange.request
    this.#stream = body?.kind === 'stream' ? BodyStream.of(body.stream) : null
  }

  /** As many bytes went out as `content-length` says. */
  get asAnnounced(): boolean {
    const { framing, contentLength } = this.exchange.request.head
    return framing === 'chunked' || this.#sent === contentLength
  }

  start(): void {
    this.exchange.bodyTaken = true
    this.#listener.onBodyProgress()
    if (this.#stream !== null) this.#stream.start(this)
    else void this.#run()
  }

  /** The socket takes more. */
  resume(): void {
    if (this.#socketWriter.congested || this.#resting) return
    this.#stream?.resume()
    this.#wakeUp()
  }

  onTaken(): void {
    const bytes = this.#lent
    this.#lent = null
    if (bytes !== null) this.exchange.bodySent(bytes)
    this.#wakeUp()
  }

  /** Sends nothing more, and lets the source know. */
  stop(error?: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stream?.stop(error)
    this.#pieces?.return?.().catch(() => {})
    this.#wakeUp()
  }

  onPiece(piece: unknown): boolean {
    if (this.#stopped) return false
    try {
      this.#send(piece, false)
    } catch (error) {
      this.#threw(error)
    }
    if (this.#share <= 0) this.#rest()
    return !this.#waits
  }

  onSourceEnd(): void {
    try {
      if (!this.#stopped) this.#finish()
    } catch (error) {
      this.#threw(error)
    }
  }

  /** The error is the caller's, of whatever class: other requests may fail with it too. */
  onSourceError(error: Error): void {
    markCallerFault(error)
    this.#fail(markCallerOwned(error))
  }

  /** Sending threw: an error of its own for this request, or what a piece of the caller's threw when it was read. */
  #threw(error: unknown): void {
    if (faultOf(error) === 'user') this.#fail(error as Error)
    else this.onSourceError(error as Error)
  }

  #fail(error: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stream?.stop(error)
    this.#listener.onBodyError(error)
  }

  async #run(): Promise<void> {
    const body = this.exchange.request.body as Exclude<RequestBody, { kind: 'stream' }>
    const pieces = body.kind === 'bytes' ? [body.bytes] : body.iterable
    beginIterator(pieces)
    try {
      this.#pieces = closablePieces(pieces)
      for await (const piece of this.#pieces ?? pieces) {
        if (this.#stopped) return
        if (!this.#take(piece)) return
        if (this.#share <= 0) this.#rest()
        while (this.#waits && !this.#stopped) await this.#woken()
        if (this.#stopped) return
      }
      this.#pieces = null
      this.onSourceEnd()
    } catch (error) {
      this.#pieces = null
      this.onSourceError(error as Error)
    }
  }

  /** Returns false if the piece can not be sent. */
  #take(piece: unknown): boolean {
    try {
      if (!this.exchange.request.intact) throw new RequestContentLengthMismatchError(TAKEN)
      // Aborted behind another request it lives on without its caller.
      this.#send(piece, this.exchange.previous === null)
      return true
    } catch (error) {
      this.#threw(error)
      return false
    }
  }

  /** Whether the source must not be asked for another piece now. */
  get #waits(): boolean {
    return this.#stopped || this.#resting || this.#socketWriter.lent || this.#socketWriter.congested
  }

  /** For one turn of the event loop. */
  #rest(): void {
    if (this.#resting) return
    this.#resting = true
    setImmediate(() => {
      this.#resting = false
      this.#share = SHARE
      this.resume()
    })
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  /** `mayLend`: the source is not asked for another piece before the socket has taken this one. */
  #send(piece: unknown, mayLend: boolean): void {
    const { framing, contentLength } = this.exchange.request.head
    const given = toBytes(piece)
    const left = framing === 'chunked' ? given.length : Math.max(0, contentLength - this.#sent)
    this.#sent += given.length
    this.#share -= Math.max(given.length, LEAST_COST)
    if (given.length > left) {
      if (this.#strict) this.#reportMismatch()
      this.#sendHead()
    }
    // More than announced would read as another request; a chunk of no bytes would end a chunked body.
    const bytes = given.length > left ? given.subarray(0, left) : given
    if (bytes.length > 0) {
      this.#sendHead()
      if (framing === 'chunked') this.#socketWriter.appendHead(`${bytes.length.toString(16)}\r\n`)
      const part = this.#strict && framing === 'length' && bytes.length === left ? this.#holdLast(bytes) : bytes
      if (typeof piece === 'string') this.#socketWriter.appendOwn(part)
      else if (mayLend && this.#socketWriter.mayBorrow(part)) this.#lend(bytes, part)
      else this.#socketWriter.appendCopy(part)
      if (framing === 'chunked') this.#socketWriter.appendHead('\r\n')
      if (this.#lent === null) this.exchange.bodySent(bytes)
    }
    // A socket that takes more than that at once does not tell when it drained.
    if (this.#socketWriter.congested) this.#socketWriter.flush()
    this.#listener.onBodyProgress()
  }

  #lend(bytes: Uint8Array, part: Uint8Array): void {
    this.#lent = bytes
    this.#socketWriter.appendLent(part, this)
  }

  /** All but the last byte: a server would execute the whole request although its source then has more, or fails. */
  #holdLast(bytes: Uint8Array): Uint8Array {
    this.#last = bytes.slice(-1)
    return bytes.subarray(0, -1)
  }

  #sendHead(): void {
    if (this.#head !== '') this.#socketWriter.appendHead(this.#head)
    this.#head = ''
  }

  #finish(): void {
    if (!this.asAnnounced) this.#reportMismatch()
    const chunked = this.exchange.request.head.framing === 'chunked'
    if (chunked && this.#head !== '') this.#head = this.#head.replace(CHUNKED_FIELD, '\r\n')
    else if (chunked) this.#socketWriter.appendHead(LAST_CHUNK)
    this.#sendHead()
    if (this.#last !== null) this.#socketWriter.appendOwn(this.#last)
    this.#stopped = true
    this.#listener.onBodyEnd()
  }

  #reportMismatch(): void {
    const { contentLength } = this.exchange.request.head
    reportMismatch(`Request body has ${this.#sent} bytes or more, content-length says ${contentLength}`, this.#strict)
  }
}
