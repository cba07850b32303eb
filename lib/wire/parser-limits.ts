import { HeadersOverflowError } from '../errors.js'
import type { RepeatedHeadCache } from './repeated-head-cache.js'

export interface ParserLimits {
  /** Bytes of start line and fields of one message; and of its trailers. */
  maxHeaderBytes: number
  /** Fields of one message; and its trailers. */
  maxHeaderCount: number
  /** Bytes of chunk framing between two pieces of data. */
  maxChunkOverhead: number
  /** 1xx responses before the final one. */
  maxInformational: number
}

export interface ParserOptions extends ParserLimits {
  /** Shared by all parsers that are given it. Default: one of its own. */
  heads?: RepeatedHeadCache
}

export const defaultLimits: ParserLimits = {
  maxHeaderBytes: 16384,
  maxHeaderCount: 2000,
  maxChunkOverhead: 16384,
  maxInformational: 64,
}

/** `tooMany`: it is their number, not their size. */
export function headersOverflow(what: 'headers' | 'trailers', limits: ParserLimits, tooMany: boolean): Error {
  const { maxHeaderBytes, maxHeaderCount } = limits
  if (tooMany) return new HeadersOverflowError(`Response has more than ${maxHeaderCount} ${what}: this limit is fixed`)
  const hint = 'raise maxHeaderSize if you trust the server'
  return new HeadersOverflowError(`Response ${what} exceed ${maxHeaderBytes} bytes: ${hint}`)
}
