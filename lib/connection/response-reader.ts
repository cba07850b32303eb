import { queueMicrotask } from '../base/clock.js'
import { reportUncaught } from '../base/user-code.js'
import { readProperty } from '../errors/safe-read.js'
import { ResponseContentLengthMismatchError, SocketError, type SocketInfo } from '../errors.js'
import type { SocketReader } from '../transport/socket-reader.js'
import type { Parser } from '../wire/parser.js'

export interface ResponseReaderListener {
  onReadFailed(error: Error): void
  /** The parser stopped for good at a tunnel; `rest` is what came behind the head. */
  onReadTunnel(rest: Buffer): void
  /** The server ended its side, and all it had sent was read. */
  onReadFinished(): void
}

/** Moves bytes from the shared input buffer through the parser, and keeps them safe while the reader is paused. */
export class ResponseReader {
  readonly #parser: Parser
  readonly #socketReader: SocketReader
  readonly #listener: ResponseReaderListener
  #paused = false
  #parsing = false
  #closed = false
  #serverEnded = false
  /** Bytes that came and wait for a paused reader: the next socket overwrites the input buffer. */
  #unread: Buffer | null = null

  constructor(parser: Parser, socketReader: SocketReader, listener: ResponseReaderListener) {
    this.#parser = parser
    this.#socketReader = socketReader
    this.#listener = listener
  }

  get paused(): boolean {
    return this.#paused
  }

  /** `input[0..length)` was filled. Returns false to stop reading. */
  read(length: number): boolean {
    if (this.#closed) return false
    const { engine } = this.#parser
    // What TLS had decoded still comes when reading has stopped, a record at a time.
    if (this.#paused || this.#unread !== null) return this.#saveUnread(Buffer.from(engine.input.subarray(0, length)))
    engine.busy = true
    this.#parsing = true
    let stop = length
    let failure: unknown = null
    try {
      stop = this.#parser.feed(0, length)
    } catch (error) {
      failure = error
    }
    this.#parsing = false
    const rest = stop < length && !this.#closed ? Buffer.from(engine.input.subarray(stop, length)) : null
    engine.busy = false
    if (failure === null && !this.#parser.tunnelled) this.#unread = rest
    else this.#notifyStopped(failure as Error | null, rest)
    return !this.#paused && !this.#closed
  }

  /** How many of the bytes to come are body and nothing else. */
  get unparsedBytes(): number {
    return this.#closed || this.#paused || this.#unread !== null ? 0 : this.#parser.unparsedBytes
  }

  /** Bytes of a body came in memory of their own, {@link unparsedBytes} at most. Returns false to stop reading. */
  readBody(chunk: Buffer): boolean {
    if (this.#closed) return false
    if (this.#paused || this.#unread !== null) return this.#saveUnread(chunk)
    this.#parsing = true
    try {
      this.#parser.feedBody(chunk)
    } catch (error) {
      this.#notifyStopped(error as Error, null)
    }
    this.#parsing = false
    return !this.#paused && !this.#closed
  }

  /** The socket is to be told whether to read on whatever a caller's code throws here. */
  #notifyStopped(failure: Error | null, rest: Buffer | null): void {
    try {
      if (failure !== null) this.#listener.onReadFailed(failure)
      else this.#listener.onReadTunnel(rest ?? Buffer.alloc(0))
    } catch (error) {
      reportUncaught(error)
    }
  }

  /** The server ended its side. */
  onServerEnd(): void {
    if (this.#closed) return
    this.#serverEnded = true
    if (this.#unread !== null || this.#paused) return
    try {
      this.#parser.finish()
    } catch (cause) {
      return this.#listener.onReadFailed(prematureEndError(cause as Error, this.#socketReader.info))
    }
    this.#listener.onReadFinished()
  }

  /**
   * The error for a response that the end of the connection left shorter than its `content-length`. Returns null where
   * no such response was being read, and where something else than the server ended the connection.
   */
  shortBodyError(cause: Error): ResponseContentLengthMismatchError | null {
    const missing = this.#parser.unparsedBytes - (this.#unread?.length ?? 0)
    if (missing <= 0 || missing === Number.POSITIVE_INFINITY || !isClosedByPeer(cause)) return null
    return new ResponseContentLengthMismatchError(
      `The connection ended ${missing} bytes before the end of the response body`,
      { cause },
    )
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#parser.pause()
    if (!this.#parsing) this.#socketReader.pause()
  }

  resume(): void {
    if (!this.#paused || this.#closed) return
    this.#paused = false
    this.#parser.resume()
    // The input buffer may be in use by whoever called; what waits is read when it is free.
    if (!this.#parsing) queueMicrotask(() => this.#readSaved())
  }

  /** Gives the parser back: nothing is read any more. */
  close(): void {
    this.#closed = true
    this.#unread = null
    this.#parser.release()
  }

  /** Behind what waits already. */
  #saveUnread(bytes: Buffer): boolean {
    this.#unread = this.#unread === null ? bytes : Buffer.concat([this.#unread, bytes])
    return !this.#paused
  }

  #readSaved(): void {
    if (this.#paused || this.#closed) return
    const { input } = this.#parser.engine
    for (let tail = this.#unread; tail !== null && !this.#paused && !this.#closed; tail = this.#unread) {
      const length = tail.copy(input)
      const rest = tail.subarray(length)
      this.#unread = null
      this.read(length)
      if (rest.length > 0) this.#unread = this.#unread === null ? rest : Buffer.concat([this.#unread, rest])
    }
    if (this.#paused || this.#closed) return
    if (this.#serverEnded) this.onServerEnd()
    else this.#socketReader.resume()
  }
}

/** The server ended its side in the middle of a response. A short body is no reason: its request has an error for that. */
function prematureEndError(cause: Error, info: SocketInfo | null): SocketError {
  if (cause instanceof ResponseContentLengthMismatchError) return new SocketError('other side closed', info)
  return new SocketError(`other side closed: ${cause.message}`, info, { cause })
}

/** Codes of a connection that the server closed or reset. */
const CLOSED_BY_PEER = new Set<unknown>(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'])

function isClosedByPeer(error: Error): boolean {
  return CLOSED_BY_PEER.has(readProperty(error, 'code'))
}
