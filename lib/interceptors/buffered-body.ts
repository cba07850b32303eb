import type { Timings } from '../errors/timings.js'
import type { DispatchController, IncomingHeaders } from '../exchange/handler.js'

/** Bytes kept; then the connection waits. */
const MAX_BUFFERED = 65536

/** What a {@link BufferedBody} hands out. */
export interface BufferedBodyListener {
  onData(chunk: Buffer): void
  onEnd(trailers: IncomingHeaders): void
}

/** A response body that is kept until it is decided whether it is wanted, then handed out at the pace of its reader. */
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

  /** All of it has come. */
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

  /** Hands out what came, and what comes from now on. */
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

  /** Lets the connection deliver the rest. */
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
