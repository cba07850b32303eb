import { pooledCopy } from '../base/unpooled-memory.js'
import { NotSupportedError } from '../errors.js'
import type { IncomingHeaders } from '../exchange/handler.js'

/** Formats in which a whole body can be read: those of the body mixin of the Fetch standard. */
export type BodyFormat = 'text' | 'json' | 'bytes' | 'arrayBuffer' | 'blob' | 'formData'

/** Memory for the whole body is allocated after 1/8 of it was received, as a server may send less than its content-length. */
const PREALLOCATE_FRACTION = 8

/** Consumer of a whole body that bypasses the stream. */
export interface Consumer {
  /** Adds a chunk, whose memory belongs to the consumer from then on. */
  take(chunk: Buffer): void
  /** Adds a copy of a chunk, whose memory is reused. */
  copy(chunk: Buffer): void
  end(): void
  fail(reason: unknown): void
}

/** Resolve functions of the promise for a body. */
export interface PromiseResolvers {
  resolve(value: unknown): void
  reject(reason: unknown): void
}

/** Metadata of a body from its response headers. */
export interface BodyMetadata {
  contentType: string
  /** Value of `content-length`. Only a hint, because interceptors may change the body. */
  contentLength: string | undefined
  /** Encoding set by `setEncoding`; null for UTF-8. */
  encoding: BufferEncoding | null
}

/** Returns the metadata of a body with these response headers. */
export function metadataOf(headers: IncomingHeaders | undefined): BodyMetadata {
  const { 'content-type': type, 'content-length': length } = headers ?? {}
  return {
    contentType: typeof type === 'string' ? type : '',
    contentLength: typeof length === 'string' ? length : undefined,
    encoding: null,
  }
}

/**
 * Collects a body in one format. Its memory may be in Node's pool, except for `bytes()` and `arrayBuffer()`, which return
 * it to the caller.
 */
export class BodyCollector implements Consumer {
  readonly #format: BodyFormat
  readonly #metadata: BodyMetadata
  readonly #promise: PromiseResolvers
  #chunks: Buffer[] = []
  #size = 0
  /** Memory for the whole body; its first {@link #size} bytes are filled. */
  #whole: Buffer | null = null

  constructor(format: BodyFormat, metadata: BodyMetadata, promise: PromiseResolvers) {
    this.#format = format
    this.#metadata = metadata
    this.#promise = promise
  }

  take(chunk: Buffer): void {
    if (this.#whole !== null) return this.copy(chunk)
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  copy(chunk: Buffer): void {
    const size = this.#size + chunk.length
    this.#whole ??= this.#allocateWhole(size)
    if (this.#whole === null || size > this.#whole.length) {
      this.#splitWhole()
      return this.take(pooledCopy(chunk, 0, chunk.length))
    }
    chunk.copy(this.#whole, this.#size)
    this.#size = size
  }

  end(): void {
    try {
      this.#promise.resolve(this.#result())
    } catch (error) {
      this.#promise.reject(error)
    }
  }

  fail(reason: unknown): void {
    this.#promise.reject(reason)
  }

  #result(): unknown {
    const whole = this.#joinChunks()
    switch (this.#format) {
      case 'text':
        return decode(whole, this.#metadata.encoding)
      case 'json':
        return JSON.parse(decode(whole, this.#metadata.encoding))
      case 'bytes':
        return new Uint8Array(exactBuffer(whole))
      case 'arrayBuffer':
        return exactBuffer(whole)
      case 'blob':
        return new Blob([whole], { type: this.#metadata.contentType })
      case 'formData':
        return toFormData(whole, this.#metadata.contentType)
    }
  }

  /** Allocates memory for the whole body and copies the chunks into it; null if `size`, the bytes received, is too small. */
  #allocateWhole(size: number): Buffer | null {
    const expected = Number(this.#metadata.contentLength)
    if (!(size <= expected && size * PREALLOCATE_FRACTION >= expected)) return null
    const shown = this.#format === 'bytes' || this.#format === 'arrayBuffer'
    const whole = shown ? Buffer.allocUnsafeSlow(expected) : Buffer.allocUnsafe(expected)
    let at = 0
    for (const chunk of this.#chunks) at += chunk.copy(whole, at)
    this.#chunks = []
    return whole
  }

  /** Turns the preallocated memory into a chunk: an interceptor may have made the body longer than its content-length. */
  #splitWhole(): void {
    if (this.#whole === null) return
    this.#chunks.push(this.#whole.subarray(0, this.#size))
    this.#whole = null
  }

  #joinChunks(): Buffer {
    this.#splitWhole()
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#size)
  }
}

/** Returns an ArrayBuffer with exactly these bytes, so that no pooled memory of others is exposed. */
function exactBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, length } = bytes
  if (length === buffer.byteLength) return buffer as ArrayBuffer
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer
}

/** Decodes text without its byte order mark: https://encoding.spec.whatwg.org/#utf-8-decode */
function decode(bytes: Buffer, encoding: BufferEncoding | null): string {
  const marked = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  // Without arguments, Node takes a shorter path.
  if (!marked && encoding === null) return bytes.toString()
  return bytes.toString(encoding ?? 'utf8', marked ? 3 : 0)
}

/** Parses a form with the runtime's `Response`. @throws {NotSupportedError} the runtime has none */
function toFormData(bytes: Uint8Array, contentType: string): Promise<FormData> {
  if (typeof Response === 'undefined')
    throw new NotSupportedError('formData() requires a runtime with a global Response class')
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { 'content-type': contentType } }).formData()
}
