import { invalidType } from '../errors.js'

/**
 * Returns the bytes of a body chunk. They share the memory of the chunk, unless it is a string.
 * @throws {InvalidArgumentError} the chunk is neither a string nor bytes
 */
export function toBytes(piece: unknown): Uint8Array {
  if (typeof piece === 'string') return Buffer.from(piece)
  // Always a new view: a subclass may override `length`.
  if (ArrayBuffer.isView(piece)) return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  // The ArrayBuffer may be of another realm.
  if (Object.prototype.toString.call(piece) === '[object ArrayBuffer]') return new Uint8Array(piece as ArrayBuffer)
  throw invalidType('each chunk of body', 'a string or a Uint8Array', piece)
}

/** Returns a copy of a body chunk. A value that is not a chunk is returned unchanged. */
export function copyChunk(piece: unknown): unknown {
  if (typeof piece !== 'object' || piece === null) return piece
  try {
    return toBytes(piece).slice()
  } catch {
    return piece
  }
}
