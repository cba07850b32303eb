import { Queue } from '../base/queue.js'
import type { Exchange } from '../exchange/exchange.js'
import { type CloseEvent, splitByReplay } from './replay.js'

/** Requests in flight on one connection, oldest first. */
export class Pipeline {
  readonly #exchanges = new Queue<Exchange>()
  #sent = 0
  #answered = 0

  get size(): number {
    return this.#exchanges.size
  }

  /** Oldest request: the next response belongs to it. */
  get oldest(): Exchange | null {
    return this.#exchanges.head
  }

  /** Number of requests written since the connection was established. */
  get sent(): number {
    return this.#sent
  }

  /** Number of responses completed since the connection was established. */
  get answered(): number {
    return this.#answered
  }

  /** Whether any request in flight has not been aborted. Aborted requests stay until their response has been read. */
  get hasActiveRequest(): boolean {
    for (let exchange = this.#exchanges.head; exchange !== null; exchange = exchange.next) {
      if (!exchange.done) return true
    }
    return false
  }

  /**
   * Whether `exchange` may be written behind the requests in flight, of which there must be at least one (RFC 9112
   * §9.3.2).
   */
  canPipeline(exchange: Exchange): boolean {
    const last = this.#exchanges.tail as Exchange
    if (blocksPipelining(last) && !last.headersReceived) return false
    return exchange.request.upgrade === null && isRepeatable(exchange)
  }

  /** Adds a request. `outputStart`: position in the connection's output at which it begins. */
  add(exchange: Exchange, outputStart: number): void {
    exchange.sent = true
    exchange.reused = this.#sent > 0
    exchange.outputStart = outputStart
    this.#exchanges.push(exchange)
  }

  /** Counts the request added last as sent. */
  countSent(): void {
    this.#sent++
  }

  /** Removes a request that has not been written. */
  remove(exchange: Exchange): void {
    this.#exchanges.remove(exchange)
  }

  /** Removes the oldest request after its response is complete. */
  complete(): Exchange {
    this.#answered++
    return this.#exchanges.shift() as Exchange
  }

  /** Removes all requests when the connection closes. Returns those to send again and those to fail. */
  clear(event: CloseEvent): { replayed: Exchange[]; failed: Exchange[] } {
    return splitByReplay(this.#exchanges, event)
  }
}

/** Whether no other request may be written before the final response headers of this one. */
export function blocksPipelining(exchange: Exchange): boolean {
  const { idempotent, blocking } = exchange.request
  return !idempotent || blocking
}

/** Whether a request can be sent again if the connection closes before the response begins (RFC 9110 §9.2.2). */
export function isRepeatable(exchange: Exchange): boolean {
  const { idempotent, replayable } = exchange.request
  return idempotent && replayable
}
