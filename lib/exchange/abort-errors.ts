import { faultOf, markCallerFault } from '../errors/faults.js'
import { hasReadableStack, messageOf } from '../errors/safe-read.js'
import { ClientDestroyedError, markCallerOwned, RequestAbortedError } from '../errors.js'

/** What a request is aborted with, of what its caller gave: the same, or an error of ours where that was nothing. */
export function abortReasonOf(given: unknown): unknown {
  if (given === undefined || given === null) return new RequestAbortedError()
  const fault = faultOf(given)
  // The caller may pass on the error of another connection, which is no failure of this one.
  if (fault === undefined || fault === 'network') markCallerFault(given)
  return markCallerOwned(given)
}

/** What a request fails with whose dispatcher was destroyed: an error of its own, or the one that the caller gave. */
export function destroyedErrorOf(given: Error): Error {
  if (given instanceof ClientDestroyedError) return new ClientDestroyedError(messageOf(given))
  return markCallerOwned(given)
}

/**
 * A reason as a stream can be destroyed with it: a falsy one would end the stream as if nothing had failed, and one whose
 * stack can not be read makes `destroy` throw.
 */
export function streamError(reason: unknown): Error {
  if (reason && hasReadableStack(reason)) return reason as Error
  return new RequestAbortedError(undefined, { cause: reason })
}
