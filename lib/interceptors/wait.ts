import { now, setImmediate, startTimer } from '../base/clock.js'
import { named } from '../diagnostics/debug.js'
import { addDestroyCallback, removeDestroyCallback } from '../dispatcher/destroy-callbacks.js'
import type { DispatcherCore } from '../dispatcher/dispatcher-core.js'
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

/** Receiver of the end of a wait. */
export interface WaitListener {
  /** Called at most once, with a new error for this request, when the wait failed. */
  fail(error: Error): void
  /** Called once when the wait ends, for any reason. */
  release(): void
}

/**
 * Registers a wait of an interceptor before it sends `request` to the dispatcher of `core`. The wait fails when
 * `timeouts.total` has passed or the dispatcher is destroyed, but never before this function returns.
 * @returns a function that ends the wait
 */
export function startWait(request: DispatchOptions, core: DispatcherCore | null, listener: WaitListener): () => void {
  const deadline = deadlineOf(request)
  let over = false
  const end = () => {
    if (over) return
    over = true
    stopTimer?.()
    if (core !== null) removeDestroyCallback(core, onDestroyed)
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
  // Responses that arrived while the event loop was busy are read in the poll phase, before the check phase.
  const onTimer = () => setImmediate(() => expire(totalTimeoutError(total)))
  const stopTimer = deadline === Number.POSITIVE_INFINITY ? null : startTimer(onTimer, Math.max(1, Math.ceil(left)))
  if (core !== null) addDestroyCallback(core, onDestroyed)
  return end
}

/** Returns the error of a request that was aborted with `reason` before it was sent. */
export function abortErrorOf(reason: Error | undefined, request: DispatchOptions): Error {
  return locateRequest(abortReasonOf(reason) as Error, request, { phase: 'queued' })
}

/** Adds the method, origin and path of `request`, and `context`, to an error of sluice. */
export function locateRequest<E extends Error>(error: E, request: DispatchOptions, context: ErrorContext): E {
  return addErrorContext(error, { ...context, ...safeContextOf(request) })
}

/** Begins the message of an error for a response that is not delivered, such as `GET http://a.test/b failed`. */
export function failureOf(request: DispatchOptions): string {
  const { origin = '', method = '', path = '' } = safeContextOf(request)
  return `${named({ origin, method, path })} failed`
}

/** Returns the status of a response with its reason phrase, such as `404 Not Found`. */
export function statusText({ statusCode, statusMessage }: { statusCode: number; statusMessage?: string | undefined }) {
  return `${statusCode} ${statusMessage ?? ''}`.trimEnd()
}
