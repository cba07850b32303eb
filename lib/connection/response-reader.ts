import { queueMicrotask } from '../base/clock.js'
import { reportUncaught } from '../base/user-code.js'
import { readProperty } from '../errors/safe-read.js'
import { ResponseContentLengthMismatchError, SocketError, type SocketInfo } from '../errors.js'
import type { SocketReader } from '../transport/socket-reader.js'
import type { Parser } from '../wire/parser.js'

/** Receives the events of a {@link ResponseReader}. */
export interface ResponseReaderListener {
  onReadFailed(error: Error): void
  /** The connection has switched protocols. `rest`: bytes received behind the headers. */
  onReadTunnel(rest: Buffer): void
  /** The server has ended its side, and everything received was read. */
  onReadFinished(): void
}

/**
 * Passes received bytes from the shared input buffer to the parser, and saves them while the handler has paused the
 * response.
 */
export class ResponseReader {
  readonly #parser: Parser
  readonly #socketReader: SocketReader
  readonly #listener: ResponseReaderListener
  #paused = false
  #parsing = false
  #closed = false
  #serverEnded = false
  /** Received bytes that are not parsed yet. They are copied because the next socket overwrites the input buffer. */
  #unread: Buffer | null = null

  constructor(parser: Parser, socketReader: SocketReader, listener: ResponseReaderListener) {
    this.#parser = parser
    this.#socketReader = socketReader
    this.#listener = listener
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Parses `input[0..length)`. Returns `false` to stop reading. */
  read(length: number): boolean {
    if (this.#closed) return false
    const { engine } = this.#parser
    // TLS may still deliver decrypted records after reading was stopped.
    if (this.#paused || this.#unread !== null) return this.#saveUnread(engine.input.subarray(0, length))
    engine.busy = true
    this.#parsing = true
    let stop = length
    let rest: Buffer | null = null
    let failure: unknown = null
    try {
      stop = this.#parser.feed(0, length)
      if (stop < length && !this.#closed) rest = Buffer.from(engine.input.subarray(stop, length))
    } catch (error) {
      failure = error
    }
    this.#parsing = false
    engine.busy = false
    if (failure === null && !this.#parser.tunnelled) this.#unread = rest
    else this.#notifyStopped(failure as Error | null, rest)
    return !this.#paused && !this.#closed
  }

  /** Number of the next bytes that belong to the body and need no parsing. */
  get unparsedBytes(): number {
    return this.#closed || this.#paused || this.#unread !== null ? 0 : this.#parser.unparsedBytes
  }

  /** Reads body bytes in memory of their own, at most {@link unparsedBytes}. Returns `false` to stop reading. */
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

  /** Notifies the listener. Errors of user code are reported here, so that the read still returns its result. */
  #notifyStopped(failure: Error | null, rest: Buffer | null): void {
    try {
      if (failure !== null) this.#listener.onReadFailed(failure)
      else this.#listener.onReadTunnel(rest ?? Buffer.alloc(0))
    } catch (error) {
      reportUncaught(error)
    }
  }

  /** Handles the end of the server's side. */
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
   * Returns the error for a response body shorter than its `content-length` because the server closed the connection.
   * Returns `null` if no such response was being read, or if `cause` is another kind of error.
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
    // The input buffer may be in use by the caller.
    if (!this.#parsing) queueMicrotask(() => this.#readSaved())
  }

  /** Releases the parser. Nothing is read any more. */
  close(): void {
    this.#closed = true
    this.#unread = null
    this.#parser.release()
  }

  /** Saves a copy of bytes behind those saved before. Returns whether to read on. */
  #saveUnread(bytes: Buffer): boolean {
    try {
      this.#unread = this.#unread === null ? Buffer.from(bytes) : Buffer.concat([this.#unread, bytes])
    } catch (error) {
      // Without memory for them the connection fails: a response must not have a gap.
      this.#notifyStopped(error as Error, null)
    }
    return !this.#paused && !this.#closed
  }

  #readSaved(): void {
    if (this.#paused || this.#closed) return
    const { input } = this.#parser.engine
    for (let tail = this.#unread; tail !== null && !this.#paused && !this.#closed; tail = this.#unread) {
      const length = tail.copy(input)
      const rest = tail.subarray(length)
      this.#unread = null
      this.read(length)
      if (rest.length > 0 && !this.#closed) this.#saveUnread(rest)
    }
    if (this.#paused || this.#closed) return
    if (this.#serverEnded) this.onServerEnd()
    else this.#socketReader.resume()
  }
}

/**
 * Returns the error for a connection that ended within a response. A short body is not given as `cause`: its request
 * gets {@link ResponseReader.shortBodyError}.
 */
function prematureEndError(cause: Error, info: SocketInfo | null): SocketError {
  if (cause instanceof ResponseContentLengthMismatchError) return new SocketError('other side closed', info)
  return new SocketError(`other side closed: ${cause.message}`, info, { cause })
}

/** Error codes of a connection closed or reset by the server. */
const CLOSED_BY_PEER = new Set<unknown>(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'])

function isClosedByPeer(error: Error): boolean {
  return CLOSED_BY_PEER.has(readProperty(error, 'code'))
}
