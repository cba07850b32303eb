import { unpolluted } from '../base/prototype-pollution.js'
import { isUrl, parseUrl, type UrlObject, unsupportedProtocol } from '../dispatcher/origin.js'
import { invalidOption } from '../errors.js'

export type { UrlObject }
/** URL of a request: text, a URL, or an object with its parts. */
export type UrlInput = string | URL | UrlObject

/**
 * Returns the origin and path of a request. The fragment and the credentials of a URL are not sent.
 * @param path option of the request that replaces the path of the URL
 * @throws {InvalidArgumentError} `input` is not an http: or https: URL
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

/** Returns the request options of an object that contains both the URL and the options. */
export function optionsIn(input: UrlInput): object {
  if (typeof input !== 'object' || input === null || isUrl(input)) return {}
  const { origin, protocol, hostname, port, path, pathname, search, ...options } = unpolluted(input)
  // `protocol` is a part of the URL without an origin, else the option of `upgrade`.
  return origin && protocol ? { ...options, protocol } : options
}
