/** Places for views; a power of two. */
const PLACES = 64

/**
 * Views of parts of an input buffer. To make one takes ten times as long as to find one, and short responses come to stand in
 * the same few parts again and again.
 */
export class InputViews {
  readonly #input: Buffer
  readonly #starts = new Int32Array(PLACES)
  readonly #ends = new Int32Array(PLACES)
  readonly #views: Buffer[]

  constructor(input: Buffer) {
    this.#input = input
    this.#views = new Array<Buffer>(PLACES).fill(input.subarray(0, 0))
  }

  /** `input[start..end)`. The same object may have been handed out before. */
  of(start: number, end: number): Buffer {
    const place = (start ^ (start >> 6) ^ end) & (PLACES - 1)
    if (this.#starts[place] === start && this.#ends[place] === end) return this.#views[place] as Buffer
    const view = this.#input.subarray(start, end)
    this.#starts[place] = start
    this.#ends[place] = end
    this.#views[place] = view
    return view
  }
}
