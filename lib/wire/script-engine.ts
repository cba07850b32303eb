import { type Engine, INPUT_BYTES, type InputBuffer, OK, PAUSED, REFUSED } from './engine.js'
import { FieldRecord } from './field-record.js'
import { InputViews } from './input-views.js'
import { PHASE, ScanState } from './scan-state.js'
import { readChunk } from './script-chunks.js'
import { readSection } from './script-head.js'

/**
 * Parser engine in JavaScript, for runtimes without WebAssembly. It behaves like the llhttp binary, error names included,
 * so that the Parser works with both. The number of connections is not limited.
 */
export class ScriptEngine implements Engine {
  readonly input = Buffer.alloc(INPUT_BYTES) as InputBuffer
  readonly detachable = true
  readonly view = new DataView(this.input.buffer, this.input.byteOffset, INPUT_BYTES)
  readonly views = new InputViews(this.input)
  readonly record = new FieldRecord()
  readonly data: number[] = []
  messageComplete = false
  busy = false
  readonly origin = 0
  readonly #scans: (ScanState | null)[] = [null]
  readonly #free: number[] = []
  #error = ''

  allocate(): number {
    const handle = this.#free.pop() ?? this.#scans.length
    this.#scans[handle] = new ScanState(this)
    return handle
  }

  release(handle: number): void {
    this.#scans[handle] = null
    this.#free.push(handle)
  }

  reset(handle: number): void {
    this.#at(handle).reset()
  }

  resume(handle: number): void {
    this.#at(handle).resume()
  }

  execute(handle: number, start: number, end: number): number {
    const scan = this.#at(handle)
    this.data.length = 0
    scan.code = OK
    let at = start
    while (at < end && scan.code === OK) {
      at = scan.phase < PHASE.sizeStart ? readSection(scan, at, end) : readChunk(scan, at, end)
    }
    scan.position = at
    this.messageComplete = scan.code === PAUSED && scan.trailing
    this.#error = scan.code === REFUSED ? 'USER' : scan.error
    return scan.code
  }

  position(handle: number): number {
    return this.#at(handle).position
  }

  status(handle: number): number {
    return this.#at(handle).status
  }

  major(handle: number): number {
    return this.#at(handle).major
  }

  minor(handle: number): number {
    return this.#at(handle).minor
  }

  reason(handle: number): string {
    return this.#at(handle).reason
  }

  errorName(): string {
    return this.#error
  }

  #at(handle: number): ScanState {
    return this.#scans[handle] as ScanState
  }
}
