import { now, setImmediate, startTimer } from '../base/clock.js'
import type { DispatcherCore } from '../dispatcher/dispatcher-core.js'
import { addWaiter, removeWaiter } from '../dispatcher/waiting-handler.js'
import { messageOf } from '../errors/safe-read.js'
import {
  addErrorContext,
  ClientClosedError,
  ClientDestroyedError,
  type ErrorContext,
  markCallerOwned,
} from '../errors.js'
import { abortReasonOf } from '../exchange/abort-errors.js'
import { deadlineOf, totalTimeoutError } from '../exchange/deadlines.js'
import { safeContextOf } from '../exchange/reject-request.js'
import type { DispatchInput, DispatchOptions } from '../exchange/request.js'

export interface WaitListener {
  /** The wait lasts too long. Called once, with an error of the request's own. */
  fail(error: Error): void
  /** The wait has ended in whatever way. Called once. */
  release(): void
}

/**
 * Watches over a request to the dispatcher of `core` while an interceptor waits before it sends it. The wait fails when
 * `timeouts.total` has passed or the dispatcher is destroyed, and never before this returns.
 * @returns ends the wait
 */
export function startWait(request: DispatchOptions, core: DispatcherCore | null, listener: WaitListener): () => void {
  const deadline = deadlineOf(request)
  let over = false
  const end = () => {
    if (over) return
    over = true
    stopTimer?.()
    if (core !== null) removeWaiter(core, onDestroyed)
    listener.release()
  }
  const expire = (error: Error) => {
    if (over) return
    end()
    listener.fail(locateRequest(error, request, { phase: 'queued' }))
  }
  const onDestroyed = (error: Error) => {
    if (error instanceof ClientDestroyedError) expire(new ClientDestroyedError(messageOf(error)))
    else if (error instanceof ClientClosedError) expire(new ClientClosedError(messageOf(error)))
    else expire(markCallerOwned(error))
  }
  const left = deadline - now()
  const total = (request as DispatchInput).timeouts?.total ?? left
  // What came while the event loop was busy is read in the poll phase, before the check phase.
  const onTimer = () => setImmediate(() => expire(totalTimeoutError(total)))
  const stopTimer = deadline === Number.POSITIVE_INFINITY ? null : startTimer(onTimer, Math.max(1, Math.ceil(left)))
  if (core !== null) addWaiter(core, onDestroyed)
  return end
}

/** Returns what a request fails with that was aborted with `reason` while nothing was sent for it. */
export function abortErrorOf(reason: Error | undefined, request: DispatchOptions): Error {
  return locateRequest(abortReasonOf(reason) as Error, request, { phase: 'queued' })
}

/** Adds to an error of sluice which request failed. */
export function locateRequest<E extends Error>(error: E, request: DispatchOptions, context: ErrorContext): E {
  return addErrorContext(error, { ...context, ...safeContextOf(request) })
}
