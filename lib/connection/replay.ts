import type { Queue } from '../base/queue.js'
import { copyForRequest } from '../errors.js'
import type { Exchange } from '../exchange/exchange.js'

/**
 * Why a connection closes. `oldest`: an error of the oldest request or its response; `caller`: the oldest request was
 * aborted; `network`: the server or network closed the connection; `owner`: the dispatcher destroys it.
 */
export type CloseCause = 'oldest' | 'caller' | 'network' | 'owner'

/** Close of a connection, as the replay rules see it. */
export interface CloseEvent {
  error: Error
  /** Error for the request whose response body is shorter than its `content-length`; `null` if there is none. */
  shortBody: Error | null
  cause: CloseCause
  /** Number of bytes that the socket has taken. */
  bytesWritten: number
  /** Number of bytes that were to be sent. */
  bytesAppended: number
  /** Number of bytes that the socket still buffers. */
  bytesBuffered: number
  /** Number of responses completed on the connection. */
  answered: number
}

/** Empties a pipeline. Returns the requests to send again and those to fail, without completed ones. */
export function splitByReplay(
  pipeline: Queue<Exchange>,
  event: CloseEvent,
): { replayed: Exchange[]; failed: Exchange[] } {
  const replayed: Exchange[] = []
  const failed: Exchange[] = []
  let oldest = true
  for (let exchange = pipeline.shift(); exchange !== null; exchange = pipeline.shift()) {
    const end = pipeline.head?.outputStart ?? event.bytesAppended
    exchange.bytesWritten = Math.max(0, Math.min(event.bytesWritten, end) - exchange.outputStart)
    if (event.bytesWritten - event.bytesBuffered < end) exchange.written = false
    if (!exchange.done) (mayReplay(exchange, event, oldest) ? replayed : failed).push(exchange)
    oldest = false
  }
  return { replayed, failed }
}

/** Fails each request with its own error, which has the request's phase and `replaySafe`. */
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
 * Whether a request can be sent again without a risk of executing it twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1): nothing
 * of it was sent, or it is idempotent and was sent on a reused connection that the server closed at the same time, or
 * another request caused the close.
 *
 * A request is sent again once. It is sent again more often if the connection completed other responses, because the
 * number of requests ahead of it then decreases each time, or if requests ahead of it were aborted, which does not
 * indicate a server problem.
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
  exchange.written = false
  return true
}

function isReplaySafe(exchange: Exchange): boolean {
  if (exchange.responseStarted) return false
  const { idempotent, replayable } = exchange.request
  return exchange.bytesWritten === 0 || (idempotent && replayable)
}
