// As it was when this was loaded: fake timers that a test installs later swallow no error.
const { queueMicrotask } = globalThis

/**
 * Reports what user code threw where no caller is left to catch it: once, as an uncaught exception. It is thrown from a
 * job of its own, so that the state of whatever called the user code stays whole.
 */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** Calls user code that no caller waits for; {@link reportUncaught} gets what it throws. */
export function callUserCode<Values extends unknown[]>(code: (...values: Values) => unknown, ...values: Values): void {
  try {
    code(...values)
  } catch (error) {
    reportUncaught(error)
  }
}

/** Whether user code returned a promise, of whatever class. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
