import { pooledCopy } from '../base/unpooled-memory.js'
import { NotSupportedError } from '../errors.js'

/** Formats in which a body can be taken whole: the body mixin of the Fetch standard. */
export type BodyFormat = 'text' | 'json' | 'bytes' | 'arrayBuffer' | 'blob' | 'formData'

/** Memory for all of a body is allocated when this part of it has come: a server may announce more than it sends. */
const PART = 8

/** What takes a body whole, past the machinery of streams. */
export interface Consumer {
  take(chunk: Buffer): void
  /** As {@link take}, but the memory of `chunk` is used again. */
  copy(chunk: Buffer): void
  end(): void
  fail(reason: unknown): void
}

/** The promise of a body in some format. */
export interface Settlement {
  resolve(value: unknown): void
  reject(reason: unknown): void
}

/** What is known of a body before it comes. */
export interface BodyFacts {
  contentType: string
  /** Only a hint: interceptors may change the body. */
  contentLength: string | undefined
  /** As of `setEncoding`; null for UTF-8. */
  encoding: BufferEncoding | null
}

/**
 * Collects a body in one format. Callers never see the memory it collects in, which may be of Node's pool, unless
 * `bytes()` or `arrayBuffer()` returns it.
 */
export class BodyCollector implements Consumer {
  readonly #format: BodyFormat
  readonly #facts: BodyFacts
  readonly #settlement: Settlement
  #chunks: Buffer[] = []
  #size = 0
  /** Memory for all of the body, which the first {@link #size} bytes are in. */
  #whole: Buffer | null = null

  constructor(format: BodyFormat, facts: BodyFacts, settlement: Settlement) {
    this.#format = format
    this.#facts = facts
    this.#settlement = settlement
  }

  take(chunk: Buffer): void {
    if (this.#whole !== null) return this.copy(chunk)
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  copy(chunk: Buffer): void {
    const size = this.#size + chunk.length
    this.#whole ??= this.#gather(size)
    if (this.#whole === null || size > this.#whole.length) {
      this.#spill()
      return this.take(pooledCopy(chunk, 0, chunk.length))
    }
    chunk.copy(this.#whole, this.#size)
    this.#size = size
  }

  end(): void {
    try {
      this.#settlement.resolve(this.#result())
    } catch (error) {
      this.#settlement.reject(error)
    }
  }

  fail(reason: unknown): void {
    this.#settlement.reject(reason)
  }

  #result(): unknown {
    const whole = this.#bytes()
    switch (this.#format) {
      case 'text':
        return decode(whole, this.#facts.encoding)
      case 'json':
        return JSON.parse(decode(whole, this.#facts.encoding))
      case 'bytes':
        return new Uint8Array(ownBuffer(whole))
      case 'arrayBuffer':
        return ownBuffer(whole)
      case 'blob':
        return new Blob([whole], { type: this.#facts.contentType })
      case 'formData':
        return toFormData(whole, this.#facts.contentType)
    }
  }

  /** Memory for all of a body of which `size` bytes have come, with those taken before; null if that is too little to tell. */
  #gather(size: number): Buffer | null {
    const expected = Number(this.#facts.contentLength)
    if (!(size <= expected && size * PART >= expected)) return null
    const shown = this.#format === 'bytes' || this.#format === 'arrayBuffer'
    const whole = shown ? Buffer.allocUnsafeSlow(expected) : Buffer.allocUnsafe(expected)
    let at = 0
    for (const chunk of this.#chunks) at += chunk.copy(whole, at)
    this.#chunks = []
    return whole
  }

  /** More comes than was announced: an interceptor may have changed the body. */
  #spill(): void {
    if (this.#whole === null) return
    this.#chunks.push(this.#whole.subarray(0, this.#size))
    this.#whole = null
  }

  #bytes(): Buffer {
    this.#spill()
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#size)
  }
}

/** Memory that holds these bytes alone: others' must not be handed out with them. */
function ownBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, length } = bytes
  if (length === buffer.byteLength) return buffer as ArrayBuffer
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer
}

/** https://encoding.spec.whatwg.org/#utf-8-decode */
function decode(bytes: Buffer, encoding: BufferEncoding | null): string {
  const marked = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return bytes.toString(encoding ?? 'utf8', marked ? 3 : 0)
}

/** The platform knows how; only a runtime without the Fetch standard's classes does not. */
function toFormData(bytes: Uint8Array, contentType: string): Promise<FormData> {
  if (typeof Response === 'undefined')
    throw new NotSupportedError('formData() requires a runtime with a global Response class')
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { 'content-type': contentType } }).formData()
}
