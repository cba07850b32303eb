import { OK, REFUSED } from './engine.js'

/** Fields of one head or trailer section that there is room for. */
const MAX_FIELDS = 2048
const NONE = 0
const NAME = 1
const VALUE = 2

/**
 * Where fields stand, as offsets from the start of their section. One record serves all parsers of an engine,
 * since one executes at a time; a parser whose section is cut by the end of a read saves it and puts it back.
 */
export class FieldRecord {
  /** Four numbers a field: name start, name end, value start, value end. */
  readonly offsets = new Int32Array(4 * MAX_FIELDS)
  count = 0
  limit = MAX_FIELDS
  reasonStart = 0
  reasonEnd = 0
  overflowed = false
  /** Subtracted from pointers to make them offsets of the section. */
  base = 0
  #last = NONE

  /** Whether the last call had a part of a value. */
  get valueBegun(): boolean {
    return this.#last === VALUE
  }

  reset(): void {
    this.count = 0
    this.reasonStart = 0
    this.reasonEnd = 0
    this.overflowed = false
    this.#last = NONE
  }

  reason(at: number, length: number): void {
    const start = at - this.base
    if (this.reasonStart === 0) this.reasonStart = start
    this.reasonEnd = start + length
  }

  name(at: number, length: number): number {
    const start = at - this.base
    if (this.#last !== NAME) {
      if (this.count >= this.limit) {
        this.overflowed = true
        return REFUSED
      }
      const index = 4 * this.count++
      this.offsets[index] = start
      this.offsets[index + 2] = 0
      this.offsets[index + 3] = 0
      this.#last = NAME
    }
    this.offsets[4 * this.count - 3] = start + length
    return OK
  }

  value(at: number, length: number): void {
    const start = at - this.base
    const index = 4 * this.count - 2
    if (this.#last !== VALUE) this.offsets[index] = start
    this.offsets[index + 1] = start + length
    this.#last = VALUE
  }

  save(): SavedRecord {
    return {
      offsets: this.offsets.slice(0, 4 * this.count),
      count: this.count,
      reasonStart: this.reasonStart,
      reasonEnd: this.reasonEnd,
      last: this.#last,
    }
  }

  restore(saved: SavedRecord): void {
    this.offsets.set(saved.offsets)
    this.count = saved.count
    this.reasonStart = saved.reasonStart
    this.reasonEnd = saved.reasonEnd
    this.overflowed = false
    this.#last = saved.last
  }
}

export interface SavedRecord {
  offsets: Int32Array
  count: number
  reasonStart: number
  reasonEnd: number
  last: number
}
