import { unpolluted } from '../base/prototype-pollution.js'
import { invalidArgument, invalidOption } from '../errors.js'

/** URL in parts, as undici's `index.md` documents it. `origin` replaces protocol, hostname and port. */
export interface UrlObject {
  origin?: string | null | undefined
  protocol?: string | null | undefined
  hostname?: string | null | undefined
  port?: string | number | null | undefined
  path?: string | null | undefined
  pathname?: string | null | undefined
  search?: string | null | undefined
}

/**
 * Parses an origin: a URL with protocol, host and port only.
 * @throws {InvalidArgumentError} the URL is not http(s), or has a path, a query, a fragment or credentials
 */
export function parseOrigin(input: URL | string | UrlObject, name = 'url'): URL {
  const url = parseUrl(input, name)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw unsupportedProtocol(url, name)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalidArgument(`${name} must be an origin (protocol, host and port) without path, query or fragment`)
  }
  return url
}

/**
 * Parses a URL, which may be given in parts.
 * @throws {InvalidArgumentError} the input is not a URL
 */
export function parseUrl(input: URL | string | UrlObject, name = 'url'): URL {
  const text = typeof input === 'object' && !isUrl(input) ? assemble(input, name) : String(input)
  try {
    return new URL(text)
  } catch {
    throw invalidOption(name, 'an http: or https: URL', input)
  }
}

/** Whether a value is a URL object, of any realm. */
export function isUrl(input: unknown): input is URL {
  return typeof input === 'object' && input !== null && 'href' in input && 'searchParams' in input
}

function assemble(parts: UrlObject, name: string): string {
  if (typeof parts !== 'object' || parts === null) throw invalidOption(name, 'a string, a URL or its parts', parts)
  const { origin, protocol, hostname, port, path, pathname, search } = unpolluted(parts)
  for (const [part, value] of Object.entries({ origin, protocol, hostname, path, pathname, search })) {
    if (value !== undefined && value !== null && typeof value !== 'string') {
      throw invalidOption(`${name}.${part}`, 'a string', value)
    }
  }
  if (port !== undefined && port !== null && !/^\d{0,5}$/.test(String(port))) {
    throw invalidOption(`${name}.port`, 'a port number', port)
  }
  if (!origin && !(protocol && hostname)) {
    throw invalidArgument(`${name} must have an origin, or a protocol and a hostname`)
  }
  const base = origin || `${protocol}//${hostname}${port || port === 0 ? `:${port}` : ''}`
  const rest = path || `${pathname || ''}${search || ''}`
  return `${base.replace(/\/$/, '')}${rest === '' || rest.startsWith('/') ? rest : `/${rest}`}`
}

/** Creates the error for a URL that is not http(s): `localhost:3000` is a URL with the protocol `localhost:`. */
export function unsupportedProtocol(url: URL, name = 'url'): Error {
  const port = /^\d{1,5}(?=$|[/?#])/.exec(url.pathname)
  // Without the query, which may contain a token.
  const hint =
    port === null || url.pathname.includes('@') ? '' : `. Did you mean http://${url.protocol}${url.pathname}?`
  return invalidArgument(`${name} must be an http: or https: URL, received protocol "${url.protocol}"${hint}`)
}
