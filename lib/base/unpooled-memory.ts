/*
 * Copies for response bytes that callers receive. Each chunk has its own ArrayBuffer, so that the caller can transfer or
 * overwrite it, and it contains no other data. `Buffer.from`, `Buffer.concat` and `Buffer.allocUnsafe` take small buffers
 * from a pool that the whole process shares.
 */

/** Length up to which a loop copies faster than a native call. */
const LOOP_COPY_BYTES = 64

/** Returns a Buffer for a chunk, without copying bytes. Other libraries' interceptors emit any Uint8Array, or strings. */
export function toBuffer(piece: Uint8Array | string): Buffer {
  if (Buffer.isBuffer(piece)) return piece
  return typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}

/** Copies `source[start..end)` into an ArrayBuffer of its own. */
export function unpooledCopy(source: Buffer, start: number, end: number): Buffer {
  return fill(Buffer.allocUnsafeSlow(end - start), source, start)
}

/** Copies `source[start..end)` into Node's pool, for chunks that no caller sees. Takes a third of the time for small ones. */
export function pooledCopy(source: Buffer, start: number, end: number): Buffer {
  return fill(Buffer.allocUnsafe(end - start), source, start)
}

function fill(target: Buffer, source: Buffer, start: number): Buffer {
  const { length } = target
  if (length > LOOP_COPY_BYTES) source.copy(target, 0, start, start + length)
  else for (let i = 0; i < length; i++) target[i] = source[start + i] as number
  return target
}

/** Returns `bytes` itself if it spans its whole ArrayBuffer, otherwise a copy that does. */
export function unpooled(bytes: Buffer): Buffer {
  return bytes.length === bytes.buffer.byteLength ? bytes : unpooledCopy(bytes, 0, bytes.length)
}

/** Applies {@link unpooled} to what a stream's `read()` returns. Strings, objects and null are returned as they are. */
export function unpooledChunk<Piece>(piece: Piece): Piece {
  return Buffer.isBuffer(piece) ? (unpooled(piece) as Piece) : piece
}

/** Concatenates chunks into an ArrayBuffer of their own. */
export function unpooledConcat(parts: readonly Uint8Array[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
