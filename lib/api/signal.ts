import { unpollutedRequest } from '../base/prototype-pollution.js'
import { callUserCode } from '../base/user-code.js'
import { invalidOption, markSluiceOwned, RequestAbortedError } from '../errors.js'

/** What may abort a request: an AbortSignal, or anything that emits `abort`. */
export type SignalInput = AbortSignal | EventEmitterLike | null | undefined

export interface EventEmitterLike {
  on(event: 'abort', listener: () => void): unknown
  removeListener(event: 'abort', listener: () => void): unknown
}

/** What a signal ends. */
export interface Abortable {
  abort(reason: unknown): void
}

/** Carries an abort from a signal to a request, whichever comes first. */
export class AbortLink {
  readonly #signal: AbortSignal | EventEmitterLike
  #target: Abortable | null = null
  #reason: unknown = null

  /** @throws {InvalidArgumentError} not a signal */
  static to(signal: SignalInput): AbortLink | null {
    return signal ? new AbortLink(signal) : null
  }

  private constructor(signal: AbortSignal | EventEmitterLike) {
    this.#signal = signal
    if (typeof signal !== 'object' || !(isEventTarget(signal) || typeof signal.on === 'function')) {
      throw invalidOption('signal', 'an AbortSignal or an EventEmitter', signal)
    }
    if ((signal as AbortSignal).aborted) this.#reason = reasonOf(signal)
    else if (isEventTarget(signal)) signal.addEventListener('abort', this.#onAbort, unpollutedRequest({ once: true }))
    else signal.on('abort', this.#onAbort)
  }

  /** What it was aborted with, as the signal has it; null when it was not. */
  get reason(): unknown {
    return this.#reason
  }

  bind(target: Abortable): void {
    this.#target = target
    if (this.#reason !== null) target.abort(this.#reason)
  }

  /** The request is over: the signal may live on without us. */
  unbind(): void {
    this.#target = null
    const signal = this.#signal
    // What the signal of a caller throws must not keep the request from ending.
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
