import type { BodySource } from './body-source.js'

/** What of a body came and was not asked for yet, oldest first. Above a limit its connection is told to stop. */
export class BodyFlow {
  readonly #source: BodySource
  readonly #limit: number
  /** Small ones may be of Node's pool. */
  #pieces: (Buffer | null)[] = []
  /** Where the oldest stands: to move all others down for each would take its time where there are many. */
  #first = 0
  #bytes = 0
  #paused = false
  /** No more will come. */
  complete = false

  /** `limit`: bytes that may wait; with 0 each piece waits until it is asked for. */
  constructor(source: BodySource, limit: number) {
    this.#source = source
    this.#limit = Math.max(1, limit)
  }

  get empty(): boolean {
    return this.#first === this.#pieces.length
  }

  /** Returns false where this was too much. */
  hold(piece: Buffer): boolean {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes < this.#limit || this.#paused) return true
    this.pause()
    return false
  }

  /** Takes the oldest out. */
  shift(): Buffer {
    const piece = this.#pieces[this.#first] as Buffer
    this.#pieces[this.#first++] = null
    this.#bytes -= piece.length
    if (this.empty) this.clear()
    return piece
  }

  /** Takes all out. */
  clear(): Buffer[] {
    const rest = this.#pieces.slice(this.#first) as Buffer[]
    this.#pieces = []
    this.#first = 0
    this.#bytes = 0
    return rest
  }

  pause(): void {
    if (this.#paused || this.complete) return
    this.#paused = true
    this.#source.pause()
  }

  /** Asks for more, if there is room for it. */
  resume(): void {
    if (!this.#paused || this.#bytes >= this.#limit) return
    this.#paused = false
    this.#source.resume()
  }
}
