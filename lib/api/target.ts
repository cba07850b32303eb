import type { DispatchHandler } from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'

/** Whatever sends requests: the functions here need no more of a dispatcher. */
export interface DispatchTarget {
  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean
}

export type Callback<Data> = (error: Error | null, data: Data) => void

/** Told of the outcome: the promise's two functions or the caller's one. */
export class Outcome<Data> {
  readonly #resolve: (data: Data) => void
  readonly #reject: (error: Error) => void
  #settled = false

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

  get settled(): boolean {
    return this.#settled
  }

  succeed(data: Data): void {
    if (this.#settled) return
    this.#settled = true
    this.#resolve(data)
  }

  fail(error: Error): void {
    if (this.#settled) return
    this.#settled = true
    this.#reject(error)
  }
}
