import type { Engine } from './engine.js'
import { headersOverflow, type ParserLimits } from './parser-limits.js'
import { parserError } from './response-head.js'

/** Enforces the limits of chunk sizes, extensions and trailers of chunked bodies, which llhttp does not have. */
export class ChunkLimits {
  readonly #engine: Engine
  readonly #limits: ParserLimits
  /** Bytes without data since the last data, or since the first trailer. */
  #overhead = 0
  #inTrailers = false

  constructor(engine: Engine, limits: ParserLimits) {
    this.#engine = engine
    this.#limits = limits
  }

  /** Starts to count for another body. */
  start(): void {
    this.#overhead = 0
    this.#inTrailers = false
  }

  /**
   * Counts the bytes of `input[start..stop)` that are not data, after the engine has parsed them.
   * @throws {HTTPParserError | HeadersOverflowError} they exceed a limit
   */
  count(start: number, stop: number): void {
    const { data, record } = this.#engine
    const { maxChunkOverhead, maxHeaderBytes } = this.#limits
    let from = start
    for (let i = 0; i < data.length; i += 2) {
      this.#overhead += (data[i] as number) - from
      if (this.#overhead > maxChunkOverhead) throw chunkOverflow(maxChunkOverhead)
      this.#overhead = 0
      from = data[i + 1] as number
    }
    // In a body, only trailers are recorded.
    const framing = (record.count > 0 ? start + (record.offsets[0] as number) : stop) - from
    if (!this.#inTrailers && this.#overhead + framing > maxChunkOverhead) throw chunkOverflow(maxChunkOverhead)
    this.#overhead += stop - from
    if (record.count > 0) this.#inTrailers = true
    if (this.#inTrailers && this.#overhead > maxHeaderBytes)
      throw headersOverflow('trailers', this.#limits, record.overflowed)
  }
}

function chunkOverflow(limit: number): Error {
  return parserError('CHUNK_EXTENSIONS_OVERFLOW', `chunk extensions exceed ${limit} bytes`)
}
