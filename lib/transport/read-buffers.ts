/** Bytes that a read takes at most into memory of its own, and that must still come for it to be worth it. */
const LENGTH = 65536

let spare: ArrayBufferLike | null = null

/**
 * Returns a buffer for one read of a body that has `left` bytes to come, or null: then the window is read into, and
 * chunks are copied out of it.
 */
export function readBuffer(left: number): Buffer | null {
  if (left < LENGTH) return null
  try {
    const buffer = spare === null ? Buffer.allocUnsafeSlow(LENGTH) : Buffer.from(spare)
    spare = null
    return buffer
  } catch {
    // There is no memory for it now.
    return null
  }
}

/** Takes back the memory of a buffer that no caller has seen. */
export function reuse(memory: ArrayBufferLike): void {
  spare = memory
}

/** Node asks for a buffer before each read; other runtimes that know `onread` take but one. */
export function asksForBuffers(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  return versions.bun === undefined && versions.deno === undefined && versions.v8 !== undefined
}
