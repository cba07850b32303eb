import { queueMicrotask } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { readSafely } from '../errors/safe-read.js'
import { InvalidArgumentError } from '../errors.js'
import type { DispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { inScope } from './scope.js'

/** Whatever sends requests: the functions here need no more of a dispatcher. */
export interface DispatchTarget {
  dispatch(options: DispatchInput, handler: DispatchHandler): boolean
}

/**
 * An interceptor finds the dispatcher among the options of the functions by URL, as with undici 7.
 * @throws {InvalidArgumentError} the options of a dispatcher's own method name another dispatcher
 */
export function refuseOtherDispatcher(target: DispatchTarget, options: object): void {
  const { dispatcher } = options as { dispatcher?: unknown }
  if (dispatcher === undefined || dispatcher === null || dispatcher === target) return
  throw new InvalidArgumentError(
    'dispatcher is an option of request(url, options) and similar functions: call the method of that dispatcher instead',
  )
}

export type Callback<Data> = (error: Error | null, data: Data) => void

/** Told of the outcome: the promise's two functions or the caller's one. */
export class Outcome<Data> {
  /** Let go of when settled: they hold the promise, and with it a body that the caller may have forgotten. */
  #resolve: ((data: Data) => void) | null
  #reject: ((error: unknown) => void) | null

  constructor(resolve: (data: Data) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  /**
   * A failure comes a turn later, so that the callback never runs inside the call it was given to. `discard` closes what a
   * callback that throws leaves behind.
   */
  static ofCallback<Data>(callback: Callback<Data>, options: unknown, discard?: (data: Data) => void): Outcome<Data> {
    const call = inScope(callback)
    const opaque = readSafely(() => (unpollutedRequest(options) as { opaque?: unknown } | null)?.opaque, null)
    const failed = { opaque: opaque ?? null } as Data
    return new Outcome<Data>(
      (data) => {
        try {
          call(null, data)
        } catch (error) {
          reportUncaught(error)
          discard?.(data)
        }
      },
      (error) => queueMicrotask(() => call(error as Error, failed)),
    )
  }

  succeed(data: Data): void {
    const resolve = this.#resolve
    this.#settle()
    resolve?.(data)
  }

  fail(error: unknown): void {
    const reject = this.#reject
    this.#settle()
    reject?.(error)
  }

  #settle(): void {
    this.#resolve = null
    this.#reject = null
  }
}
