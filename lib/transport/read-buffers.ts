/** Bytes of a body that must still come for a read into memory of their own to be worth it. */
const LEAST = 65536

let spare: ArrayBufferLike | null = null

/**
 * Returns a buffer for one read of a body that has `left` bytes to come, or null: then the window is read into, and
 * chunks are copied out of it. `size`: bytes of the window.
 */
export function readBuffer(left: number, size: number): Buffer | null {
  if (left < LEAST) return null
  const length = Math.min(left, size)
  try {
    if (spare === null || spare.byteLength !== length) return Buffer.allocUnsafeSlow(length)
  } catch {
    // There is no memory for it now.
    return null
  }
  const buffer = Buffer.from(spare)
  spare = null
  return buffer
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
