import { unpooledCopy } from '../base/unpooled-memory.js'

/** Size of a body read buffer in bytes, and the least remaining body length for which one is used. */
const BUFFER_LENGTH = 98304

/** Memory of a buffer that was read into but never passed to a caller. */
let spareMemory: ArrayBufferLike | null = null

/**
 * Returns a buffer for one read of a body with `left` bytes to come. Returns null if the read should use the shared input
 * buffer, from which chunks are copied.
 */
export function bodyReadBuffer(left: number): Buffer | null {
  if (left < BUFFER_LENGTH) return null
  try {
    const buffer = spareMemory === null ? Buffer.allocUnsafeSlow(BUFFER_LENGTH) : Buffer.from(spareMemory)
    spareMemory = null
    return buffer
  } catch {
    // Out of memory: the shared input buffer needs none.
    return null
  }
}

/**
 * Returns a chunk with the first `length` bytes of a buffer of {@link bodyReadBuffer}, in memory of exactly that length.
 * The bytes of a partly filled buffer are copied, and the next read uses the buffer again.
 */
export function ownChunk(buffer: Buffer, length: number): Buffer {
  if (length === buffer.length) return buffer
  spareMemory = buffer.buffer
  return unpooledCopy(buffer, 0, length)
}

/** Whether the runtime accepts a function as `onread.buffer`. Node does; Bun and Deno accept only one fixed buffer. */
export function takesBufferFunction(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  return versions.bun === undefined && versions.deno === undefined && versions.v8 !== undefined
}
