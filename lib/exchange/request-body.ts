import type { Readable } from 'node:stream'
import { isIterable } from '../base/prototype-pollution.js'
import { invalidArgument, invalidOption } from '../errors.js'
import { isFieldValue } from '../wire/headers.js'
import { encodeMultipart, type FormDataLike, type Multipart } from '../wire/multipart.js'
import { checkStream, isStream } from './body-stream.js'
import { streamLength } from './stream-length.js'

/** A request body in one of three forms. */
export type RequestBody =
  | {
      readonly kind: 'bytes'
      readonly bytes: Uint8Array
      readonly length: number
      readonly type: string | null
      /** Whether the caller owns the memory, and may overwrite it once the request was sent. */
      readonly shared: boolean
    }
  | {
      readonly kind: 'stream'
      readonly stream: Readable
      /** Length in bytes; `null` if unknown before the end. */
      readonly length: number | null
      readonly type: null
    }
  | {
      readonly kind: 'iterable'
      readonly iterable: AsyncIterable<unknown> | Iterable<unknown>
      /** Length in bytes; `null` if unknown before the end. */
      readonly length: number | null
      /** Whether the body can be read again from its start. */
      readonly replayable: boolean
      readonly type: string | null
    }

/**
 * Converts the `body` option of a request.
 * @throws {InvalidArgumentError} the value can not be sent; or the error of a stream that has failed
 */
export function toRequestBody(body: unknown): RequestBody | null {
  if (body === null || body === undefined) return null
  if (typeof body === 'string') return fromBytes(Buffer.from(body), false)
  if (typeof body !== 'object') throw invalidOption('body', BODY_TYPES, body)
  if (ArrayBuffer.isView(body)) return fromBytes(new Uint8Array(body.buffer, body.byteOffset, body.byteLength), true)
  if (isArrayBuffer(body)) return fromBytes(new Uint8Array(body), true)
  if (isStream(body)) return fromStream(body)
  if (isFormData(body)) return fromFormData(body)
  if (isBlob(body)) return fromBlob(body)
  if (tagOf(body) === 'URLSearchParams') {
    return { ...fromBytes(Buffer.from(String(body)), false), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
  }
  if (isIterable(body, Symbol.asyncIterator) || isIterable(body)) {
    if (Array.isArray(body) && body.length === 0) return fromBytes(new Uint8Array(0), false)
    if (isLocked(body)) throw invalidArgument('body is a stream that is locked to another reader')
    const iterable = body as AsyncIterable<unknown> | Iterable<unknown>
    return { kind: 'iterable', iterable, length: null, replayable: false, type: null }
  }
  throw invalidOption('body', BODY_TYPES, body)
}

const BODY_TYPES = 'a string, bytes, a Readable, an iterable, a Blob or a FormData'

function fromBytes(bytes: Uint8Array, shared: boolean): RequestBody & { kind: 'bytes' } {
  return { kind: 'bytes', bytes, length: bytes.length, type: null, shared }
}

function fromStream(stream: Readable): RequestBody {
  checkStream(stream)
  return { kind: 'stream', stream, length: streamLength(stream), type: null }
}

function fromBlob(blob: Blob): RequestBody {
  const type = String(blob.type ?? '')
  // A user's class may return any type.
  if (!isFieldValue(type)) throw invalidOption('body.type', 'a media type', type)
  return fromMultipart({ parts: [blob], length: blob.size, contentType: type })
}

function fromFormData(form: FormDataLike): RequestBody {
  return fromMultipart(encodeMultipart(form))
}

function fromMultipart({ parts, length, contentType }: Multipart): RequestBody {
  if (!Number.isSafeInteger(length) || length < 0) throw invalidOption('body.size', 'a number of bytes', length)
  const iterable = { [Symbol.asyncIterator]: () => chunksOf(parts) }
  return { kind: 'iterable', iterable, length, replayable: true, type: contentType || null }
}

async function* chunksOf(parts: readonly (Uint8Array | Blob)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (isBytes(part)) yield part
    else yield* part.stream() as unknown as AsyncIterable<Uint8Array>
  }
}

/** `Buffer` of another realm, such as a `vm` context, is not an instance of this realm's. */
function isBytes(part: Uint8Array | Blob): part is Uint8Array {
  return ArrayBuffer.isView(part)
}

/** Whether a web ReadableStream has a reader already. */
function isLocked(body: object): boolean {
  return tagOf(body) === 'ReadableStream' && (body as ReadableStream).locked
}

/** `instanceof` fails for objects of another realm. */
function tagOf(body: object): unknown {
  return (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]
}

function isArrayBuffer(body: object): body is ArrayBuffer {
  return tagOf(body) === 'ArrayBuffer' || tagOf(body) === 'SharedArrayBuffer'
}

function isBlob(body: object): body is Blob {
  const tag = tagOf(body)
  return (tag === 'Blob' || tag === 'File') && typeof (body as Blob).stream === 'function'
}

function isFormData(body: object): body is FormDataLike {
  return tagOf(body) === 'FormData' && typeof (body as FormDataLike)[Symbol.iterator] === 'function'
}
