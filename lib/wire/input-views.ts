/** Number of cached views; a power of two. */
const SLOT_COUNT = 64

/**
 * Caches views of parts of an input buffer. Creating a view takes ten times as long as finding one, and short responses
 * often occupy the same parts.
 */
export class InputViews {
  readonly #input: Buffer
  readonly #starts = new Int32Array(SLOT_COUNT)
  readonly #ends = new Int32Array(SLOT_COUNT)
  readonly #views: Buffer[]

  constructor(input: Buffer) {
    this.#input = input
    this.#views = new Array<Buffer>(SLOT_COUNT).fill(input.subarray(0, 0))
  }

  /** Returns a view of `input[start..end)`. The same object may be returned several times. */
  of(start: number, end: number): Buffer {
    const slot = (start ^ (start >> 6) ^ end) & (SLOT_COUNT - 1)
    if (this.#starts[slot] === start && this.#ends[slot] === end) return this.#views[slot] as Buffer
    const view = this.#input.subarray(start, end)
    this.#starts[slot] = start
    this.#ends[slot] = end
    this.#views[slot] = view
    return view
  }
}
