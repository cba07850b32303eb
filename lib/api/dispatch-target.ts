import { queueMicrotask } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { pointAtCaller } from '../errors/caller.js'
import { requireFunction } from '../errors/option-checks.js'
import { readSafely } from '../errors/safe-read.js'
import { invalidArgument, occursLater } from '../errors.js'
import { closeUnsentBody } from '../exchange/body-owner.js'
import type { DispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { bindToAsyncContext } from './async-context.js'

/** Minimal dispatcher, as the functions of this layer need it. */
export interface DispatchTarget {
  dispatch(options: DispatchInput, handler: DispatchHandler): boolean
}

/**
 * Rejects the option `dispatcher` in methods of a dispatcher. Functions by URL pass it on, because interceptors written for
 * undici 7 read it.
 * @throws {InvalidArgumentError} the options of a dispatcher's own method name another dispatcher
 */
export function refuseOtherDispatcher(target: DispatchTarget, options: object): void {
  const { dispatcher } = options as { dispatcher?: unknown }
  if (dispatcher === undefined || dispatcher === null || dispatcher === target) return
  throw invalidArgument(
    'dispatcher is an option of request(url, options) and similar functions: call the method of that dispatcher instead',
  )
}

/** Callback of the methods that otherwise return a promise. */
export type Callback<Data> = (error: Error | null, data: Data) => void

/**
 * Rejects with `error`, and adds the async functions that wait for the promise to its stack. V8 finds them only from a
 * microtask of that promise, so that this costs time after a failure only.
 */
async function failWithCallers(error: Error): Promise<never> {
  await null
  readSafely(() => {
    const at = { stack: '' }
    Error.captureStackTrace(at)
    // Once, because the error may be reported again.
    if (!/\n +at async /.test(String(error.stack))) error.stack += /\n +at async .*/s.exec(at.stack)?.[0] ?? ''
  }, undefined)
  throw error
}

/** Result of a request: settles a promise or calls a callback, once. */
export class Outcome<Data> {
  /** Null once settled: it references the promise, and thereby a body that the caller may have dropped. */
  #resolve: ((data: Data) => void) | null
  #reject: ((error: unknown) => void) | null
  /** Error with which the outcome has failed. */
  #failure: unknown

  constructor(resolve: (data: Data) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  /**
   * Creates the outcome of a callback. A failure is reported in a microtask, so that the callback never runs within the call
   * that received it. `discard` closes the result if the callback throws.
   */
  static ofCallback<Data>(callback: Callback<Data>, options: unknown, discard?: (data: Data) => void): Outcome<Data> {
    const call = bindToAsyncContext(callback)
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

  /** Returns false if the outcome is settled already, unless it is the same error. */
  fail(error: unknown): boolean {
    const resolve = this.#resolve
    const reject = this.#reject
    if (resolve === null || reject === null) return error === this.#failure
    this.#settle()
    this.#failure = error
    if (!occursLater(error)) reject(pointAtCaller(error))
    // V8 follows this chain to the async functions that wait for the promise.
    else failWithCallers(error).then(resolve, reject)
    return true
  }

  #settle(): void {
    this.#resolve = null
    this.#reject = null
  }
}

/**
 * Checks the callback of a method. Closes the body of its request before it throws.
 * @throws {InvalidArgumentError} it is not a function
 */
export function requireCallback(callback: unknown, options: object): void {
  try {
    requireFunction('callback', callback)
  } catch (error) {
    closeUnsentBody(Object(options), error as Error)
    throw pointAtCaller(error)
  }
}
