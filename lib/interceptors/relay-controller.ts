import type { Timings } from '../errors/timings.js'
import { RequestAbortedError } from '../errors.js'
import type { SharedTimeouts } from '../exchange/deadlines.js'
import type { DispatchController, RawHeaders } from '../exchange/handler.js'

/**
 * Controller of a request that is sent several times, one attempt after the other. Forwards calls to the controller of
 * the current attempt; an abort or pause between two attempts applies to the next one.
 */
export class RelayController implements DispatchController {
  readonly #onAbortedWhileDetached: (reason: Error | undefined) => void
  #current: DispatchController | null = null
  #paused = false
  #aborted = false
  #ended = false
  #reason: Error | null = null

  /** @param onAbortedWhileDetached called on an abort between two attempts, when no attempt can report it */
  constructor(onAbortedWhileDetached: (reason: Error | undefined) => void) {
    this.#onAbortedWhileDetached = onAbortedWhileDetached
  }

  /** Makes `controller` the one of the current attempt. */
  attach(controller: DispatchController): void {
    if (controller === this.#current) return
    this.#current = controller
    if (this.#aborted) controller.abort(this.#reason ?? undefined)
    else if (this.#paused) controller.pause()
  }

  /** Releases the controller of an attempt that has ended. */
  detach(): void {
    this.#current = null
  }

  get aborted(): boolean {
    return this.#aborted || this.#current?.aborted === true
  }

  /** Whether the handler aborted the request. False if only the attempt was aborted. */
  get abortedByHandler(): boolean {
    return this.#aborted
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    const reason = this.#reason ?? this.#current?.reason ?? null
    // Controllers of other libraries may have no reason.
    if (reason === null && this.#aborted) this.#reason = new RequestAbortedError()
    return reason ?? this.#reason
  }

  get rawHeaders(): RawHeaders {
    return this.#current?.rawHeaders ?? null
  }

  get rawTrailers(): RawHeaders {
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
    // Without a reason, the attempt creates an error that says how far the request got.
    if (this.#current === null) this.#onAbortedWhileDetached(reason ?? undefined)
    else this.#current.abort(reason ?? undefined)
  }

  /** Marks the request as ended, with `error` if it failed. Called before the last callback of the handler. */
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
