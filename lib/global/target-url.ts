import { unpolluted } from '../base/prototype-pollution.js'
import { isUrl, parseUrl, type UrlObject, unsupportedProtocol } from '../dispatcher/origin.js'
import { invalidOption } from '../errors.js'

export type { UrlObject }
export type UrlInput = string | URL | UrlObject

/**
 * Origin and path of what a request goes to. The fragment and the credentials of a URL are not sent.
 * @param path asked for instead of that of the URL, as an option of the request
 * @throws {InvalidArgumentError} no http: or https: URL
 */
export function parseTarget(input: UrlInput, path?: unknown): { origin: string; path: string } {
  const given = parseUrl(input)
  if (given.protocol !== 'http:' && given.protocol !== 'https:') {
    throw unsupportedProtocol(given)
  }
  const { origin } = given
  if (path !== undefined && path !== null && typeof path !== 'string') throw invalidOption('path', 'a string', path)
  const url = path ? parseUrl(`${origin}${path.startsWith('/') ? '' : '/'}${path}`) : given
  return { origin, path: url.pathname + url.search }
}

/** Options of a request that is given by one object, its URL among them. */
export function optionsIn(input: UrlInput): object {
  if (typeof input !== 'object' || input === null || isUrl(input)) return {}
  const { origin, protocol, hostname, port, path, pathname, search, ...options } = unpolluted(input)
  // Without an origin it is a part of the URL, else what `upgrade` asks for.
  return origin && protocol ? { ...options, protocol } : options
}
