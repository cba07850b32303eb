/** Places for views; a power of two. */
const PLACES = 64

/**
 * Views of parts of a window. To make one takes ten times as long as to find one, and short responses come to stand in
 * the same few parts again and again.
 */
export class WindowViews {
  readonly #window: Buffer
  readonly #starts = new Int32Array(PLACES)
  readonly #ends = new Int32Array(PLACES)
  readonly #views: Buffer[]

  constructor(window: Buffer) {
    this.#window = window
    this.#views = new Array<Buffer>(PLACES).fill(window.subarray(0, 0))
  }

  /** `window[start..end)`. The same object may have been handed out before. */
  of(start: number, end: number): Buffer {
    const place = (start ^ (start >> 6) ^ end) & (PLACES - 1)
    if (this.#starts[place] === start && this.#ends[place] === end) return this.#views[place] as Buffer
    const view = this.#window.subarray(start, end)
    this.#starts[place] = start
    this.#ends[place] = end
    this.#views[place] = view
    return view
  }
}
