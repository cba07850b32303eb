import { ownOptions } from '../base/own-options.js'
import { InvalidArgumentError, invalidOption } from '../errors.js'

/** The parts of a URL, as undici's `index.md` documents them; `origin` stands for protocol, hostname and port. */
export interface UrlObject {
  origin?: string | null | undefined
  protocol?: string | null | undefined
  hostname?: string | null | undefined
  port?: string | number | null | undefined
  path?: string | null | undefined
  pathname?: string | null | undefined
  search?: string | null | undefined
}

export type UrlInput = string | URL | UrlObject

/**
 * Origin and path of what a request goes to. The fragment and the credentials of a URL are not sent.
 * @throws {InvalidArgumentError} no http: or https: URL
 */
export function parseTarget(input: UrlInput): { origin: string; path: string } {
  const url = typeof input === 'string' || isUrl(input) ? parse(String(input)) : assemble(input)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalidOption('url', 'an http: or https: URL', url.protocol)
  }
  return { origin: url.origin, path: url.pathname + url.search }
}

/** Of whatever realm. */
function isUrl(input: unknown): input is URL {
  return typeof input === 'object' && input !== null && 'href' in input && 'searchParams' in input
}

function parse(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw invalidOption('url', 'an http: or https: URL', text)
  }
}

function assemble(parts: UrlObject): URL {
  if (typeof parts !== 'object' || parts === null) throw invalidOption('url', 'a string, a URL or its parts', parts)
  const { origin, protocol, hostname, port, path, pathname, search } = ownOptions(parts)
  for (const [name, value] of Object.entries({ origin, protocol, hostname, path, pathname, search })) {
    if (value !== undefined && value !== null && typeof value !== 'string') {
      throw invalidOption(`url.${name}`, 'a string', value)
    }
  }
  if (port !== undefined && port !== null && !/^\d{0,5}$/.test(String(port))) {
    throw invalidOption('url.port', 'a port number', port)
  }
  if (!origin && !(protocol && hostname)) {
    throw new InvalidArgumentError('url must have an origin, or a protocol and a hostname')
  }
  const base = origin || `${protocol}//${hostname}${port || port === 0 ? `:${port}` : ''}`
  const rest = path || `${pathname || ''}${search || ''}`
  return parse(`${base.replace(/\/$/, '')}${rest === '' || rest.startsWith('/') ? rest : `/${rest}`}`)
}
