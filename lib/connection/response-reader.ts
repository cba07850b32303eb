import { queueMicrotask } from '../base/clock.js'
import { reportUncaught } from '../base/gate.js'
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
  #feeding = false
  #closed = false
  #ended = false
  /** Bytes that came and wait for a paused reader: the next socket overwrites the input buffer. */
  #tail: Buffer | null = null

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
    if (this.#paused || this.#tail !== null) return this.#keep(Buffer.from(engine.input.subarray(0, length)))
    engine.busy = true
    this.#feeding = true
    let stop = length
    let failure: unknown = null
    try {
      stop = this.#parser.feed(0, length)
    } catch (error) {
      failure = error
    }
    this.#feeding = false
    const rest = stop < length && !this.#closed ? Buffer.from(engine.input.subarray(stop, length)) : null
    engine.busy = false
    if (failure === null && !this.#parser.tunnelled) this.#tail = rest
    else this.#stop(failure as Error | null, rest)
    return !this.#paused && !this.#closed
  }

  /** How many of the bytes to come are body and nothing else. */
  get unparsedBytes(): number {
    return this.#closed || this.#paused || this.#tail !== null ? 0 : this.#parser.unparsedBytes
  }

  /** Bytes of a body came in memory of their own, {@link unparsedBytes} at most. Returns false to stop reading. */
  take(chunk: Buffer): boolean {
    if (this.#closed) return false
    if (this.#paused || this.#tail !== null) return this.#keep(chunk)
    this.#feeding = true
    try {
      this.#parser.take(chunk)
    } catch (error) {
      this.#stop(error as Error, null)
    }
    this.#feeding = false
    return !this.#paused && !this.#closed
  }

  /** The socket is to be told whether to read on whatever a caller's code throws here. */
  #stop(failure: Error | null, rest: Buffer | null): void {
    try {
      if (failure !== null) this.#listener.onReadFailed(failure)
      else this.#listener.onReadTunnel(rest ?? Buffer.alloc(0))
    } catch (error) {
      reportUncaught(error)
    }
  }

  /** The server ended its side. */
  end(): void {
    if (this.#closed) return
    this.#ended = true
    if (this.#tail !== null || this.#paused) return
    try {
      this.#parser.finish()
    } catch (cause) {
      return this.#listener.onReadFailed(closedBecause(cause as Error, this.#socketReader.info))
    }
    this.#listener.onReadFinished()
  }

  /**
   * The error for a response that the end of the connection left shorter than its `content-length`. Returns null where
   * no such response was being read, and where something else than the server ended the connection.
   */
  shortBodyError(cause: Error): ResponseContentLengthMismatchError | null {
    const missing = this.#parser.unparsedBytes - (this.#tail?.length ?? 0)
    if (missing <= 0 || missing === Number.POSITIVE_INFINITY || !isClosedByPeer(cause)) return null
    return new ResponseContentLengthMismatchError(
      `The connection ended ${missing} bytes before the end of the response body`,
      { cause },
    )
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#parser.stop()
    if (!this.#feeding) this.#socketReader.pause()
  }

  resume(): void {
    if (!this.#paused || this.#closed) return
    this.#paused = false
    this.#parser.proceed()
    // The input buffer may be in use by whoever called; what waits is read when it is free.
    if (!this.#feeding) queueMicrotask(() => this.#readOn())
  }

  /** Gives the parser back: nothing is read any more. */
  close(): void {
    this.#closed = true
    this.#tail = null
    this.#parser.release()
  }

  /** Behind what waits already. */
  #keep(bytes: Buffer): boolean {
    this.#tail = this.#tail === null ? bytes : Buffer.concat([this.#tail, bytes])
    return !this.#paused
  }

  #readOn(): void {
    if (this.#paused || this.#closed) return
    const { input } = this.#parser.engine
    for (let tail = this.#tail; tail !== null && !this.#paused && !this.#closed; tail = this.#tail) {
      const length = tail.copy(input)
      const rest = tail.subarray(length)
      this.#tail = null
      this.read(length)
      if (rest.length > 0) this.#tail = this.#tail === null ? rest : Buffer.concat([this.#tail, rest])
    }
    if (this.#paused || this.#closed) return
    if (this.#ended) this.end()
    else this.#socketReader.resume()
  }
}

/** The server ended its side in the middle of a response. A short body is no reason: its request has an error for that. */
function closedBecause(cause: Error, info: SocketInfo | null): SocketError {
  if (cause instanceof ResponseContentLengthMismatchError) return new SocketError('other side closed', info)
  return new SocketError(`other side closed: ${cause.message}`, info, { cause })
}

/** Codes of a connection that the server closed or reset. */
const CLOSED_BY_PEER = new Set<unknown>(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'])

function isClosedByPeer(error: Error): boolean {
  return CLOSED_BY_PEER.has(readProperty(error, 'code'))
}
