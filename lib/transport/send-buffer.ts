/** Bytes of one block. Pages that are never used do not become resident. */
const BLOCK_SIZE = 262144

let block: Buffer | null = null
let used = 0
let buffersInUse = 0

/** Part of a memory block, shared by all sockets, that holds bytes until a socket has sent them. */
export class SendBuffer {
  readonly #block: Buffer
  readonly #start: number
  #end: number

  /** Starts a buffer in a block with `length` free bytes. `length` must not exceed {@link MAX_COPY}. */
  constructor(length: number) {
    if (block === null || used + length > BLOCK_SIZE) {
      // Buffers that are not sent yet keep the old block alive.
      block = Buffer.allocUnsafeSlow(BLOCK_SIZE)
      used = 0
      buffersInUse = 0
    }
    this.#block = block
    this.#start = used
    this.#end = used
    buffersInUse++
  }

  /** Whether `length` more bytes can be appended. */
  fits(length: number): boolean {
    return this.#block === block && this.#end === used && used + length <= BLOCK_SIZE
  }

  /** Appends latin1 text. The caller must check {@link fits} first. */
  addText(text: string): void {
    this.#block.write(text, used, 'latin1')
    used += text.length
    this.#end = used
  }

  /** Appends bytes. The caller must check {@link fits} first. */
  addBytes(bytes: Uint8Array): void {
    this.#block.set(bytes, used)
    used += bytes.length
    this.#end = used
  }

  get bytes(): Uint8Array {
    return this.#block.subarray(this.#start, this.#end)
  }

  /** Frees the bytes. When all buffers of a block are released, it is used again from the start, warm in the CPU cache. */
  release(): void {
    if (this.#block === block && --buffersInUse === 0) used = 0
  }
}

/** Maximum number of bytes copied at once. Larger copies do not fit into the CPU caches. */
export const MAX_COPY = BLOCK_SIZE / 4
