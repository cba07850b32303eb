import type { HeadMemory } from './head-memory.js'

export interface ParserLimits {
  /** Bytes of start line and fields of one message. */
  maxHeaderBytes: number
  /** Fields, and trailers, of one message. */
  maxHeaderCount: number
  /** Bytes of chunk framing between two pieces of data, trailers included. */
  maxChunkOverhead: number
  /** 1xx responses before the final one. */
  maxInformational: number
}

export interface ParserOptions extends ParserLimits {
  /** Shared by all parsers that are given it. Default: one of its own. */
  heads?: HeadMemory
}

export const defaultLimits: ParserLimits = {
  maxHeaderBytes: 16384,
  maxHeaderCount: 2000,
  maxChunkOverhead: 16384,
  maxInformational: 64,
}
