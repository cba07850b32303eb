import type { ResponseHead } from './response-head.js'

/** Heads of more bytes than this are not remembered. */
const MAX_BYTES = 2048

/**
 * The head that came twice in a row, as bytes and as what it means: servers say the same over and over, and what is
 * the same to the byte need not be parsed again.
 */
export class HeadMemory {
  #bytes: Buffer | null = null
  #head: ResponseHead | null = null
  #lastSection = ''

  /** Bytes of the head that is known. */
  get length(): number {
    return this.#bytes === null ? 0 : this.#bytes.length
  }

  /** The head that `window[start..end)` begins with, if it is known. */
  find(window: Buffer, start: number, end: number): ResponseHead | null {
    const bytes = this.#bytes
    if (bytes === null) return null
    const stop = start + bytes.length
    return stop <= end && window.compare(bytes, 0, bytes.length, start, stop) === 0 ? this.#head : null
  }

  /** Only what came twice is kept, and only where llhttp is not needed for what follows. */
  note(section: string, head: ResponseHead): void {
    if (head.informational || head.transferEncoding !== null || section.length > MAX_BYTES) return
    if (section === this.#lastSection) {
      head.keep()
      this.#bytes = Buffer.from(section, 'latin1')
      this.#head = head
    }
    this.#lastSection = section
  }
}
