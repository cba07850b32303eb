import type { DispatcherCore } from '../dispatcher/dispatcher-core.js'
import { InvalidArgumentError, markSluiceOwned } from '../errors.js'
import type { RequestHeaders } from '../exchange/documented.js'
import { hasHeader, withHeaders, withoutHeaders } from '../exchange/edit-headers.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import { withQuery } from '../exchange/query.js'
import type { DispatchOptions } from '../exchange/request.js'
import { hostnameToResolve } from './dns-records.js'
import { isReplayable } from './replayable-body.js'

/** Base URL of relative references when neither the request nor the dispatcher has an origin. */
const UNKNOWN_ORIGIN = 'http://unknown.invalid'
const REDIRECT_STATUSES = new Set([300, 301, 302, 303, 307, 308])
/** Headers with credentials: they are sent only to the origin that they were meant for (RFC 9110 §15.4). */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization']
/** Headers of a request body, removed with the body. */
const BODY_HEADERS = /^(content-.*|transfer-encoding|trailer|expect)$/

type Request = DispatchOptions & { servername?: unknown }

/** Returns the URL of the requested resource; undefined if the origin is unknown, or for CONNECT and `*`. */
export function urlOf(options: Request): URL | undefined {
  const url = resourceUrlOf(options)
  return url?.origin === UNKNOWN_ORIGIN ? undefined : url
}

function resourceUrlOf(options: Request): URL | undefined {
  const { path, query, method } = options
  if (method === 'CONNECT' || typeof path !== 'string' || path === '*') return undefined
  const target = query === undefined || query === null ? path : withQuery(path, query)
  if (isAbsolute(target)) return new URL(target)
  // Concatenated as text: a path that starts with two slashes is not a host.
  return new URL(`${logicalOriginOf(options).origin}${target}`)
}

function isAbsolute(path: string): boolean {
  return /^https?:\/\//i.test(path)
}

/**
 * Returns the origin that a request is meant for. Below `interceptors.dns` the origin has an IP address; `servername` has
 * the host name.
 */
function logicalOriginOf({ origin, servername, headers }: Request): URL {
  const connected = new URL(origin ?? UNKNOWN_ORIGIN)
  const named = typeof servername === 'string' && hostnameToResolve(connected) === null && hasHeader(headers, 'host')
  if (!named) return connected
  const port = connected.port === '' ? '' : `:${connected.port}`
  const url = `${connected.protocol}//${servername}${port}`
  return URL.canParse(url) ? new URL(url) : connected
}

/** Returns a key that identifies a request by method and URL, to detect redirect loops. */
export function redirectKeyOf(options: Request): string {
  return `${options.method} ${resourceUrlOf(options)}`
}

/** Returns the `location` of a redirect; null if the response is not a redirect, or has several locations. */
export function locationOf(statusCode: number, headers: IncomingHeaders): string | null {
  if (!REDIRECT_STATUSES.has(statusCode)) return null
  const field = Object.hasOwn(headers, 'location') ? headers.location : undefined
  const values = new Set(typeof field === 'string' ? [field] : field)
  const [value] = values
  // With several different locations the right one is unknown.
  return value === undefined || value === '' || values.size > 1 ? null : asUtf8(value)
}

