import type { FieldRecord } from './field-record.js'
import type { InputViews } from './input-views.js'

/**
 * Size of the buffer that all connections of an engine read into. A read that fills it tells that more has come: so the
 * size is none that peers write in.
 */
export const INPUT_BYTES = 258048

/** What `execute` answers, as far as all engines have it in common. */
export const OK = 0
export const PAUSED = 21
/** Answer of a {@link FieldRecord} that is full; `execute` passes it on. */
export const REFUSED = 24

/** `latin1Slice` is public in practice on every runtime with `Buffer`, and twice as fast as `toString`. */
export interface InputBuffer extends Buffer {
  latin1Slice(start: number, end: number): string
}

/**
 * Finds the fields of heads, and the data and trailers of chunked bodies, and refuses what can be neither. Whatever
 * needs more than one field to be decided is for the Parser.
 */
export interface Engine {
  /** The kernel writes here, and the engine reads here. */
  readonly input: InputBuffer
  /** Whether a caller that gets a part of the input buffer could transfer, and so detach, all of it. */
  readonly detachable: boolean
  /** Of the same bytes. */
  readonly view: DataView
  /** Of the same bytes, for those who may read a part of them. */
  readonly views: InputViews
  readonly record: FieldRecord
  /** Pairs of start and end, in the input buffer, of the chunk data met by the last {@link execute}. */
  readonly data: readonly number[]
  /** True when the last {@link execute} stopped at the end of a message rather than of a head. */
  readonly messageComplete: boolean
  /** The input buffer holds bytes that are being read: nobody else may write there. */
  busy: boolean
  /** Where the input buffer stands for {@link FieldRecord.base}. */
  readonly origin: number
  /** Returns the handle of a parser state, never 0, which {@link release} takes back. */
  allocate(): number
  release(handle: number): void
  /** The next byte is the first of a message. */
  reset(handle: number): void
  /** Reads a chunked body from the next byte on, whatever the engine took the message for. */
  resume(handle: number): void
  /** Parses `input[start..end)`. Calls nobody: what was met stands in {@link record} and {@link data} after. */
  execute(handle: number, start: number, end: number): number
  /** Where in the input buffer the last {@link execute} paused or refused. */
  position(handle: number): number
  status(handle: number): number
  major(handle: number): number
  minor(handle: number): number
  /** Why the last {@link execute} refused, in words. */
  reason(handle: number): string
  /** Name of what {@link execute} answered. */
  errorName(code: number): string
}
