import { reportUncaught } from '../base/user-code.js'

/** Errors that interceptors or handlers threw. A handler may store such an error and pass it on later. */
const thrownErrors = new WeakSet<object>()
/** Whether the error that is passed on was thrown: a handler may wrap it, and it may be a primitive. */
let passingThrown = false

/**
 * Calls `pass`, which passes `error` to the handler of a request. `thrown`: whether an interceptor or a handler threw the
 * error. If the request has ended, {@link reportThrown} then reports it.
 */
export function passError(error: unknown, thrown: boolean, pass: () => void): void {
  const before = passingThrown
  passingThrown = thrown
  if (thrown && Object(error) === error) thrownErrors.add(error as object)
  try {
    pass()
  } finally {
    passingThrown = before
  }
}

/**
 * Reports an error that arrives after the end of its request as an uncaught exception, if an interceptor or a handler
 * threw it. Reports an error once, and not if the request has failed with it.
 * @param failure error with which the request has failed
 */
export function reportThrown(error: unknown, failure?: unknown): void {
  if (error === failure) return
  const passing = passingThrown
  passingThrown = false
  if (thrownErrors.delete(error as object) || passing) reportUncaught(error)
}
