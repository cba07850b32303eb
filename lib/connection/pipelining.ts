import type { Exchange } from '../exchange/exchange.js'
import type { Request } from '../exchange/request.js'
import { ANSWERS, type Answers } from '../wire/parser.js'

/** How many bytes of a response that nobody wants are read to keep the connection. */
export const DISCARD_LIMIT = 131072

/** Nothing may be written behind it before its final head came. */
export function isBarrier(exchange: Exchange): boolean {
  const { idempotent, blocking } = exchange.request
  return !idempotent || blocking
}

/** Whether a request may be written while `last`, the youngest under way, is not answered (RFC 9112 §9.3.2). */
export function mayFollow(last: Exchange, exchange: Exchange): boolean {
  if (isBarrier(last) && !last.headReceived) return false
  const { idempotent, upgrade, replayable } = exchange.request
  return idempotent && upgrade === null && replayable
}

/** What may answer a request (RFC 9112 §6.3). */
export function answersTo({ method, upgrade }: Request): Answers {
  if (method === 'HEAD') return upgrade === null ? ANSWERS.head : ANSWERS.headUpgrade
  if (method === 'CONNECT') return ANSWERS.connect
  return upgrade === null ? ANSWERS.request : ANSWERS.upgrade
}
