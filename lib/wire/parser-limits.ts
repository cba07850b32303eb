import { HeadersOverflowError } from '../errors.js'
import type { RepeatedHeadCache } from './repeated-head-cache.js'

/** Limits of the response parser. */
export interface ParserLimits {
  /** Maximum bytes of the status line and headers of a response, and of its trailers. */
  maxHeaderBytes: number
  /** Maximum number of headers of a response, and of its trailers. */
  maxHeaderCount: number
  /** Maximum bytes of chunk sizes and extensions between two pieces of data. */
  maxChunkOverhead: number
  /** Maximum number of 1xx responses before the final one. */
  maxInformational: number
}

/** Options of the response parser. */
export interface ParserOptions extends ParserLimits {
  /** Cache shared by all parsers with the same options. Default: a cache per parser. */
  heads?: RepeatedHeadCache
}

/** Default limits of the response parser. */
export const defaultLimits: ParserLimits = {
  maxHeaderBytes: 16384,
  maxHeaderCount: 2000,
  maxChunkOverhead: 16384,
  maxInformational: 64,
}

/** Returns the error for headers or trailers above a limit. `tooMany`: their number is exceeded, not their size. */
export function headersOverflow(what: 'headers' | 'trailers', limits: ParserLimits, tooMany: boolean): Error {
  const { maxHeaderBytes, maxHeaderCount } = limits
  if (tooMany) return new HeadersOverflowError(`Response has more than ${maxHeaderCount} ${what}: this limit is fixed`)
  const hint = 'raise maxHeaderSize if you trust the server'
  return new HeadersOverflowError(`Response ${what} exceed ${maxHeaderBytes} bytes: ${hint}`)
}
