import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import type { DispatchOptions } from '../exchange/request.js'
import { checkRedirectOptions, RedirectHandler, type RedirectOptions } from './redirect-handler.js'

/**
 * Follows redirects. Each option can be given with a request as well, which then counts.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function redirect(options: RedirectOptions = {}): DispatchInterceptor {
  checkRedirectOptions(options ?? {})
  return (dispatch) => (request: DispatchOptions & RedirectOptions, handler) => {
    const settings = { ...options, ...request }
    if (!settings.maxRedirections) {
      checkRedirectOptions(settings)
      return dispatch(request, handler)
    }
    const redirecting = new RedirectHandler(dispatch, settings.maxRedirections, settings, handler)
    return dispatch({ ...redirecting.opts }, redirecting)
  }
}
