import { invalidOption, RequestAbortedError } from '../errors.js'
import type { DispatchController } from '../exchange/handler.js'

/** What may abort a request: an AbortSignal, or anything that emits `abort`. */
export type SignalInput = AbortSignal | EventEmitterLike | null | undefined

export interface EventEmitterLike {
  on(event: 'abort', listener: () => void): unknown
  removeListener(event: 'abort', listener: () => void): unknown
}

/** Carries an abort from a signal to a request, whichever comes first. */
export class AbortLink {
  readonly #signal: AbortSignal | EventEmitterLike | null
  #controller: DispatchController | null = null
  #reason: Error | null = null

  /** @throws {InvalidArgumentError} not a signal */
  constructor(signal: SignalInput) {
    this.#signal = signal ?? null
    if (this.#signal === null) return
    if ('addEventListener' in this.#signal) {
      if (this.#signal.aborted) this.#reason = reasonOf(this.#signal)
      else this.#signal.addEventListener('abort', this.#onAbort, { once: true })
    } else if (typeof this.#signal.on === 'function') {
      this.#signal.on('abort', this.#onAbort)
    } else {
      throw invalidOption('signal', 'an AbortSignal or an EventEmitter', signal)
    }
  }

  /** Why, when it was aborted before the request began. */
  get reason(): Error | null {
    return this.#reason
  }

  bind(controller: DispatchController): void {
    this.#controller = controller
    if (this.#reason !== null) controller.abort(this.#reason)
  }

  /** The request is over: the signal may live on without us. */
  unbind(): void {
    this.#controller = null
    const signal = this.#signal
    if (signal === null) return
    if ('removeEventListener' in signal) signal.removeEventListener('abort', this.#onAbort)
    else (signal as EventEmitterLike).removeListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    this.#reason = this.#signal === null ? new RequestAbortedError() : reasonOf(this.#signal)
    this.#controller?.abort(this.#reason)
  }
}

function reasonOf(signal: AbortSignal | EventEmitterLike): Error {
  return 'reason' in signal && signal.reason !== undefined ? (signal.reason as Error) : new RequestAbortedError()
}
