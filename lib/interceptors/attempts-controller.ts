import { readProperty } from '../errors/safe-read.js'
import type { Timings } from '../errors/timings.js'
import { clearReplaySafe, RequestAbortedError } from '../errors.js'
import { type SharedTimeouts, withTimeoutsOf } from '../exchange/deadlines.js'
import type { DispatchController } from '../exchange/handler.js'

/** What a body comes from. */
type BodySource = Pick<DispatchController, 'timings' | 'bodyDecoded' | 'pause' | 'resume'>

/** What a handler steers its request with through all the tries; each try has a controller of its own below. */
export class AttemptsController implements DispatchController {
  rawHeaders: string[] | null = null
  rawTrailers: string[] | null = null
  timeouts: SharedTimeouts | null = null
  readonly #onAbort: (reason: Error | undefined) => void
  #aborted = false
  #reason: Error | null = null
  #paused = false
  #ended = false
  /** An attempt that failed may have been executed. */
  #maybeExecuted = false
  /** The try whose body the handler gets. */
  #source: BodySource | null = null

  /** @param onAbort receives the reason that the caller gave */
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
    // Without a reason, the attempt makes an error that says how far it came.
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

  /** Returns `options` with the time limit of `attempt`. A dispatcher of another library may give no controller. */
  withTimeouts<Options extends object>(options: Options, attempt: DispatchController | undefined): Options {
    this.timeouts = attempt?.timeouts ?? null
    return withTimeoutsOf(options, this.timeouts)
  }

  /** The body comes from `source` from here on, or from nowhere; a pause outlives the change. */
  setSource(source: BodySource | null): void {
    this.#source = source
    if (this.#paused) source?.pause()
  }

  /** An attempt failed: no body comes from it. */
  attemptFailed(error: Error): void {
    this.setSource(null)
    this.#maybeExecuted ||= readProperty(error, 'replaySafe') !== true
  }

  /** The handler is called for the last time, with `error` if it failed. */
  end(error: Error | null = null): void {
    this.#ended = true
    this.#source = null
    if (this.#aborted) this.#reason ??= error
    if (this.#maybeExecuted && error !== null) clearReplaySafe(error)
  }
}
