/*
 * Memory of response bytes that are handed to callers: a chunk has an ArrayBuffer of its own, so that its receiver may
 * transfer or overwrite it, and finds nobody else's bytes in it. `Buffer.from`, `Buffer.concat` and `Buffer.allocUnsafe`
 * cut small buffers out of a pool that all of the process shares.
 */

/** Bytes up to which a loop is faster than a call out of JavaScript. */
const LOOP_COPY_BYTES = 64

/** Returns the same memory as a Buffer: interceptors of other libraries hand out any bytes, or text. */
export function toBuffer(piece: Uint8Array | string): Buffer {
  if (Buffer.isBuffer(piece)) return piece
  return typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}

/** Copies `source[start..end)`. */
export function unpooledCopy(source: Buffer, start: number, end: number): Buffer {
  return fill(Buffer.allocUnsafeSlow(end - start), source, start)
}

/** As {@link unpooledCopy}, for bytes that no caller sees: small ones go into the pool, which takes a third of the time. */
export function pooledCopy(source: Buffer, start: number, end: number): Buffer {
  return fill(Buffer.allocUnsafe(end - start), source, start)
}

function fill(target: Buffer, source: Buffer, start: number): Buffer {
  const { length } = target
  if (length > LOOP_COPY_BYTES) source.copy(target, 0, start, start + length)
  else for (let i = 0; i < length; i++) target[i] = source[start + i] as number
  return target
}

/** Returns `bytes` if nothing else is in its memory, or a copy. */
export function unpooled(bytes: Buffer): Buffer {
  return bytes.length === bytes.buffer.byteLength ? bytes : unpooledCopy(bytes, 0, bytes.length)
}

/** As {@link unpooled}, for what `read()` of a stream returns: strings, objects and null pass. */
export function unpooledChunk<Piece>(piece: Piece): Piece {
  return Buffer.isBuffer(piece) ? (unpooled(piece) as Piece) : piece
}

export function unpooledConcat(parts: readonly Uint8Array[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
