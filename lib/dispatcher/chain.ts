import { requireFunction } from '../errors/options.js'
import { InvalidArgumentError } from '../errors.js'
import type { DispatchOptions } from '../exchange/documented.js'
import type { DispatchHandler } from '../exchange/handler.js'
import { adaptHandler, isLegacy } from '../exchange/legacy-handler.js'
import { refuse } from '../exchange/refuse.js'
import { coreOf, setCore } from './core.js'
import type { Dispatch, Dispatcher, DispatchInterceptor } from './dispatcher.js'

/**
 * The way of a request through interceptors to `base`, the last one outermost. What one throws before it has handed the
 * request on fails that request: an interceptor above that dispatches later could not catch it.
 * @throws {InvalidArgumentError} an interceptor that is no function, or returns none
 */
export function chain(
  base: Dispatcher,
  interceptors: readonly (DispatchInterceptor | readonly DispatchInterceptor[])[],
) {
  let arrived = 0
  const core = coreOf(base)
  let dispatch: Dispatch = (options, handler) => {
    arrived++
    return base.dispatch(options, handler)
  }
  setCore(dispatch, core)
  for (const interceptor of interceptors as readonly DispatchInterceptor[]) {
    requireFunction('interceptor', interceptor)
    const intercepted = interceptor(dispatch)
    requireFunction('what an interceptor returns', intercepted)
    // One that makes interceptors, given instead of what it makes.
    if (intercepted.length === 1) {
      const named = interceptor.name === '' ? 'an interceptor' : interceptor.name
      throw new InvalidArgumentError(`what ${named} returns takes no handler: was it to be called, as in ${named}()?`)
    }
    dispatch = (options, handler) => {
      const before = arrived
      try {
        return intercepted(options, ofBothGenerations(handler, options))
      } catch (error) {
        if (arrived !== before) throw error
        return refuse(error as Error, handler)
      }
    }
    setCore(dispatch, core)
  }
  return dispatch
}

/** Interceptors call the callbacks of either generation. */
function ofBothGenerations(handler: DispatchHandler, { method, upgrade }: DispatchOptions): DispatchHandler {
  if (!isLegacy(handler)) return handler
  return adaptHandler(handler, method === 'CONNECT' || (upgrade != null && upgrade !== false))
}
