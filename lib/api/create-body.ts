import type { IncomingHeaders } from '../exchange/handler.js'
import { BodyReadable } from './body.js'
import type { BodySource } from './body-source.js'

/** Options of a response body. */
export interface BodyOptions {
  /** Number of buffered bytes at which reading from the socket stops. Default: 65 536. */
  highWaterMark?: number | null
}

/** Creates the body of a response. */
export function createBody(options: BodyOptions, headers: IncomingHeaders, source: BodySource): BodyReadable {
  return new BodyReadable({ source, headers, highWaterMark: options.highWaterMark })
}
