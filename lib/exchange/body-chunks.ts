import { invalidType } from '../errors.js'

/**
 * The bytes of a piece of a body, in the memory of the piece unless it is a string.
 * @throws {InvalidArgumentError} it is neither a string nor bytes
 */
export function toBytes(piece: unknown): Uint8Array {
  if (typeof piece === 'string') return Buffer.from(piece)
  // Always a view of our own: a class of the caller's may have a length of its own making.
  if (ArrayBuffer.isView(piece)) return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  // Of whatever realm.
  if (Object.prototype.toString.call(piece) === '[object ArrayBuffer]') return new Uint8Array(piece as ArrayBuffer)
  throw invalidType('each chunk of body', 'a string or a Uint8Array', piece)
}

/** The piece in memory that nobody else knows. What is not a piece is returned as it is. */
export function copyChunk(piece: unknown): unknown {
  if (typeof piece !== 'object' || piece === null) return piece
  try {
    return toBytes(piece).slice()
  } catch {
    return piece
  }
}
