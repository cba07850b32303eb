import { type InputBuffer, OK, PAUSED } from './engine.js'
import type { FieldRecord } from './field-record.js'

/** Phases of a {@link ScanState}: the element that the next byte belongs to. */
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

/** Headers that determine framing. */
export const FIELD = { other: 0, length: 1, coding: 2 } as const
type Field = (typeof FIELD)[keyof typeof FIELD]

/** Result of `execute` for invalid bytes; {@link ScanState.error} is the reason. */
export const FAILED = 1

/** Parser state of one connection in the {@link ScriptEngine}. */
export class ScanState {
  readonly input: InputBuffer
  readonly record: FieldRecord
  readonly data: number[]
  phase: Phase = PHASE.line
  code = OK
  position = 0
  error = ''
  reason = ''
  /** Number of bytes read of the status line, up to the end of the status code. */
  cursor = 0
  major = 0
  minor = 0
  status = 0
  hasLength = false
  hasCoding = false
  trailing = false
  field: Field = FIELD.other
  /** Part of a name or value that earlier reads received. */
  text = ''
  /** Remaining bytes of the current chunk, and the number of significant digits of its size. */
  size = 0
  digits = 0

  constructor(part: { input: InputBuffer; record: FieldRecord; data: number[] }) {
    this.input = part.input
    this.record = part.record
    this.data = part.data
  }

  /** Resets the state: the next byte is the first of a response. */
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

  /** Continues with a chunked body: the next byte is the first of a chunk size. */
  resume(): void {
    this.phase = PHASE.sizeStart
  }

  /** Rejects the response at a position, with an llhttp error name and a description. Returns the position. */
  refuse(at: number, error: string, reason: string): number {
    this.code = FAILED
    this.error = error
    this.reason = reason
    return at
  }

  /** Pauses at a position and returns it. */
  pause(at: number): number {
    this.code = PAUSED
    return at
  }
}

/** Carriage return, as a byte. */
export const CR = 13
/** Line feed, as a byte. */
export const LF = 10
/** Horizontal tab, as a byte. */
export const TAB = 9
/** Space, as a byte. */
export const SPACE = 32

/** Bit of {@link BYTE_CLASSES}: byte of a token (RFC 9110 §5.6.2). */
export const TOKEN = 1
/** Bit of {@link BYTE_CLASSES}: byte of a field value (RFC 9110 §5.5). */
export const VALUE = 2
/** Bit of {@link BYTE_CLASSES}: byte of a quoted string (RFC 9110 §5.6.4), and DEL, which llhttp accepts there. */
export const QUOTED = 4
/** Classes of each byte value, as bits. */
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
