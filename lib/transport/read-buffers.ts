/** Bytes that a read takes at most into memory of its own, and that must still come for it to be worth it. */
const BUFFER_LENGTH = 65536

let spareMemory: ArrayBufferLike | null = null

/**
 * Returns a buffer for one read of a body that has `left` bytes to come, or null: then the input buffer is read into, and
 * chunks are copied out of it.
 */
export function bodyReadBuffer(left: number): Buffer | null {
  if (left < BUFFER_LENGTH) return null
  try {
    const buffer = spareMemory === null ? Buffer.allocUnsafeSlow(BUFFER_LENGTH) : Buffer.from(spareMemory)
    spareMemory = null
    return buffer
  } catch {
    // There is no memory for it now.
    return null
  }
}

/** Takes back the memory of a buffer that no caller has seen. */
export function recycleBuffer(memory: ArrayBufferLike): void {
  spareMemory = memory
}

/** Node asks for a buffer before each read; other runtimes that know `onread` take but one. */
export function takesBufferFunction(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  return versions.bun === undefined && versions.deno === undefined && versions.v8 !== undefined
}