/** Header values are decoded as latin1; servers send UTF-8. Returns the UTF-8 text if the bytes are valid UTF-8. */
function asUtf8(value: string): string {
  const bytes = Buffer.from(value, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : value
}

/** Settings for redirected requests. */
export interface RedirectPolicy {
  /** Core of the dispatcher that sends the request; null if it is of another library. */
  readonly core: DispatcherCore | null
  /** Names of headers (lower case) that the caller removes on every redirect. */
  readonly stripAlways: ReadonlySet<string>
  /** Names of headers (lower case) that the caller removes on redirects to another origin. */
  readonly stripCrossOrigin: ReadonlySet<string>
}

/**
 * Returns the request that follows a redirect; null if the body can not be sent again.
 * @throws {InvalidArgumentError} `location` is not an http(s) URL, or the dispatcher does not send to its origin
 */
export function redirectedRequest(
  options: Request,
  response: { statusCode: number; location: string },
  policy: RedirectPolicy,
): DispatchOptions | null {
  const from = resourceUrlOf(options)
  if (from === undefined) return null
  const { statusCode, location } = response
  const route = routeTo(parseLocation(location, from), options, { from, core: policy.core })
  const method = methodOf(options.method, statusCode)
  const bodiless = statusCode === 303 || method !== options.method
  if (!bodiless && !isReplayable(options.body)) return null
  const dropped = (name: string): boolean =>
    name === 'host' ||
    policy.stripAlways.has(name) ||
    (bodiless && BODY_HEADERS.test(name)) ||
    (route.crossOrigin && (CREDENTIALS.includes(name) || policy.stripCrossOrigin.has(name))) ||
    (route.origin !== undefined && name === 'proxy-authorization')
  const kept = withoutHeaders(options.headers, dropped)
  const headers = route.host === null ? kept : withHeaders(kept, ['host', route.host])
  const next: Request = {
    ...options,
    method,
    path: route.path,
    headers: (headers ?? null) as RequestHeaders | null,
    body: bodiless ? null : (options.body ?? null),
  }
  delete next.query
  if (route.origin === undefined) return next
  next.origin = route.origin
  delete next.servername
  return next
}

interface Route {
  path: string
  /** Origin to connect to; undefined: the same as before. */
  origin: string | undefined
  /** Whether the resource belongs to another origin. */
  crossOrigin: boolean
  /** Value of the `host` header if it differs from the origin of the connection; else null. */
  host: string | null
}

/** Returns the route to `to`. @throws {InvalidArgumentError} the dispatcher does not send to its origin */
function routeTo(to: URL, options: Request, { from, core }: { from: URL; core: DispatcherCore | null }): Route {
  const path = `${to.pathname}${to.search}`
  const known = core?.config().origins ?? null
  const own = (origin: string) => known !== null && (origin === UNKNOWN_ORIGIN || known.includes(origin))
  const leaves = to.origin !== from.origin && !(own(from.origin) && own(to.origin))
  const fixed = known !== null || options.origin === undefined || options.origin === null
  const connected = new URL(options.origin ?? UNKNOWN_ORIGIN).origin
  const byProxy = isAbsolute(options.path) && from.origin !== connected && !own(from.origin)
  // A dispatcher with the single origin of a proxy reaches every origin the same way.
  if (byProxy && fixed) return { path: to.origin + path, origin: undefined, crossOrigin: leaves, host: null }
  if (!leaves && !byProxy) {
    const host = logicalOriginOf(options).origin === connected ? null : to.host
    return { path, origin: undefined, crossOrigin: leaves, host }
  }
  if (!fixed) return { path, origin: to.origin, crossOrigin: leaves, host: null }
  if (own(to.origin)) return { path, origin: undefined, crossOrigin: leaves, host: null }
  throw markSluiceOwned(
    new InvalidArgumentError(
      `The redirect leads to ${to.origin}, but the dispatcher sends to one origin only: use an Agent`,
    ),
  )
}

function parseLocation(location: string, base: URL): URL {
  let url: URL
  try {
    url = new URL(location, base)
  } catch {
    throw markSluiceOwned(
      new InvalidArgumentError(
        `The location header of the redirect is not a valid URL (${location.length} characters)`,
      ),
    )
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  throw markSluiceOwned(
    new InvalidArgumentError(`The location header of a redirect must be an http: or https: URL, got ${url.protocol}`),
  )
}

/** Returns the method after a redirect: GET after 303, and after a POST answered with 301 or 302 (RFC 9110 §15.4). */
function methodOf(method: string, statusCode: number): string {
  if (statusCode === 303) return method === 'HEAD' ? method : 'GET'
  return method === 'POST' && (statusCode === 301 || statusCode === 302) ? 'GET' : method
}
