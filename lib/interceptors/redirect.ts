import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { invalidOption } from '../errors.js'
import type { DispatchOptions } from '../exchange/request.js'
import { mergeOptions, pickOptions } from './option-layers.js'
import { checkRedirectOptions, RedirectHandler, type RedirectOptions } from './redirect-handler.js'

const NAMES = [
  'maxRedirections',
  'throwOnMaxRedirect',
  'stripHeadersOnRedirect',
  'stripHeadersOnCrossOriginRedirect',
] as const

/**
 * Follows redirects. Each option can be given with a request as well, which then counts.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function redirect(options: RedirectOptions = {}): DispatchInterceptor {
  const all = mergeOptions(options)
  checkRedirectOptions(all)
  return (dispatch) => (given: DispatchOptions & RedirectOptions, handler) => {
    if (typeof given !== 'object' || given === null) throw invalidOption('options', 'an object', given)
    const request = unpollutedRequest(given)
    const settings = mergeOptions(all, pickOptions(request, NAMES))
    checkRedirectOptions(settings)
    if (!settings.maxRedirections) return dispatch(request, handler)
    const redirecting = new RedirectHandler(dispatch, settings.maxRedirections, { ...request, ...settings }, handler)
    return dispatch({ ...redirecting.opts }, redirecting)
  }
}
