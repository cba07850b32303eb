import type { DispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'

/** Whatever sends requests: the functions here need no more of a dispatcher. */
export interface DispatchTarget {
  dispatch(options: DispatchInput, handler: DispatchHandler): boolean
}

export type Callback<Data> = (error: Error | null, data: Data) => void

/** Told of the outcome: the promise's two functions or the caller's one. */
export class Outcome<Data> {
  /** Let go of when settled: they hold the promise, and with it a body that the caller may have forgotten. */
  #resolve: ((data: Data) => void) | null
  #reject: ((error: Error) => void) | null

  constructor(resolve: (data: Data) => void, reject: (error: Error) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  static ofCallback<Data>(callback: Callback<Data>): Outcome<Data> {
    return new Outcome<Data>(
      (data) => callback(null, data),
      (error) => callback(error, undefined as Data),
    )
  }

  succeed(data: Data): void {
    const resolve = this.#resolve
    this.#settle()
    resolve?.(data)
  }

  fail(error: Error): void {
    const reject = this.#reject
    this.#settle()
    reject?.(error)
  }

  #settle(): void {
    this.#resolve = null
    this.#reject = null
  }
}
