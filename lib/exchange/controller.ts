import type { Timings } from '../errors/timings.js'
import type { SharedTimeouts } from './deadlines.js'
import type { DispatchController } from './handler.js'

/** Members of an exchange that its {@link Controller} uses. */
interface ControlledExchange {
  readonly aborted: boolean
  readonly paused: boolean
  readonly reason: Error | null
  readonly timings: { readonly values: Timings } | null
  readonly deadlines: { readonly shared: SharedTimeouts | null } | null
  readonly rawHeaders: string[] | null
  readonly rawTrailers: string[] | null
  abort(reason: unknown): void
  pause(): void
  resume(): void
}

/** Controller of an exchange for its handler, with only the documented members. */
export class Controller implements DispatchController {
  readonly #exchange: ControlledExchange

  constructor(exchange: ControlledExchange) {
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
