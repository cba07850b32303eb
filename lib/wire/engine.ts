import type { FieldRecord } from './field-record.js'
import type { InputViews } from './input-views.js'

/**
 * Size of the input buffer of an engine in bytes. A read that fills the buffer means that more bytes are available, so the
 * size differs from the sizes that peers usually write. In a buffer of 252 KB, long bodies lost a third of their speed to
 * cache misses.
 */
export const INPUT_BYTES = 97280

/** Result of {@link Engine.execute}: all bytes were parsed. */
export const OK = 0
/** Result of {@link Engine.execute}: parsing stopped at the end of a header section or message. */
export const PAUSED = 21
/** Result of {@link Engine.execute}: the {@link FieldRecord} is full. */
export const REFUSED = 24

/** Buffer with the undocumented method `latin1Slice`, which exists on every runtime and is twice as fast as `toString`. */
export interface InputBuffer extends Buffer {
  latin1Slice(start: number, end: number): string
}

/**
 * Low-level HTTP/1 response parser: llhttp, or its replacement in JavaScript. It finds the fields of header sections, and
 * the data and trailers of chunked bodies, and rejects invalid bytes. Rules that involve several fields are implemented
 * by the Parser.
 */
export interface Engine {
  /** Input buffer: the kernel writes into it, and the engine parses it. */
  readonly input: InputBuffer
  /** Whether a caller that receives a view of the input buffer could transfer, and so detach, its ArrayBuffer. */
  readonly detachable: boolean
  /** DataView of the input buffer. */
  readonly view: DataView
  /** Cached views of parts of the input buffer. */
  readonly views: InputViews
  /** Offsets of the fields found in the current section. */
  readonly record: FieldRecord
  /** Pairs of start and end, in the input buffer, of the chunk data found by the last {@link execute}. */
  readonly data: readonly number[]
  /** Whether the last {@link execute} stopped at the end of a message, not of a header section. */
  readonly messageComplete: boolean
  /** Whether the input buffer holds bytes that are being parsed and must not be overwritten. */
  busy: boolean
  /** Pointer of the start of the input buffer, as used by {@link FieldRecord.base}. */
  readonly origin: number
  /** Allocates a parser state and returns its handle, never 0. */
  allocate(): number
  /** Frees a parser state. */
  release(handle: number): void
  /** Resets a parser state: the next byte is the first of a message. */
  reset(handle: number): void
  /** Continues with a chunked body at the next byte, whatever framing the engine found. */
  resume(handle: number): void
  /** Parses `input[start..end)` without calling user code. Results are in {@link record} and {@link data}. */
  execute(handle: number, start: number, end: number): number
  /** Position in the input buffer at which the last {@link execute} paused or failed. */
  position(handle: number): number
  /** Status code of the current response. */
  status(handle: number): number
  /** Major HTTP version of the current response. */
  major(handle: number): number
  /** Minor HTTP version of the current response. */
  minor(handle: number): number
  /** Description of the last error. */
  reason(handle: number): string
  /** Name of an error returned by {@link execute}, without `HPE_`. */
  errorName(code: number): string
}
