/** Bytes of one block. Only what is used of it becomes resident. */
const BLOCK_SIZE = 262144

let block: Buffer | null = null
let used = 0
let buffersInUse = 0

/** A stretch of memory of this library that bytes wait in until a socket has taken them. */
export class SendBuffer {
  readonly #block: Buffer
  readonly #start: number
  #end: number

  /** `length` must not be above {@link MAX_COPY}. */
  constructor(length: number) {
    if (block === null || used + length > BLOCK_SIZE) {
      // Sockets that have not taken theirs yet keep the old block alive.
      block = Buffer.allocUnsafeSlow(BLOCK_SIZE)
      used = 0
      buffersInUse = 0
    }
    this.#block = block
    this.#start = used
    this.#end = used
    buffersInUse++
  }

  /** Whether `length` more bytes fit behind those that it has. */
  fits(length: number): boolean {
    return this.#block === block && this.#end === used && used + length <= BLOCK_SIZE
  }

  /** Only behind {@link fits}. */
  addText(text: string): void {
    this.#block.write(text, used, 'latin1')
    used += text.length
    this.#end = used
  }

  /** Only behind {@link fits}. */
  addBytes(bytes: Uint8Array): void {
    this.#block.set(bytes, used)
    used += bytes.length
    this.#end = used
  }

  get bytes(): Uint8Array {
    return this.#block.subarray(this.#start, this.#end)
  }

  /** The socket has taken them: once all are given back, the same memory, warm in the cache, is used again. */
  release(): void {
    if (this.#block === block && --buffersInUse === 0) used = 0
  }
}

/** Bytes that are copied at once at most: above that a copy no longer fits into the caches. */
export const MAX_COPY = BLOCK_SIZE / 4
