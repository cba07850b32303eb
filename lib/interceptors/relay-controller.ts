import type { Timings } from '../errors/timings.js'
import { RequestAbortedError } from '../errors.js'
import type { SharedTimeouts } from '../exchange/deadlines.js'
import type { DispatchController } from '../exchange/handler.js'

/**
 * One controller for a request that is sent more than once. It steers whichever sending is under way, and remembers
 * what was asked of it while there is none.
 */
export class RelayController implements DispatchController {
  readonly #onAbortedBetween: (reason: Error) => void
  #current: DispatchController | null = null
  #paused = false
  #reason: Error | null = null

  /** @param onAbortedBetween called when it is aborted while nothing is under way that could tell of it */
  constructor(onAbortedBetween: (reason: Error) => void) {
    this.#onAbortedBetween = onAbortedBetween
  }

  /** From here on it steers `controller`. */
  attach(controller: DispatchController): void {
    if (controller === this.#current) return
    this.#current = controller
    if (this.#reason !== null) controller.abort(this.#reason)
    else if (this.#paused) controller.pause()
  }

  /** What it steered is over. */
  detach(): void {
    this.#current = null
  }

  get aborted(): boolean {
    return this.#reason !== null || this.#current?.aborted === true
  }

  /** Its user aborted it. */
  get abortedAbove(): boolean {
    return this.#reason !== null
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    return this.#reason ?? this.#current?.reason ?? null
  }

  get rawHeaders(): string[] | null {
    return this.#current?.rawHeaders ?? null
  }

  get rawTrailers(): string[] | null {
    return this.#current?.rawTrailers ?? null
  }

  get timings(): Timings | null {
    return this.#current?.timings ?? null
  }

  get timeouts(): SharedTimeouts | null {
    return this.#current?.timeouts ?? null
  }

  get bodyDecoded(): boolean {
    return this.#current?.bodyDecoded === true
  }

  abort(reason?: Error): void {
    if (this.aborted) return
    this.#reason = reason ?? new RequestAbortedError()
    if (this.#current === null) this.#onAbortedBetween(this.#reason)
    else this.#current.abort(this.#reason)
  }

  pause(): void {
    this.#paused = true
    this.#current?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#current?.resume()
  }
}
