import { compileParser } from '#parser-module'
import { WebAssemblyNotSupportedError } from '../errors/platform.js'

/** Bytes of the one buffer into which every connection of an engine reads. */
export const WINDOW_BYTES = 65536
/** Parser states of one engine. The memory for them is taken at the start: growing it later would detach views. */
const SLOTS = 2048
const SLOT_BYTES = 80
/** `llhttp_type_t`: HTTP_RESPONSE. */
const RESPONSE = 2
/** Offsets in `llhttp_t`, measured on this very binary; pinned by a test. */
const REASON = 16
const ERROR_POSITION = 20
const FLAGS = 50
const STATUS = 52
const MAJOR = 42
const MINOR = 43
const CHUNKED = 8

/** `latin1Slice` is public in practice on every runtime with `Buffer`, and twice as fast as `toString`. */
export interface Window extends Buffer {
  latin1Slice(start: number, end: number): string
}

/** What llhttp answers from `execute`, as far as the binding tells them apart. */
export const OK = 0
export const PAUSED = 21
/** Answer of a callback that gives up; llhttp passes it on. */
const REFUSED = 24

/** Fields of one head or trailer section that the binding has room for. */
const MAX_FIELDS = 2048
const NONE = 0
const NAME = 1
const VALUE = 2

/** Neither the language's nor Node's types declare it, and the DOM's bring too much along. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { exports: unknown }
}

interface Exports {
  memory: { buffer: ArrayBuffer }
  _initialize(): void
  malloc(bytes: number): number
  free(pointer: number): void
  llhttp_alloc(type: number): number
  llhttp_free(pointer: number): void
  llhttp_reset(pointer: number): void
  llhttp_resume(pointer: number): void
  llhttp_execute(pointer: number, at: number, length: number): number
  llhttp_errno_name(code: number): number
}

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

/** One instance of llhttp with its window and its parser states. */
export class Engine {
  /** The kernel writes here, and llhttp reads here. */
  readonly window: Window
  readonly record = new FieldRecord()
  /** Pairs of start and end, in the window, of the chunk data met by the last {@link execute}. */
  readonly data: number[] = []
  /** True when the last {@link execute} stopped at the end of a message rather than of a head. */
  messageComplete = false
  /** The window holds bytes that are being read: nobody else may write there. */
  busy = false
  /** Pointer of the window. */
  readonly origin: number
  #used = 0
  readonly #exports: Exports
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(module: object) {
    const instance = new WebAssembly.Instance(module, { env: this.#callbacks() })
    const exports = instance.exports as unknown as Exports
    exports._initialize()
    this.#exports = exports
    this.origin = exports.malloc(WINDOW_BYTES)
    const reserve = exports.malloc(SLOTS * SLOT_BYTES)
    exports.free(reserve)
    this.#bytes = new Uint8Array(exports.memory.buffer)
    this.#view = new DataView(exports.memory.buffer)
    this.window = Buffer.from(exports.memory.buffer, this.origin, WINDOW_BYTES) as Window
  }

  get full(): boolean {
    return this.#used >= SLOTS
  }

  get used(): number {
    return this.#used
  }

  /** Returns the pointer of a parser state, which {@link release} takes back. */
  allocate(): number {
    this.#used++
    return this.#exports.llhttp_alloc(RESPONSE)
  }

  release(pointer: number): void {
    this.#used--
    this.#exports.llhttp_free(pointer)
  }

  reset(pointer: number): void {
    this.#exports.llhttp_reset(pointer)
  }

  resume(pointer: number): void {
    this.#exports.llhttp_resume(pointer)
  }

  /** Parses `window[start..end)`. Calls nobody: what was met stands in {@link record} and {@link data} after. */
  execute(pointer: number, start: number, end: number): number {
    this.data.length = 0
    this.messageComplete = false
    return this.#exports.llhttp_execute(pointer, this.origin + start, end - start)
  }

  /** Where in the window the last {@link execute} paused. */
  position(pointer: number): number {
    return this.#view.getUint32(pointer + ERROR_POSITION, true) - this.origin
  }

  status(pointer: number): number {
    return this.#view.getUint16(pointer + STATUS, true)
  }

  major(pointer: number): number {
    return this.#bytes[pointer + MAJOR] as number
  }

  minor(pointer: number): number {
    return this.#bytes[pointer + MINOR] as number
  }

  /** Whether llhttp itself took the message for chunked. */
  chunked(pointer: number): boolean {
    return (this.#view.getUint16(pointer + FLAGS, true) & CHUNKED) !== 0
  }

  /** llhttp's own words for why it refused. */
  reason(pointer: number): string {
    return this.#text(this.#view.getUint32(pointer + REASON, true))
  }

  /** Name of an llhttp error, without `HPE_`. */
  errorName(code: number): string {
    return this.#text(this.#exports.llhttp_errno_name(code)).replace(/^HPE_/, '')
  }

  #text(pointer: number): string {
    if (pointer === 0) return ''
    return Buffer.from(this.#bytes.buffer).toString('latin1', pointer, this.#bytes.indexOf(0, pointer))
  }

  #callbacks(): Record<string, (pointer: number, at: number, length: number) => number> {
    const record = this.record
    const nothing = () => OK
    return {
      wasm_on_message_begin: nothing,
      wasm_on_url: nothing,
      wasm_on_status: (_pointer, at, length) => {
        record.reason(at, length)
        return OK
      },
      wasm_on_header_field: (_pointer, at, length) => record.name(at, length),
      wasm_on_header_value: (_pointer, at, length) => {
        record.value(at, length)
        return OK
      },
      // Pausing here and at the end keeps every decision, and all user code, out of the WebAssembly frames.
      wasm_on_headers_complete: () => PAUSED,
      wasm_on_body: (_pointer, at, length) => {
        const start = at - this.origin
        this.data.push(start, start + length)
        return OK
      },
      wasm_on_message_complete: () => {
        this.messageComplete = true
        return PAUSED
      },
    }
  }
}

const engines: Engine[] = []
let compiled: object | null = null

/** An engine with a free slot: made on first use, and again when all slots are taken. */
export function availableEngine(): Engine {
  for (const engine of engines) if (!engine.full) return engine
  if (typeof WebAssembly === 'undefined') throw new WebAssemblyNotSupportedError()
  compiled ??= compileParser()
  const engine = new Engine(compiled)
  engines.push(engine)
  return engine
}
