// Captured when this module is loaded, so that fake timers installed later by a test do not swallow errors.
const { queueMicrotask } = globalThis

/**
 * Reports an error of user code as an uncaught exception, once, if no caller can receive it. The error is thrown in a
 * microtask, so that the library code that called the user code finishes normally.
 */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** Calls user code and passes what it throws to {@link reportUncaught}. */
export function callUserCode<Values extends unknown[]>(code: (...values: Values) => unknown, ...values: Values): void {
  try {
    code(...values)
  } catch (error) {
    reportUncaught(error)
  }
}

/** Whether a value returned by user code is a promise of any class. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
