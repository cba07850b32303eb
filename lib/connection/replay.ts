import type { Queue } from '../base/queue.js'
import { copyForRequest } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'

/**
 * `head`: the exchange being answered is at fault; `caller`: it was given up by its own caller; `network`: nobody is at
 * fault; `owner`: all must end.
 */
export type CloseCause = 'oldest' | 'caller' | 'network' | 'owner'

/** How a connection ended. */
export interface CloseEvent {
  error: Error
  /** For the request whose response body is shorter than its `content-length`; null where there is none. */
  shortBody: Error | null
  cause: CloseCause
  /** Bytes that the socket had taken. */
  bytesWritten: number
  /** Responses completed on the connection. */
  answered: number
}

/** Empties a pipeline into those that may be sent again and those that fail. Who is done is dropped. */
export function splitByReplay(pipeline: Queue<Exchange>, event: CloseEvent): { again: Exchange[]; failed: Exchange[] } {
  const again: Exchange[] = []
  const failed: Exchange[] = []
  let oldest = true
  for (let exchange = pipeline.shift(); exchange !== null; exchange = pipeline.shift()) {
    exchange.bytesWritten = Math.max(
      0,
      Math.min(event.bytesWritten, pipeline.head?.outputStart ?? Infinity) - exchange.outputStart,
    )
    if (!exchange.done) (mayReplay(exchange, event, oldest) ? again : failed).push(exchange)
    oldest = false
  }
  return { again, failed }
}

/** Fails each with an error of its own that tells its place. */
export function failRequests(exchanges: Exchange[], event: CloseEvent): void {
  const { error, shortBody, cause } = event
  for (const [index, exchange] of exchanges.entries()) {
    const context = {
      phase: exchange.phase,
      reusedSocket: exchange.reused,
      bytesWritten: exchange.bytesWritten,
      replaySafe: isReplaySafe(exchange),
    }
    if (cause === 'owner') exchange.failDestroyed(error, context)
    else if (shortBody !== null && exchange.responseStarted) exchange.fail(shortBody, context)
    else exchange.fail(index === 0 ? error : copyForRequest(error), context)
  }
}

/**
 * Whether an exchange may be sent again without a chance of executing it twice: no byte of it left, or it is
 * idempotent and the connection was reused (the server closed it as we wrote), or another one was at fault.
 * RFC 9110 §9.2.2, RFC 9112 §9.3.1. Once, unless each connection answered others: those were queued in front of it, and
 * are fewer each time. As often as others are given up in front of it, which says nothing of the server.
 */
function mayReplay(exchange: Exchange, event: CloseEvent, oldest: boolean): boolean {
  const { cause, answered } = event
  if (cause === 'owner') return false
  if (exchange.bodyReleased || (exchange.bodyStarted && !exchange.request.replayable)) return false
  if (oldest && (cause === 'oldest' || cause === 'caller')) return false
  const progress = cause === 'caller' || answered > 0
  if (exchange.replays > 0 && !progress) return false
  if (!isReplaySafe(exchange)) return false
  if (!exchange.reused && exchange.bytesWritten > 0) return false
  if (cause !== 'caller') exchange.replays++
  exchange.sent = false
  return true
}

function isReplaySafe(exchange: Exchange): boolean {
  if (exchange.responseStarted) return false
  const { idempotent, replayable } = exchange.request
  return exchange.bytesWritten === 0 || (idempotent && replayable)
}
