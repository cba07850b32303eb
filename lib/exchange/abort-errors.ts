import { faultOf, markCallerFault } from '../errors/faults.js'
import { hasReadableStack, isErrorLike, messageOf } from '../errors/safe-read.js'
import { ClientDestroyedError, markCallerOwned, RequestAbortedError } from '../errors.js'

/** Returns the reason a request is aborted with: the caller's, or a new `RequestAbortedError` if none was given. */
export function abortReasonOf(given: unknown): unknown {
  if (given === undefined || given === null) return new RequestAbortedError()
  const fault = faultOf(given)
  // The caller may pass on the error of another connection. It is not a network failure of this request.
  if (fault === undefined || fault === 'network') markCallerFault(given)
  return markCallerOwned(given)
}

/**
 * Returns the error for a request whose dispatcher was destroyed: a copy of sluice's own error, or the caller's error.
 */
export function destroyedErrorOf(given: Error): Error {
  if (given instanceof ClientDestroyedError) return new ClientDestroyedError(messageOf(given))
  return markCallerOwned(given)
}

/**
 * Returns an error that a stream can be destroyed with. A falsy reason would end the stream normally, and `destroy`
 * throws for an error whose stack is not readable.
 */
export function streamError(reason: unknown): Error {
  if (reason && hasReadableStack(reason)) return reason as Error
  return new RequestAbortedError(undefined, { cause: reason })
}

/** Returns an abort reason as an Error. It can be a DOMException of another realm, or any value. */
export function toError(reason: unknown): Error {
  return isErrorLike(reason) ? reason : new RequestAbortedError(undefined, { cause: reason })
}
