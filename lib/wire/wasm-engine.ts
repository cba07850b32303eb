import { WebAssemblyNotSupportedError } from '../errors/webassembly-error.js'
import { type Engine, INPUT_BYTES, type InputBuffer, OK, PAUSED } from './engine.js'
import { FieldRecord } from './field-record.js'
import { InputViews } from './input-views.js'
import { compileParser } from './wasm-module.js'

/** Number of parser states per engine. Their memory is allocated at the start, because growing it would detach views. */
const SLOTS = 2048
const SLOT_BYTES = 64
const PAGE_BYTES = 65536
/** `llhttp_type_t`: HTTP_RESPONSE. */
const RESPONSE = 2
/** Address of the `llhttp_settings_t` in the binary, which contains the callbacks. */
const SETTINGS_ADDRESS = 10496
/** Offsets in `llhttp_t` of this binary, checked by a test. */
const TYPE = 40
const SETTINGS = 56
const SPAN_START = 4
const ERROR = 12
const REASON = 16
const ERROR_POSITION = 20
const STATE = 28
const FLAGS = 50
const STATUS = 52
const MAJOR = 42
const MINOR = 43
const CHUNKED = 8
/** What `llhttp_execute` returns for a bad character in a Content-Length. */
const INVALID_CONTENT_LENGTH = 11
/** State number of this binary for the white space after the digits of a Content-Length. */
const AFTER_LENGTH = 63
const TAB = 9

/** Declared here, because only the DOM types declare it, and those declare too much else. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { exports: unknown }
}

interface Exports {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  llhttp_reset(pointer: number): void
  llhttp_resume(pointer: number): void
  llhttp_execute(pointer: number, at: number, length: number): number
  llhttp_errno_name(code: number): number
}

/** Parser engine that runs llhttp in WebAssembly, with its input buffer and parser states. */
export class WasmEngine implements Engine {
  readonly input: InputBuffer
  /** `structuredClone` and `ArrayBuffer.prototype.transfer` throw for WebAssembly memory. */
  readonly detachable = false
  readonly view: DataView
  readonly views: InputViews
  readonly record = new FieldRecord()
  readonly data: number[] = []
  messageComplete = false
  busy = false
  /** Pointer of the input buffer in the WebAssembly memory. */
  readonly origin: number
  #used = 0
  /** Pointers of freed parser states. */
  readonly #free: number[] = []
  readonly #exports: Exports
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(module: object) {
    const instance = new WebAssembly.Instance(module, { env: this.#callbacks() })
    const exports = instance.exports as unknown as Exports
    this.#exports = exports
    const { memory } = exports
    // After the constants and the stack. Throws if the memory can not grow.
    this.origin = memory.grow(Math.ceil((INPUT_BYTES + SLOTS * SLOT_BYTES) / PAGE_BYTES)) * PAGE_BYTES
    this.#bytes = new Uint8Array(memory.buffer)
    this.#view = new DataView(memory.buffer)
    this.input = Buffer.from(memory.buffer, this.origin, INPUT_BYTES) as InputBuffer
    this.view = new DataView(memory.buffer, this.origin, INPUT_BYTES)
    this.views = new InputViews(this.input)
  }

  /** Whether all parser states are in use. */
  get full(): boolean {
    return this.#used >= SLOTS
  }

  /** Number of parser states in use. */
  get used(): number {
    return this.#used
  }

  allocate(): number {
    const pointer = this.#free.pop() ?? this.origin + INPUT_BYTES + this.#used * SLOT_BYTES
    this.#used++
    this.#bytes[pointer + TYPE] = RESPONSE
    this.#view.setUint32(pointer + SETTINGS, SETTINGS_ADDRESS, true)
    this.reset(pointer)
    return pointer
  }

  release(pointer: number): void {
    this.#used--
    this.#free.push(pointer)
  }

  reset(pointer: number): void {
    this.#exports.llhttp_reset(pointer)
  }

  resume(pointer: number): void {
    // llhttp does not recognize the coding in `chunked,` and in `chunked` followed by a tab.
    this.#view.setUint16(pointer + FLAGS, this.#view.getUint16(pointer + FLAGS, true) | CHUNKED, true)
    this.#exports.llhttp_resume(pointer)
  }

  execute(pointer: number, start: number, end: number): number {
    this.data.length = 0
    this.messageComplete = false
    let code = this.#exports.llhttp_execute(pointer, this.origin + start, end - start)
    while (code === INVALID_CONTENT_LENGTH && this.#stoppedAtTab(pointer)) code = this.#continueAfterTab(pointer, end)
    return code
  }

  /**
   * Whether llhttp rejected a tab after a Content-Length, which is optional white space (RFC 9110 §5.6.3). With the same
   * error it stops before the value if Transfer-Encoding is present.
   */
  #stoppedAtTab(pointer: number): boolean {
    return this.record.valueBegun && this.input[this.position(pointer)] === TAB
  }

  #continueAfterTab(pointer: number, end: number): number {
    const start = this.position(pointer) + 1
    this.#view.setUint32(pointer + ERROR, OK, true)
    this.#view.setUint32(pointer + STATE, AFTER_LENGTH, true)
    // Any value but 0 means that a field value has begun.
    this.#view.setUint32(pointer + SPAN_START, this.origin + start, true)
    return this.#exports.llhttp_execute(pointer, this.origin + start, end - start)
  }

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

  /** Description of the last error by llhttp. */
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
      // Pausing here and at the end of the message keeps all decisions and user code out of WebAssembly frames.
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

const engines: WasmEngine[] = []
let compiled: object | null = null
let failure: unknown = null

/**
 * Returns an engine with a free parser state. Creates one on first use, and when all states of the others are in use.
 * @throws {WebAssemblyNotSupportedError} WebAssembly is missing, or failed to compile the module or allocate memory. After
 *   a failure no further attempt is made.
 */
export function wasmEngine(): Engine {
  for (const engine of engines) if (!engine.full) return engine
  if (typeof WebAssembly === 'undefined') throw new WebAssemblyNotSupportedError()
  try {
    if (failure !== null) throw failure
    compiled ??= compileParser()
    const engine = new WasmEngine(compiled)
    engines.push(engine)
    return engine
  } catch (cause) {
    failure = cause
    throw new WebAssemblyNotSupportedError(`WebAssembly failed: ${(cause as Error).message}`, { cause })
  }
}
