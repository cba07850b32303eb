import type { Timings } from '../errors/timings.js'
import type { DispatchController, IncomingHeaders } from '../exchange/handler.js'

/** Bytes that are buffered before the connection is paused. */
const MAX_BUFFERED = 65536

/** Receiver of a {@link BufferedBody}. */
export interface BufferedBodyListener {
  onData(chunk: Buffer): void
  onEnd(trailers: IncomingHeaders): void
}

/** Buffer for a response body that may be delivered later. Delivery follows the pace of the reader. */
export class BufferedBody {
  readonly #controller: DispatchController
  readonly #listener: BufferedBodyListener
  readonly #chunks: Buffer[] = []
  #size = 0
  #trailers: IncomingHeaders | null = null
  #deliverable = false
  #paused = false
  #flushing = false

  constructor(controller: DispatchController, listener: BufferedBodyListener) {
    this.#controller = controller
    this.#listener = listener
  }

  /** Whether the whole body was received. */
  get ended(): boolean {
    return this.#trailers !== null
  }

  get timings(): Timings | null {
    return this.#controller.timings ?? null
  }

  get bodyDecoded(): boolean {
    return this.#controller.bodyDecoded === true
  }

  onData(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#deliverable) this.#flush()
    else if (this.#size > MAX_BUFFERED) this.#controller.pause()
  }

  onEnd(trailers: IncomingHeaders): void {
    this.#trailers = trailers
    if (this.#deliverable) this.#flush()
  }

  /** Delivers the buffered chunks, then those that follow. */
  deliver(): void {
    this.#deliverable = true
    if (!this.#paused) this.resume()
  }

  pause(): void {
    this.#paused = true
    if (!this.ended) this.#controller.pause()
  }

  resume(): void {
    this.#paused = false
    if (!this.#deliverable) return
    this.#flush()
    if (!this.#paused) this.resumeSource()
  }

  /** Resumes the connection, if more of the body is expected. */
  resumeSource(): void {
    if (!this.ended) this.#controller.resume()
  }

  #flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    while (!this.#paused && this.#chunks.length > 0) this.#listener.onData(this.#chunks.shift() as Buffer)
    this.#flushing = false
    if (!this.#paused && this.#trailers !== null) this.#listener.onEnd(this.#trailers)
  }
}
