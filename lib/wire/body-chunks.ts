import { pooledCopy, unpooledCopy } from '../base/unpooled-memory.js'
import { CHUNK_MEMORY, type ChunkMemory, joinChunks } from './chunk-memory.js'
import type { Engine } from './engine.js'
import type { ParserListener } from './parser-listener.js'

/** Length up to which a copy in Node's pool takes no longer than creating a view. */
const POOLED_COPY_BYTES = 1024

/** Passes body bytes of the input buffer to the listener of a parser, in the kind of memory chosen for the body. */
export class BodyChunks {
  memory: ChunkMemory = CHUNK_MEMORY.copy
  readonly #engine: Engine
  readonly #listener: ParserListener

  constructor(engine: Engine, listener: ParserListener) {
    this.#engine = engine
    this.#listener = listener
  }

  /** Whether chunks are copied. Callers get no view of an input buffer that they could transfer. */
  get #copies(): boolean {
    return this.memory === CHUNK_MEMORY.copy || (this.memory === CHUNK_MEMORY.view && this.#engine.detachable)
  }

  /** Passes on `input[start..end)`. */
  pass(start: number, end: number): void {
    const { input, views } = this.#engine
    if (this.#copies) this.#listener.onBody(unpooledCopy(input, start, end), false)
    else if (this.memory === CHUNK_MEMORY.view || end - start > POOLED_COPY_BYTES)
      this.#listener.onBody(views.of(start, end), true)
    else this.#listener.onBody(pooledCopy(input, start, end), false)
  }

  /** Passes on all chunks of one read as one, because chunk boundaries have no meaning (RFC 9112 §7.1). */
  passDecoded(): void {
    const { data, input } = this.#engine
    const start = data[0] as number
    if (data.length > 2 && this.#copies) return this.#listener.onBody(joinChunks(input, data), false)
    // Moves the data together, over the framing between the chunks, which was parsed already.
    let end = data[1] as number
    for (let i = 2; i < data.length; i += 2) end += input.copy(input, end, data[i], data[i + 1])
    this.pass(start, end)
  }
}
