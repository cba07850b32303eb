import type { Timings } from '../errors/timings.js'
import type { SharedTimeouts } from './deadlines.js'
import type { DispatchController, RawHeaders } from './handler.js'

/** Members of a foreign request that its {@link ForeignController} uses. */
interface ControlledRequest {
  readonly dispatcherController: DispatchController | null
  readonly reason: unknown
  readonly paused: boolean
  readonly deadlines: { readonly shared: SharedTimeouts | null } | null
  abort(reason: unknown): void
  pause(paused: boolean): void
}

/** Controller of a foreign request for its handler. It stays the same if the dispatcher uses several controllers. */
export class ForeignController implements DispatchController {
  readonly #request: ControlledRequest

  constructor(request: ControlledRequest) {
    this.#request = request
  }

  get aborted(): boolean {
    const { reason, dispatcherController } = this.#request
    return dispatcherController?.aborted === true || (reason !== undefined && reason !== null)
  }

  get paused(): boolean {
    return this.#request.paused
  }

  get reason(): Error | null {
    return (this.#request.reason ?? null) as Error | null
  }

  get timings(): Timings | null {
    return this.#request.dispatcherController?.timings ?? null
  }

  get bodyDecoded(): boolean {
    return this.#request.dispatcherController?.bodyDecoded === true
  }

  get timeouts(): SharedTimeouts | null {
    const { deadlines, dispatcherController } = this.#request
    return deadlines?.shared ?? dispatcherController?.timeouts ?? null
  }

  get rawHeaders(): RawHeaders {
    return this.#request.dispatcherController?.rawHeaders ?? null
  }

  get rawTrailers(): RawHeaders {
    return this.#request.dispatcherController?.rawTrailers ?? null
  }

  abort(reason?: Error): void {
    this.#request.abort(reason)
  }

  pause(): void {
    this.#request.pause(true)
  }

  resume(): void {
    this.#request.pause(false)
  }
}
