import type { Random } from './random.js'

const POISON = 0xdd
const MARK = Buffer.from('<response ')

/** Request bytes in memory that the user overwrites as soon as the library must not read it any more. */
export class RequestMemory {
  readonly #active: boolean
  readonly #pieces: Buffer[] = []
  readonly #inStream = new Set<Buffer>()

  constructor(active: boolean) {
    this.#active = active
  }

  /** Returns a chunk in its own memory, never of Node's pool. */
  lend(bytes: Buffer): Buffer {
    if (!this.#active) return bytes
    const piece = Buffer.alloc(bytes.length)
    bytes.copy(piece)
    this.#pieces.push(piece)
    return piece
  }

  /** The same for chunks queued in a Readable: Node stops at a chunk without bytes if it is transferred. */
  lendToStream(bytes: Buffer): Buffer {
    const piece = this.lend(bytes)
    if (this.#active) this.#inStream.add(piece)
    return piece
  }

  /** Overwrites a chunk. None of its bytes may be sent afterwards. */
  recycle(piece: Buffer | null): void {
    if (this.#active && piece !== null && piece.length > 0) piece.fill(POISON)
  }

  /** Overwrites the chunk that shares memory with `chunk`, which the library reported as sent. */
  pieceOf(chunk: Uint8Array): Buffer | null {
    return this.#pieces.find(({ buffer }) => buffer === chunk.buffer) ?? null
  }

  recycleAll(): void {
    for (const piece of this.#pieces) this.recycle(piece)
  }

  /** Transfers all memory, like postMessage or a byte stream. */
  transfer(): void {
    for (const piece of this.#pieces) {
      if (piece.length > 0 && !this.#inStream.has(piece))
        structuredClone(piece.buffer, { transfer: [piece.buffer as ArrayBuffer] })
    }
  }
}

type ChunkUse = 'keep' | 'overwrite' | 'transfer' | 'transfer later'

/** Uses the memory of response chunks, which belongs to their receiver. */
export class ResponseMemory {
  readonly #id: number
  readonly #chunkUse: ChunkUse | null
  readonly #random: Random
  readonly #later: (run: () => void) => void
  readonly #kept: { chunk: Buffer; copy: Buffer }[] = []

  constructor(part: { id: number; active: boolean; random: Random; later: (run: () => void) => void }) {
    this.#id = part.id
    this.#random = part.random
    this.#later = part.later
    this.#chunkUse = part.active ? part.random.pick(['keep', 'overwrite', 'transfer', 'transfer later'] as const) : null
  }

  /** Reads a chunk and then overwrites, transfers or keeps its memory. Returns a problem or null. */
  take(chunk: Buffer): { copy: Buffer; wrong: string | null } {
    const copy = Buffer.from(chunk)
    if (this.#chunkUse === null || chunk.length === 0) return { copy, wrong: null }
    const wrong = this.#inspect(chunk)
    if (wrong !== null) return { copy, wrong }
    if (this.#chunkUse === 'keep') this.#kept.push({ chunk, copy })
    else if (this.#chunkUse === 'overwrite') chunk.fill(POISON)
    else if (this.#chunkUse === 'transfer') transfer(chunk)
    else this.#later(() => transfer(chunk))
    return { copy, wrong: null }
  }

  /** Returns whether kept chunks have changed since they were received. */
  changed(): boolean {
    return this.#kept.some(({ chunk, copy }) => !chunk.equals(copy))
  }

  #inspect(chunk: Buffer): string | null {
    if (chunk.buffer === Buffer.allocUnsafe(1).buffer) return "got a chunk in the memory of Node's pool"
    if (!(chunk.buffer instanceof ArrayBuffer)) return 'got a chunk whose memory can not be transferred'
    if (!this.#random.chance(0.2)) return null
    const all = Buffer.from(chunk.buffer)
    const own = Buffer.from(`<response ${this.#id} `)
    for (let at = all.indexOf(MARK); at >= 0; at = all.indexOf(MARK, at + 1)) {
      const mark = all.subarray(at, at + own.length)
      if (mark.length === own.length && !mark.equals(own)) return 'got a chunk whose buffer contains another response'
    }
    return null
  }
}

function transfer(chunk: Buffer): void {
  const { buffer } = chunk
  // Other chunks of the response may be in the same memory, and were transferred with it.
  if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
}
