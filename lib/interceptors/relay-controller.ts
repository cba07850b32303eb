import type { Timings } from '../errors/timings.js'
import { RequestAbortedError } from '../errors.js'
import type { SharedTimeouts } from '../exchange/deadlines.js'
import type { DispatchController } from '../exchange/handler.js'

/**
 * One controller for a request that is sent more than once. It steers whichever sending is under way, and remembers
 * what was asked of it while there is none.
 */
export class RelayController implements DispatchController {
  readonly #onAbortedWhileDetached: (reason: Error | undefined) => void
  #current: DispatchController | null = null
  #paused = false
  #aborted = false
  #ended = false
  #reason: Error | null = null

  /** @param onAbortedBetween called when it is aborted while nothing is under way that could tell of it */
  constructor(onAbortedBetween: (reason: Error | undefined) => void) {
    this.#onAbortedWhileDetached = onAbortedBetween
  }

  /** From here on it steers `controller`. */
  attach(controller: DispatchController): void {
    if (controller === this.#current) return
    this.#current = controller
    if (this.#aborted) controller.abort(this.#reason ?? undefined)
    else if (this.#paused) controller.pause()
  }

  /** What it steered is over. */
  detach(): void {
    this.#current = null
  }

  get aborted(): boolean {
    return this.#aborted || this.#current?.aborted === true
  }

  /** Its user aborted it. */
  get abortedByHandler(): boolean {
    return this.#aborted
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    const reason = this.#reason ?? this.#current?.reason ?? null
    // A dispatcher of another library may show none.
    if (reason === null && this.#aborted) this.#reason = new RequestAbortedError()
    return reason ?? this.#reason
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
    if (this.#ended || this.aborted) return
    this.#aborted = true
    this.#reason = reason ?? null
    // Without a reason, what is under way makes an error that says how far it came.
    if (this.#current === null) this.#onAbortedWhileDetached(reason ?? undefined)
    else this.#current.abort(reason ?? undefined)
  }

  /** The handler is called for the last time, with `error` if the request failed. */
  end(error: Error | null = null): void {
    this.#ended = true
    if (this.#aborted) this.#reason ??= error
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
