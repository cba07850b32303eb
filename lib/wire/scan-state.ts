import { type InputBuffer, OK, PAUSED } from './engine.js'
import type { FieldRecord } from './field-record.js'

/** Where a {@link ScanState} stands: what the next byte belongs to. */
export const PHASE = {
  line: 0,
  reason: 1,
  lineEnd: 2,
  firstField: 3,
  field: 4,
  name: 5,
  beforeValue: 6,
  noValue: 7,
  afterNoValue: 8,
  value: 9,
  length: 10,
  lengthSpace: 11,
  valueEnd: 12,
  afterValue: 13,
  sectionEnd: 14,
  sizeStart: 15,
  size: 16,
  extension: 17,
  extensionName: 18,
  extensionValue: 19,
  quoted: 20,
  quotedPair: 21,
  quotedEnd: 22,
  sizeEnd: 23,
  data: 24,
  dataEnd: 25,
  afterData: 26,
} as const
type Phase = (typeof PHASE)[keyof typeof PHASE]

/** Fields that mean something to framing. */
export const FIELD = { other: 0, length: 1, coding: 2 } as const
type Field = (typeof FIELD)[keyof typeof FIELD]

/** What `execute` answers when {@link ScanState.error} says why. */
export const FAILED = 1

/** How far one connection has read, and what it found. */
export class ScanState {
  readonly input: InputBuffer
  readonly record: FieldRecord
  readonly data: number[]
  phase: Phase = PHASE.line
  code = OK
  position = 0
  error = ''
  reason = ''
  /** Bytes of the start line, up to the end of the status code. */
  cursor = 0
  major = 0
  minor = 0
  status = 0
  hasLength = false
  hasCoding = false
  trailing = false
  field: Field = FIELD.other
  /** What earlier reads had of a name or a value that is to be looked at. */
  text = ''
  /** Bytes of the chunk still to come, and significant digits of its size. */
  size = 0
  digits = 0

  constructor(part: { input: InputBuffer; record: FieldRecord; data: number[] }) {
    this.input = part.input
    this.record = part.record
    this.data = part.data
  }

  reset(): void {
    this.phase = PHASE.line
    this.cursor = 0
    this.major = 0
    this.status = 0
    this.hasLength = false
    this.hasCoding = false
    this.trailing = false
    this.text = ''
  }

  /** The next byte is the first of a chunk's size. */
  resume(): void {
    this.phase = PHASE.sizeStart
  }

  /** All that came is no response: for `error`, as llhttp names it, and `reason` in words. */
  refuse(at: number, error: string, reason: string): number {
    this.code = FAILED
    this.error = error
    this.reason = reason
    return at
  }

  pause(at: number): number {
    this.code = PAUSED
    return at
  }
}

export const CR = 13
export const LF = 10
export const TAB = 9
export const SPACE = 32

/** Classes of bytes (RFC 9110 §5.5, §5.6.2, §5.6.4), as bits. */
export const TOKEN = 1
export const VALUE = 2
/** Inside a quoted string: neither the quote nor the backslash; DEL, which llhttp takes there. */
export const QUOTED = 4
export const BYTE_CLASSES: Uint8Array = classify()

function classify(): Uint8Array {
  const bytes = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) {
    const text = String.fromCharCode(byte)
    if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(text)) bytes[byte] = TOKEN
    if (/[\t\x20-\x7e\x80-\xff]/.test(text)) bytes[byte] = (bytes[byte] as number) | VALUE
    if (/[\t\x20!#-[\]-\xff]/.test(text)) bytes[byte] = (bytes[byte] as number) | QUOTED
  }
  return bytes
}
