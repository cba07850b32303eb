import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { atCaller } from '../errors/caller.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
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
 * Follows redirects. Options of a request take precedence over `options`.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const agent = new Agent().compose(interceptors.redirect({ maxRedirections: 5 }))
 * const { statusCode, body } = await agent.request({ origin: 'http://localhost:3000', path: '/', method: 'GET' })
 */
export function redirect(options: RedirectOptions = {}): DispatchInterceptor {
  const all = mergeOptions(options)
  atCaller(redirect, () => checkRedirectOptions(all))
  warnUnknownOptions({ bag: 'interceptors.redirect', names: NAMES }, all)
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
