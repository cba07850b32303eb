import { setImmediate } from '../base/clock.js'
import { blameCaller } from '../errors/faults.js'
import { InvalidArgumentError, RequestContentLengthMismatchError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RequestBody } from '../exchange/request-body.js'
import { type Outlet, TAKEN } from '../transport/outlet.js'

export interface BodySenderListener {
  /** A piece is asked for, or was handed over. */
  onBodyProgress(): void
  onBodyEnd(): void
  onBodyError(error: Error): void
}

const LAST_CHUNK = '0\r\n\r\n'
/** What is sent in one go, in bytes: a source that always has more, and a peer that takes it, share the loop. */
const SHARE = 1024 * 1024
/** What a piece counts for at least, in bytes. */
const LEAST_COST = 4096

/** Sends a body that comes in pieces, at the pace of the socket. */
export class BodySender {
  readonly exchange: Exchange
  readonly #outlet: Outlet
  readonly #listener: BodySenderListener
  readonly #strict: boolean
  #sent = 0
  #stopped = false
  #wake: (() => void) | null = null

  constructor(part: { exchange: Exchange; outlet: Outlet; listener: BodySenderListener; strict: boolean }) {
    this.exchange = part.exchange
    this.#outlet = part.outlet
    this.#listener = part.listener
    this.#strict = part.strict
  }

  /** As many bytes went out as `content-length` says. */
  get asAnnounced(): boolean {
    const { framing, contentLength } = this.exchange.request.head
    return framing !== 'length' || this.#sent === contentLength
  }

  start(): void {
    this.exchange.bodyTaken = true
    this.#listener.onBodyProgress()
    void this.#run()
  }

  /** The socket takes more. */
  resume(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  /** Sends nothing more, and lets the source know. */
  stop(error?: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    const body = this.exchange.request.body
    // Nobody may be left to hear of it; without a listener the source's error would end the process.
    if (body?.kind === 'stream') body.stream.on('error', ignore).destroy(error)
    this.resume()
  }

  async #run(): Promise<void> {
    let share = SHARE
    try {
      for await (const piece of source(this.exchange.request.body)) {
        if (this.#stopped) return
        if (!this.exchange.request.intact) throw new RequestContentLengthMismatchError(TAKEN)
        const bytes = toBytes(piece)
        this.#send(bytes)
        share -= Math.max(bytes.length, LEAST_COST)
        // A socket that takes more than that at once does not tell when it drained.
        if (this.#outlet.congested) this.#outlet.flush()
        this.#listener.onBodyProgress()
        if (this.#outlet.congested) await this.#writable()
        if (share <= 0 && !this.#stopped) {
          await new Promise<void>((resolve) => setImmediate(resolve))
          share = SHARE
        }
        if (this.#stopped) return
      }
      this.#finish()
    } catch (error) {
      if (this.#stopped) return
      this.#stopped = true
      blameCaller(error)
      this.#listener.onBodyError(error as Error)
    }
  }

  #writable(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #send(piece: Uint8Array): void {
    const { framing, contentLength } = this.exchange.request.head
    const left = framing === 'length' ? Math.max(0, contentLength - this.#sent) : piece.length
    this.#sent += piece.length
    if (piece.length > left && this.#strict) throw this.#mismatch(contentLength)
    // More than announced would read as another request.
    const bytes = piece.length > left ? piece.subarray(0, left) : piece
    // A chunk of no bytes would end a chunked body.
    if (bytes.length === 0) return
    if (framing === 'chunked') this.#outlet.appendHead(`${bytes.length.toString(16)}\r\n`)
    this.#outlet.appendBytes(bytes)
    if (framing === 'chunked') this.#outlet.appendHead('\r\n')
    this.exchange.bodySent(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }

  #finish(): void {
    const { framing, contentLength } = this.exchange.request.head
    if (this.#strict && !this.asAnnounced) throw this.#mismatch(contentLength)
    if (framing === 'chunked') this.#outlet.appendHead(LAST_CHUNK)
    this.#stopped = true
    this.#listener.onBodyEnd()
  }

  #mismatch(contentLength: number): Error {
    return new RequestContentLengthMismatchError(
      `Request body has ${this.#sent} bytes or more, content-length says ${contentLength}`,
    )
  }
}

function source(body: RequestBody | null): AsyncIterable<unknown> | Iterable<unknown> {
  if (body === null || body.kind === 'bytes') return body === null ? [] : [body.bytes]
  return body.kind === 'stream' ? body.stream : body.iterable
}

function toBytes(piece: unknown): Uint8Array {
  if (typeof piece === 'string') return Buffer.from(piece)
  // Always a view of our own: a class of the caller's may have a length of its own making.
  if (ArrayBuffer.isView(piece)) return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  // Of whatever realm.
  if (Object.prototype.toString.call(piece) === '[object ArrayBuffer]') return new Uint8Array(piece as ArrayBuffer)
  throw new InvalidArgumentError(`body must yield strings or Uint8Arrays, got ${typeof piece}`)
}

function ignore(): void {}
