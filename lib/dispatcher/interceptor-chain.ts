import { requireFunction } from '../errors/option-checks.js'
import { invalidArgument, isSluiceOwned } from '../errors.js'
import { withDeadline } from '../exchange/deadlines.js'
import type { DispatchOptions } from '../exchange/documented.js'
import { ForeignRequest } from '../exchange/foreign-request.js'
import type { DispatchHandler } from '../exchange/handler.js'
import { createForeignRequest } from '../exchange/legacy-foreign-request.js'
import { adaptHandler, isLegacyHandler, isUpgrade } from '../exchange/legacy-handler.js'
import { addUnsentContext, refuseThrown, rejectRequest } from '../exchange/reject-request.js'
import type { DispatchInput } from '../exchange/request.js'
import type { Dispatch, Dispatcher, DispatchInterceptor } from './dispatcher.js'
import { coreOf, type DispatcherCore, setCore } from './dispatcher-core.js'

/**
 * Returns a `dispatch` function that sends through interceptors to `base`, the last one outermost. An exception that an
 * interceptor throws before it has dispatched the request fails the request: an interceptor above that dispatches later
 * could not catch it.
 * @throws {InvalidArgumentError} an interceptor is not a function, or does not return one
 */
export function chainInterceptors(
  base: Dispatcher,
  interceptors: readonly (DispatchInterceptor | readonly DispatchInterceptor[])[],
) {
  /** Whether the request of the interceptor call in progress has reached `base`. */
  let arrived = false
  const core = coreOf(base)
  let dispatch: Dispatch = (options, handler) => {
    arrived = true
    return base.dispatch(options, handler)
  }
  setCore(dispatch, core)
  // As in undici, null means no interceptor.
  const given = [...interceptors.entries()].filter(
    ([, interceptor]) => interceptor !== null && interceptor !== undefined,
  )
  const outermost = given.at(-1)?.[0]
  for (const [index, interceptor] of given as [number, DispatchInterceptor][]) {
    requireFunction('interceptor', interceptor)
    const intercepted = interceptor(dispatch)
    requireFunction('the return value of an interceptor', intercepted)
    // A function that creates interceptors was given instead of its result.
    if (intercepted.length === 1) {
      throw invalidArgument(
        `interceptor ${index + 1} of compose returns a function that takes no handler: call it first, as in interceptors.retry()`,
      )
    }
    dispatch = (options, handler) => {
      const before = arrived
      arrived = false
      try {
        return intercepted(options, adaptLegacyHandler(handler, options))
      } catch (error) {
        if (arrived) throw error
        if (!isSluiceOwned(error)) return refuseThrown(error, handler)
        return rejectRequest(addUnsentContext(error, options, core?.origin), handler)
      } finally {
        // A request through the outermost interceptor is another one, which an interceptor has sent.
        arrived = before || (arrived && index !== outermost)
      }
    }
    setCore(dispatch, core)
  }
  return withWaitingLimits(dispatch, core)
}

/**
 * Returns a `dispatch` function that enforces `queue` and `total` limits while an interceptor waits: the core does not
 * know of the request then.
 */
function withWaitingLimits(dispatch: Dispatch, core: DispatcherCore | null): Dispatch {
  const target = { dispatch }
  return (options: DispatchInput, handler) => {
    const { timeouts, origin } = options
    const limits = core?.config().defaults.limits ?? null
    if (!(timeouts?.deadline || timeouts?.queue || limits?.queue) || handler instanceof ForeignRequest) {
      return dispatch(options as DispatchOptions, handler)
    }
    let request: ForeignRequest | null = null
    try {
      request = createForeignRequest(options, handler, { origin: origin as string, limits })
      const accepted = request.dispatchTo(target, true) as boolean
      request.notifyQueued()
      return accepted
    } catch (error) {
      if (request === null) return rejectRequest(error as Error, handler)
      if (request.done) throw error
      request.abort(error)
      return true
    }
  }
}

/**
 * Adds options that interceptors need and the dispatcher knows: the origin, the deadline of all attempts, and an object
 * for the timings of all attempts.
 */
export function completeOptions(dispatcher: Dispatcher, options: DispatchOptions): DispatchOptions {
  const core = coreOf(dispatcher)
  const { origin, timings } = options as { origin?: unknown; timings?: unknown }
  const known = withDeadline(options, core?.config().defaults.limits?.total)
  if (core === null) return known
  const added: { origin?: string; timings?: object } = {}
  if (core.origin !== null && (origin === undefined || origin === null)) added.origin = core.origin
  if (core.config().defaults.timings && (timings === undefined || timings === null)) added.timings = {}
  return added.origin === undefined && added.timings === undefined ? known : { ...known, ...added }
}

/** Adapts a legacy handler to the current generation, whose callbacks interceptors call. */
export function adaptLegacyHandler(handler: DispatchHandler, request: DispatchOptions): DispatchHandler {
  if (!isLegacyHandler(handler)) return handler
  return adaptHandler(handler, isUpgrade(request))
}
