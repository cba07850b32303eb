import { unpooledCopy } from '../base/unpooled-memory.js'

/** Size of a body read buffer in bytes, and the least remaining body length for which one is used. */
const BUFFER_LENGTH = 98304

/**
 * Most body read buffers that wait for a read at one time. Node takes the buffer before it knows whether the socket has
 * data, and keeps it as long as the server is silent. The limit keeps the memory of many silent sockets constant.
 */
const MAX_WAITING = 8

/** Number of body read buffers that wait for a read. */
let waiting = 0

/** Buffer that was read into but never passed to a caller. */
let spare: Buffer | null = null

/**
 * Returns a buffer for one read of a body with `left` bytes to come, to be reported by {@link endReadWait} when it was
 * read into or its socket closed. Returns null if the read should use the shared input buffer, from which chunks are
 * copied.
 */
export function bodyReadBuffer(left: number): Buffer | null {
  if (left < BUFFER_LENGTH || waiting === MAX_WAITING) return null
  try {
    const buffer = spare ?? Buffer.allocUnsafeSlow(BUFFER_LENGTH)
    spare = null
    waiting++
    return buffer
  } catch {
    // Out of memory: the shared input buffer needs none.
    return null
  }
}

/** Counts a buffer of {@link bodyReadBuffer} as no longer waiting for a read. */
export function endReadWait(): void {
  waiting--
}

/**
 * Returns a chunk with the first `length` bytes of a buffer of {@link bodyReadBuffer}, in memory of exactly that length.
 * The bytes of a partly filled buffer are copied, and the next read uses the buffer again.
 */
export function ownChunk(buffer: Buffer, length: number): Buffer {
  if (length === buffer.length) return buffer
  spare = buffer
  return unpooledCopy(buffer, 0, length)
}

/** Whether the runtime accepts a function as `onread.buffer`. Node does; Bun and Deno accept only one fixed buffer. */
export function takesBufferFunction(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  return versions.bun === undefined && versions.deno === undefined && versions.v8 !== undefined
}
