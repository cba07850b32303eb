import { OK, REFUSED } from './engine.js'

/** Maximum number of fields in one header or trailer section. */
const MAX_FIELDS = 2048
const NONE = 0
const NAME = 1
const VALUE = 2

/**
 * Positions of fields, as offsets from the start of their section. All parsers of an engine share one record, because only
 * one executes at a time. A parser whose section continues in the next read saves the record and restores it then.
 */
export class FieldRecord {
  /** Four numbers per field: name start, name end, value start, value end. */
  readonly offsets = new Int32Array(4 * MAX_FIELDS)
  /** Number of fields found. */
  count = 0
  /** Maximum number of fields; {@link name} fails above it. */
  limit = MAX_FIELDS
  reasonStart = 0
  reasonEnd = 0
  /** Whether {@link limit} was exceeded. */
  overflowed = false
  /** Pointer of the start of the section, subtracted from pointers to get offsets. */
  base = 0
  #last = NONE

  /** Whether the last recorded part belongs to a value. */
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

  /** Records a part of the reason phrase. */
  reason(at: number, length: number): void {
    const start = at - this.base
    if (this.reasonStart === 0) this.reasonStart = start
    this.reasonEnd = start + length
  }

  /** Records a part of a field name. Returns {@link REFUSED} above {@link limit}. */
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

  /** Records a part of a field value. */
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

/** Copy of a {@link FieldRecord}, made when a section continues in the next read. */
export interface SavedRecord {
  offsets: Int32Array
  count: number
  reasonStart: number
  reasonEnd: number
  last: number
}
