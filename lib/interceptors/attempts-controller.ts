import { readProperty } from '../errors/safe-read.js'
import type { Timings } from '../errors/timings.js'
import { clearReplaySafe, RequestAbortedError } from '../errors.js'
import { type SharedTimeouts, withTimeoutsOf } from '../exchange/deadlines.js'
import type { DispatchController, RawHeaders } from '../exchange/handler.js'

/** Source of a response body: the controller of an attempt, or a buffered body. */
type BodySource = Pick<DispatchController, 'timings' | 'bodyDecoded' | 'pause' | 'resume'>

/** Controller that a handler gets for all attempts of its request. Each attempt has its own controller, which this one calls. */
export class AttemptsController implements DispatchController {
  rawHeaders: RawHeaders = null
  rawTrailers: RawHeaders = null
  timeouts: SharedTimeouts | null = null
  readonly #onAbort: (reason: Error | undefined) => void
  #aborted = false
  #reason: Error | null = null
  #paused = false
  #ended = false
  /** Whether the server may have executed an attempt that failed. */
  #maybeExecuted = false
  /** Source of the body that the handler receives. */
  #source: BodySource | null = null

  /** @param onAbort receives the reason passed to `abort` */
  constructor(onAbort: (reason: Error | undefined) => void) {
    this.#onAbort = onAbort
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    if (this.#aborted) this.#reason ??= new RequestAbortedError()
    return this.#reason
  }

  get timings(): Timings | null {
    return this.#source?.timings ?? null
  }

  get bodyDecoded(): boolean {
    return this.#source?.bodyDecoded === true
  }

  abort(reason?: Error): void {
    if (this.#ended || this.#aborted) return
    this.#aborted = true
    this.#reason = reason ?? null
    // Without a reason, the attempt creates an error that says how far the request got.
    this.#onAbort(reason ?? undefined)
  }

  pause(): void {
    if (this.#ended) return
    this.#paused = true
    this.#source?.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#source?.resume()
  }

  /** Returns `options` with the time limit of `attempt`. Dispatchers of other libraries may pass no controller. */
  withTimeouts<Options extends object>(options: Options, attempt: DispatchController | undefined): Options {
    this.timeouts = attempt?.timeouts ?? null
    return withTimeoutsOf(options, this.timeouts)
  }

  /** Sets the source of the body; null for none. A paused controller pauses the new source. */
  setSource(source: BodySource | null): void {
    this.#source = source
    if (this.#paused) source?.pause()
  }

  /** Records that an attempt failed; its body is no longer the source. */
  attemptFailed(error: Error): void {
    this.setSource(null)
    this.#maybeExecuted ||= readProperty(error, 'replaySafe') !== true
  }

  /** Marks the request as ended, with `error` if it failed. Called before the last callback of the handler. */
  end(error: Error | null = null): void {
    this.#ended = true
    this.#source = null
    if (this.#aborted) this.#reason ??= error
    if (this.#maybeExecuted && error !== null) clearReplaySafe(error)
  }
}
