import { invalidType } from '../errors.js'

/**
 * Returns the bytes of a body chunk. They share the memory of the chunk, unless it is a string.
 * @throws {InvalidArgumentError} the chunk is neither a string nor bytes
 */
export function toBytes(chunk: unknown): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  // Always a new view: a subclass may override `length`.
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  // The ArrayBuffer may be of another realm.
  if (Object.prototype.toString.call(chunk) === '[object ArrayBuffer]') return new Uint8Array(chunk as ArrayBuffer)
  throw invalidType('each chunk of body', 'a string or a Uint8Array', chunk)
}

/** Returns a copy of a body chunk. A value that is not a chunk is returned unchanged. */
export function copyChunk(chunk: unknown): unknown {
  if (typeof chunk !== 'object' || chunk === null) return chunk
  try {
    return toBytes(chunk).slice()
  } catch {
    return chunk
  }
}
