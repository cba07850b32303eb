import { invalidOption } from '../errors.js'

/**
 * Reads an origin: protocol, host and port of a URL, and nothing else.
 * @throws {InvalidArgumentError} no http(s) URL, or one with a path, a query, a fragment or credentials
 */
export function parseOrigin(input: URL | string, name = 'url'): URL {
  let url: URL
  try {
    url = typeof input === 'string' || input instanceof URL ? new URL(input) : new URL(String(input))
  } catch {
    throw invalidOption(name, 'an http: or https: URL', input)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalidOption(name, 'an http: or https: URL', url.href)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalidOption(name, 'protocol, host and port only', url.href)
  }
  return url
}
