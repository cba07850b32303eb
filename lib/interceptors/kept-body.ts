import type { Timings } from '../errors/timings.js'
import type { DispatchController, IncomingHeaders } from '../exchange/handler.js'

/** Bytes kept; then the connection waits. */
const LIMIT = 65536

/** What a {@link KeptBody} hands out. */
export interface KeptBodyListener {
  onData(chunk: Buffer): void
  onEnd(trailers: IncomingHeaders): void
}

/** A response body that is kept until it is decided whether it is wanted, then handed out at the pace of its reader. */
export class KeptBody {
  readonly #controller: DispatchController
  readonly #listener: KeptBodyListener
  readonly #chunks: Buffer[] = []
  #size = 0
  #trailers: IncomingHeaders | null = null
  #given = false
  #paused = false
  #delivering = false

  constructor(controller: DispatchController, listener: KeptBodyListener) {
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

  take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#given) this.#deliver()
    else if (this.#size > LIMIT) this.#controller.pause()
  }

  end(trailers: IncomingHeaders): void {
    this.#trailers = trailers
    if (this.#given) this.#deliver()
  }

  /** Hands out what came, and what comes from now on. */
  give(): void {
    this.#given = true
    if (!this.#paused) this.resume()
  }

  pause(): void {
    this.#paused = true
    if (!this.ended) this.#controller.pause()
  }

  resume(): void {
    this.#paused = false
    if (!this.#given) return
    this.#deliver()
    if (!this.#paused) this.release()
  }

  /** Lets the connection deliver the rest. */
  release(): void {
    if (!this.ended) this.#controller.resume()
  }

  #deliver(): void {
    if (this.#delivering) return
    this.#delivering = true
    while (!this.#paused && this.#chunks.length > 0) this.#listener.onData(this.#chunks.shift() as Buffer)
    this.#delivering = false
    if (!this.#paused && this.#trailers !== null) this.#listener.onEnd(this.#trailers)
  }
}
