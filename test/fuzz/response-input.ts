import type { ResponseCase } from '../wire/response-cases.js'

/** Bytes of a server, and the requests that they answer. */
export interface ResponseInput {
  /** One character per byte. */
  readonly raw: string
  readonly requests: ResponseCase['requests']
  readonly eof: boolean
  readonly limits: { maxHeaderBytes: number; maxHeaderCount: number; maxChunkOverhead: number }
}

export const WIDE: ResponseInput['limits'] = { maxHeaderBytes: 16384, maxHeaderCount: 2000, maxChunkOverhead: 16384 }
