/** Bytes of a slab at most: as much as one read may bring, and little enough to be kept alive by one part of it. */
const SLAB = 262144
/** A slab with less room than this is not read into any more. */
const LEAST = 32768

/** Memory for one body that the kernel fills and users keep: each part is given away once. */
export class Slabs {
  #slab: Buffer | null = null
  #used = 0

  /** Room for the next read: no more than `wanted`, so that nothing else gets in there. */
  room(wanted: number): Uint8Array {
    if (this.#slab === null) {
      this.#slab = Buffer.allocUnsafeSlow(Math.min(SLAB, wanted))
      this.#used = 0
    }
    return this.#slab.subarray(this.#used, this.#used + wanted)
  }

  /** The `length` bytes that came into what {@link room} returned last. */
  part(length: number): Buffer {
    const slab = this.#slab as Buffer
    const part = slab.subarray(this.#used, this.#used + length)
    this.#used += length
    if (slab.length - this.#used < LEAST) this.#slab = null
    return part
  }
}

/** Node asks for a buffer before each read; other runtimes that know `onread` take but one. */
export function asksForBuffers(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  return versions.bun === undefined && versions.deno === undefined && versions.v8 !== undefined
}
