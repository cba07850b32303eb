import type { ResponseHead } from './response-head.js'

/** Heads of more bytes than this are not remembered. */
const MAX_HEAD_BYTES = 2048

/**
 * The head that came twice in a row, as bytes and as what it means: servers say the same over and over, and what is
 * the same to the byte need not be parsed again. All connections to an origin share one.
 */
export class RepeatedHeadCache {
  /** The head's bytes, four by four; the last four overlap with those before. */
  #headWords: Int32Array | null = null
  #head: ResponseHead | null = null
  #lastSection = ''
  /** Bytes of the head that is known. */
  length = 0

  /** The head that the bytes from `start` to `end` of the input buffer begin with, if it is known. */
  find(input: DataView, start: number, end: number): ResponseHead | null {
    const words = this.#headWords
    if (words === null || start + this.length > end) return null
    const last = words.length - 1
    if (input.getInt32(start + this.length - 4, true) !== words[last]) return null
    // A loop of our own takes half the time of Buffer.compare: that one leaves JavaScript.
    for (let i = 0; i < last; i++) if (input.getInt32(start + 4 * i, true) !== words[i]) return null
    return this.#head
  }

  /** Only what came twice is kept, and only where llhttp is not needed for what follows. */
  remember(section: string, head: ResponseHead): void {
    if (head.informational || head.transferEncoding !== null || section.length > MAX_HEAD_BYTES) return
    if (section === this.#lastSection) {
      head.cacheHeaders()
      this.#headWords = wordsOf(section)
      this.#head = head
      this.length = section.length
    }
    this.#lastSection = section
  }
}

function wordsOf(section: string): Int32Array {
  const bytes = Buffer.from(section, 'latin1')
  const words = new Int32Array(Math.ceil(bytes.length / 4))
  for (let i = 0; i < words.length - 1; i++) words[i] = bytes.readInt32LE(4 * i)
  words[words.length - 1] = bytes.readInt32LE(bytes.length - 4)
  return words
}
