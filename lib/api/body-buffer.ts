import type { BodySource } from './body-source.js'

/** Received chunks of a body that were not read yet, oldest first. Pauses the source when its limit is reached. */
export class BodyBuffer {
  readonly #source: BodySource
  readonly #limit: number
  /** Chunks in order. Small ones may be in Node's pooled memory. */
  #chunks: (Buffer | null)[] = []
  /** Index of the oldest chunk. Removing it from the array would move all others. */
  #first = 0
  #bytes = 0
  #paused = false
  /** Whether the body is completely received. */
  complete = false

  /** `limit`: number of buffered bytes at which the source is paused; with 0 after each chunk. */
  constructor(source: BodySource, limit: number) {
    this.#source = source
    this.#limit = Math.max(1, limit)
  }

  get empty(): boolean {
    return this.#first === this.#chunks.length
  }

  /** Appends a chunk. Returns false if the limit is reached and the source was paused. */
  push(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#limit || this.#paused) return true
    this.pause()
    return false
  }

  /** Removes and returns the oldest chunk. */
  shift(): Buffer {
    const chunk = this.#chunks[this.#first] as Buffer
    this.#chunks[this.#first++] = null
    this.#bytes -= chunk.length
    if (this.empty) this.clear()
    return chunk
  }

  /** Removes and returns all chunks. */
  clear(): Buffer[] {
    const rest = (this.#first === 0 ? this.#chunks : this.#chunks.slice(this.#first)) as Buffer[]
    this.#chunks = []
    this.#first = 0
    this.#bytes = 0
    return rest
  }

  pause(): void {
    if (this.#paused || this.complete) return
    this.#paused = true
    this.#source.pause()
  }

  /** Resumes the source if the buffer is below its limit. */
  resume(): void {
    if (!this.#paused || this.#bytes >= this.#limit) return
    this.#paused = false
    this.#source.resume()
  }
}
