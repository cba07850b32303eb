import { BodyTimeoutError, HeadersTimeoutError } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { ConnectionOptions } from './owner.js'

/** What an exchange fails with whose server was silent for too long. */
export function timeoutOf(exchange: Exchange): Error {
  const { headersTimeout, bodyTimeout } = exchange.request
  if (exchange.headReceived) return new BodyTimeoutError(`No byte of the response body for ${bodyTimeout} ms`)
  return new HeadersTimeoutError(`No complete response head within ${headersTimeout} ms`)
}

/** ms for which an idle connection is kept. `hint`: what the server said of it. */
export function idleTimeOf(options: ConnectionOptions, hint: number | null): number {
  const { keepAliveTimeout, keepAliveMaxTimeout, keepAliveTimeoutThreshold } = options
  return hint === null ? keepAliveTimeout : Math.min(hint - keepAliveTimeoutThreshold, keepAliveMaxTimeout)
}
