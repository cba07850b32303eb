import { patternAt } from './scenarios.js'

const END = Buffer.from('\r\n\r\n')
const LF = 10

/**
 * Counts complete requests in a byte stream, with little CPU time. Clients send identical requests, so when a read consists
 * of requests as long as the first one, only their ends are checked.
 */
export class RequestCounter {
  /** Body length of each request in bytes. */
  readonly #expected: number
  #head = ''
  /** Remaining body bytes of the current request; 0 within its header section. */
  #left = 0
  /** Lengths of the first request: header section, and whole request. */
  #headLength = 0
  #length = 0

  constructor(expected: number) {
    this.#expected = expected
  }

  /** Returns the number of requests that end within the chunk, or -1 for an unexpected request. */
  read(chunk: Buffer): number {
    const identical = this.#left === 0 && this.#head === '' ? this.#countIdentical(chunk) : 0
    return identical > 0 ? identical : this.#countByParsing(chunk)
  }

  #countIdentical(chunk: Buffer): number {
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

  #countByParsing(chunk: Buffer): number {
    let count = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const bodyLength = Math.min(this.#left, chunk.length - at)
        if (!this.#matchesPattern(chunk.subarray(at, at + bodyLength))) return -1
        at += bodyLength
        this.#left -= bodyLength
        if (this.#left === 0) count++
        continue
      }
      const end = this.#endOfHead(chunk, at)
      if (end < 0) return count
      if (!this.#readHead()) return -1
      at = end
      if (this.#left === 0) count++
    }
    return count
  }

  /** Returns where the body begins, or -1 if the header section continues beyond this chunk. */
  #endOfHead(chunk: Buffer, from: number): number {
    if (this.#head === '') {
      const found = chunk.indexOf(END, from)
      const end = found < 0 ? chunk.length : found + 4
      this.#head = chunk.toString('latin1', from, end)
      return found < 0 ? -1 : end
    }
    // The header section began in an earlier read. Its final CRLF CRLF may be split between the reads.
    const before = this.#head.length
    const text = this.#head + chunk.toString('latin1', from)
    const found = text.indexOf('\r\n\r\n', Math.max(0, before - 3))
    this.#head = found < 0 ? text : text.slice(0, found + 4)
    return found < 0 ? -1 : from + found + 4 - before
  }

  #readHead(): boolean {
    const length = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(this.#head)?.[1] ?? 0)
    if (length !== this.#expected || /\r\ntransfer-encoding:/i.test(this.#head)) return false
    this.#headLength = this.#head.length
    this.#length = this.#headLength + length
    this.#left = length
    this.#head = ''
    return true
  }

  /** Compares first and last byte only: lost, doubled or shifted bytes show there. */
  #matchesPattern(part: Buffer): boolean {
    const start = this.#expected - this.#left
    return part[0] === patternAt(start) && part[part.length - 1] === patternAt(start + part.length - 1)
  }
}
