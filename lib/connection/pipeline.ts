import { Queue } from '../base/queue.js'
import type { Exchange } from '../exchange/exchange.js'
import { type CloseEvent, splitByReplay } from './replay.js'

/** The requests in flight on one connection, the oldest first. */
export class Pipeline {
  readonly #exchanges = new Queue<Exchange>()
  #sent = 0
  #answered = 0

  get size(): number {
    return this.#exchanges.size
  }

  /** The oldest: the next response answers it. */
  get oldest(): Exchange | null {
    return this.#exchanges.head
  }

  /** Requests written on the connection since it opened. */
  get sent(): number {
    return this.#sent
  }

  /** Responses completed on the connection since it opened. */
  get answered(): number {
    return this.#answered
  }

  /** Whether a caller still waits for one of them: aborted requests stay until their response was read. */
  get hasActiveRequest(): boolean {
    for (let exchange = this.#exchanges.head; exchange !== null; exchange = exchange.next) {
      if (!exchange.done) return true
    }
    return false
  }

  /** Whether `exchange` may be written behind the requests in flight, of which there is one at least (RFC 9112 §9.3.2). */
  canPipeline(exchange: Exchange): boolean {
    const last = this.#exchanges.tail as Exchange
    if (blocksPipelining(last) && !last.headersReceived) return false
    return exchange.request.onUpgrade === null && isRepeatable(exchange)
  }

  /** `outputStart`: position in the connection's output at which the request begins. */
  add(exchange: Exchange, outputStart: number): void {
    exchange.sent = true
    exchange.reused = this.#sent > 0
    exchange.outputStart = outputStart
    this.#exchanges.push(exchange)
  }

  /** Counts the request added last: it is about to be written. */
  countSent(): void {
    this.#sent++
  }

  /** Removes a request that is not written after all. */
  remove(exchange: Exchange): void {
    this.#exchanges.remove(exchange)
  }

  /** Removes the oldest request: its response is complete. */
  complete(): Exchange {
    this.#answered++
    return this.#exchanges.shift() as Exchange
  }

  /** Removes all requests when the connection ends, and decides which of them may be sent again. */
  clear(event: CloseEvent): { again: Exchange[]; failed: Exchange[] } {
    return splitByReplay(this.#exchanges, event)
  }
}

/** Whether nothing may be written behind it before its final headers came. */
export function blocksPipelining(exchange: Exchange): boolean {
  const { idempotent, blocking } = exchange.request
  return !idempotent || blocking
}

/** Whether it may be sent a second time if the connection ends before the response begins (RFC 9110 §9.2.2). */
export function isRepeatable(exchange: Exchange): boolean {
  const { idempotent, replayable } = exchange.request
  return idempotent && replayable
}
