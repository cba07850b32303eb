import { unpollutedRequest } from '../base/prototype-pollution.js'
import { callUserCode } from '../base/user-code.js'
import { invalidOption, markCallerOwned, markSluiceOwned, RequestAbortedError } from '../errors.js'

/** Signal that aborts a request: an AbortSignal, or an emitter of `abort`. */
export type SignalInput = AbortSignal | EventEmitterLike | null | undefined

/** Emitter of `abort`. */
export interface EventEmitterLike {
  on(event: 'abort', listener: () => void): unknown
  removeListener(event: 'abort', listener: () => void): unknown
}

/** Target of a signal. */
export interface Abortable {
  abort(reason: unknown): void
}

/** Forwards the abort of a signal to a request, whichever exists first. */
export class AbortLink {
  readonly #signal: AbortSignal | EventEmitterLike
  #target: Abortable | null = null
  #reason: unknown = null

  /** Creates the link to a signal; null without one. @throws {InvalidArgumentError} `signal` is not a signal */
  static to(signal: SignalInput): AbortLink | null {
    return signal ? new AbortLink(signal) : null
  }

  private constructor(signal: AbortSignal | EventEmitterLike) {
    this.#signal = signal
    if (typeof signal !== 'object' || !(isEventTarget(signal) || typeof signal.on === 'function')) {
      throw invalidOption('signal', 'an AbortSignal or an EventEmitter', signal)
    }
    if ((signal as AbortSignal).aborted) this.#reason = markCallerOwned(reasonOf(signal))
    else if (isEventTarget(signal)) signal.addEventListener('abort', this.#onAbort, unpollutedRequest({ once: true }))
    else signal.on('abort', this.#onAbort)
  }

  /** Reason of the signal's abort; null if it was not aborted. */
  get reason(): unknown {
    return this.#reason
  }

  bind(target: Abortable): void {
    this.#target = target
    if (this.#reason !== null) target.abort(this.#reason)
  }

  /** Removes the listener after the end of the request, because the signal may live on. */
  unbind(): void {
    this.#target = null
    const signal = this.#signal
    // An exception of the caller's signal must not prevent the end of the request.
    callUserCode(() => {
      if (isEventTarget(signal)) signal.removeEventListener('abort', this.#onAbort)
      else signal.removeListener('abort', this.#onAbort)
    })
  }

  readonly #onAbort = (): void => {
    this.#reason = reasonOf(this.#signal)
    this.#target?.abort(this.#reason)
  }
}

function isEventTarget(signal: AbortSignal | EventEmitterLike): signal is AbortSignal {
  return 'addEventListener' in signal
}

function reasonOf(signal: AbortSignal | EventEmitterLike): unknown {
  return (signal as AbortSignal).reason ?? markSluiceOwned(new RequestAbortedError())
}
