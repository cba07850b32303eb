import type { Timings } from '../errors/timings.js'
import type { SharedTimeouts } from './deadlines.js'
import type { Exchange } from './exchange.js'
import type { DispatchController } from './handler.js'

/** Controller of an exchange for its handler, with only the documented members. */
export class Controller implements DispatchController {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get aborted(): boolean {
    return this.#exchange.aborted
  }

  get paused(): boolean {
    return this.#exchange.paused
  }

  get reason(): Error | null {
    return this.#exchange.reason
  }

  get timings(): Timings | null {
    return this.#exchange.timings?.values ?? null
  }

  get timeouts(): SharedTimeouts | null {
    return this.#exchange.deadlines?.shared ?? null
  }

  get rawHeaders(): string[] | null {
    return this.#exchange.rawHeaders
  }

  get rawTrailers(): string[] | null {
    return this.#exchange.rawTrailers
  }

  abort(reason?: Error): void {
    this.#exchange.abort(reason)
  }

  pause(): void {
    this.#exchange.pause()
  }

  resume(): void {
    this.#exchange.resume()
  }
}
