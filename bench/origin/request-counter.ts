import { patternAt } from './scenes.js'

const END = Buffer.from('\r\n\r\n')
const LF = 10

/**
 * Counts complete requests in a stream of bytes, at next to no cost: a client says the same again and again, so when a
 * read holds whole requests as long as the first one was, only their ends are looked at.
 */
export class RequestCounter {
  /** Bytes of body that each request must have. */
  readonly #expected: number
  #head = ''
  /** Bytes of body still to come; 0 within a head. */
  #left = 0
  /** Lengths of the first request: head, and all of it. */
  #headLength = 0
  #length = 0

  constructor(expected: number) {
    this.#expected = expected
  }

  /** How many requests end within these bytes; -1 for what is not a request as expected. */
  read(chunk: Buffer): number {
    const alike = this.#left === 0 && this.#head === '' ? this.#countAlike(chunk) : 0
    return alike > 0 ? alike : this.#countSlowly(chunk)
  }

  #countAlike(chunk: Buffer): number {
    const length = this.#length
    if (length === 0 || chunk.length % length !== 0) return 0
    const body = length - this.#headLength
    for (let at = 0; at < chunk.length; at += length) {
      const end = at + this.#headLength
      if (chunk[end - 1] !== LF || chunk[end - 3] !== LF) return 0
      if (body > 0 && (chunk[end] !== patternAt(0) || chunk[at + length - 1] !== patternAt(body - 1))) return 0
    }
    return chunk.length / length
  }

  #countSlowly(chunk: Buffer): number {
    let count = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        if (!this.#holdsPattern(chunk.subarray(at, at + taken))) return -1
        at += taken
        this.#left -= taken
        if (this.#left === 0) count++
        continue
      }
      const end = this.#endOfHead(chunk, at)
      if (end < 0) return count
      if (!this.#takeHead()) return -1
      at = end
      if (this.#left === 0) count++
    }
    return count
  }

  /** Where the body begins; -1 when the head goes on beyond this chunk. */
  #endOfHead(chunk: Buffer, from: number): number {
    if (this.#head === '') {
      const found = chunk.indexOf(END, from)
      const end = found < 0 ? chunk.length : found + 4
      this.#head = chunk.toString('latin1', from, end)
      return found < 0 ? -1 : end
    }
    // It began in an earlier read, and its last four bytes may be of both.
    const before = this.#head.length
    const text = this.#head + chunk.toString('latin1', from)
    const found = text.indexOf('\r\n\r\n', Math.max(0, before - 3))
    this.#head = found < 0 ? text : text.slice(0, found + 4)
    return found < 0 ? -1 : from + found + 4 - before
  }

  #takeHead(): boolean {
    const length = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(this.#head)?.[1] ?? 0)
    if (length !== this.#expected || /\r\ntransfer-encoding:/i.test(this.#head)) return false
    this.#headLength = this.#head.length
    this.#length = this.#headLength + length
    this.#left = length
    this.#head = ''
    return true
  }

  /** Looks at both ends only: what is lost, doubled or moved shows there. */
  #holdsPattern(piece: Buffer): boolean {
    const start = this.#expected - this.#left
    return piece[0] === patternAt(start) && piece[piece.length - 1] === patternAt(start + piece.length - 1)
  }
}
