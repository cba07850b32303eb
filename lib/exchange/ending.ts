import { blameCaller, faultOf } from '../errors/faults.js'
import { readSafely } from '../errors/foreign.js'
import { ClientDestroyedError, markCallerOwned, RequestAbortedError } from '../errors.js'

/** What a request is aborted with, of what its caller gave: the same, or an error of ours where that was nothing. */
export function abortReasonOf(given: unknown): unknown {
  if (given === undefined || given === null) return new RequestAbortedError()
  const fault = faultOf(given)
  // The caller may pass on the error of another connection, which is no failure of this one.
  if (fault === undefined || fault === 'network') blameCaller(given)
  return markCallerOwned(given)
}

/** What a request fails with whose dispatcher was destroyed: an error of its own, or the one that the caller gave. */
export function destroyedErrorOf(given: Error): Error {
  if (readSafely(() => given instanceof ClientDestroyedError, false)) return new ClientDestroyedError(given.message)
  return markCallerOwned(given)
}
