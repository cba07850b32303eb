import type { DispatcherCore } from '../dispatcher/dispatcher-core.js'
import { InvalidArgumentError, invalidOption, markSluiceOwned } from '../errors.js'
import type { RequestHeaders } from '../exchange/documented.js'
import { hasHeader, withHeaders, withoutHeaders } from '../exchange/edit-headers.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import { type DispatchOptions, withQuery } from '../exchange/request.js'
import { hostnameToResolve } from './dns-records.js'
import { isReplayable } from './replayable-body.js'

/** Base of relative references where the origin is unknown: the request names none, and neither does the dispatcher. */
const UNKNOWN_ORIGIN = 'http://unknown.invalid'
const REDIRECT_STATUSES = new Set([300, 301, 302, 303, 307, 308])
/** What tells who is asking: for the origin that it was meant for, and no other (RFC 9110 §15.4). */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization']
/** What tells of a body that is not sent any more. */
const BODY_HEADERS = /^(content-.*|transfer-encoding|trailer|expect)$/

type Request = DispatchOptions & { servername?: unknown }

/** URL of the resource that a request asks for; undefined when the origin is unknown, or when it names no resource. */
export function urlOf(options: Request): URL | undefined {
  const url = resourceUrlOf(options)
  return url?.origin === UNKNOWN_ORIGIN ? undefined : url
}

function resourceUrlOf(options: Request): URL | undefined {
  const { path, query, method } = options
  if (method === 'CONNECT' || typeof path !== 'string' || path === '*') return undefined
  const target = query === undefined || query === null ? path : withQuery(path, query)
  if (isAbsolute(target)) return new URL(target)
  // Put together as text: a path that starts with two slashes is no host.
  return new URL(`${logicalOriginOf(options).origin}${target}`)
}

function isAbsolute(path: string): boolean {
  return /^https?:\/\//i.test(path)
}

/**
 * The origin that a request is meant for. Behind `interceptors.dns` it is connected to by an address, but it is not that
 * of the address: `servername` has its name.
 */
function logicalOriginOf({ origin, servername, headers }: Request): URL {
  const connected = new URL(origin ?? UNKNOWN_ORIGIN)
  const named = typeof servername === 'string' && hostnameToResolve(connected) === null && hasHeader(headers, 'host')
  if (!named) return connected
  const port = connected.port === '' ? '' : `:${connected.port}`
  const url = `${connected.protocol}//${servername}${port}`
  return URL.canParse(url) ? new URL(url) : connected
}

/** Tells a request from others that came before it. */
export function redirectKeyOf(options: Request): string {
  return `${options.method} ${resourceUrlOf(options)}`
}

/** The `location` of a redirect, or null when the response is none. */
export function locationOf(statusCode: number, headers: IncomingHeaders): string | null {
  if (!REDIRECT_STATUSES.has(statusCode)) return null
  const field = Object.hasOwn(headers, 'location') ? headers.location : undefined
  const values = new Set(typeof field === 'string' ? [field] : field)
  const [value] = values
  // Which of several was meant is anybody's guess.
  return value === undefined || value === '' || values.size > 1 ? null : asUtf8(value)
}

/** Fields come as latin1; servers mean UTF-8, if it is that. */
function asUtf8(value: string): string {
  const bytes = Buffer.from(value, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : value
}

/** What a redirect is followed by. */
export interface RedirectPolicy {
  /** The dispatcher beneath; null when another library made it. */
  readonly core: DispatcherCore | null
  /** Names of headers that the caller wants removed beside those that always are, in lower case. */
  readonly stripAlways: ReadonlySet<string>
  readonly stripCrossOrigin: ReadonlySet<string>
}

/**
 * The request that follows a redirect; null when its body can not be sent a second time.
 * @throws {InvalidArgumentError} `location` is no http(s) URL, or the dispatcher can not send to its origin
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
  /** Where to connect to; undefined: to where it is connected now. */
  origin: string | undefined
  /** The resource belongs to another origin. */
  crossOrigin: boolean
  /** Value of the `host` header, where it is not that of the origin that is connected to. */
  host: string | null
}

/** How to get to `to` from where a request is now. @throws {InvalidArgumentError} the dispatcher can not get there */
function routeTo(to: URL, options: Request, { from, core }: { from: URL; core: DispatcherCore | null }): Route {
  const path = `${to.pathname}${to.search}`
  const known = core?.config().origins ?? null
  const own = (origin: string) => known !== null && (origin === UNKNOWN_ORIGIN || known.includes(origin))
  const leaves = to.origin !== from.origin && !(own(from.origin) && own(to.origin))
  const fixed = known !== null || options.origin === undefined || options.origin === null
  const connected = new URL(options.origin ?? UNKNOWN_ORIGIN).origin
  const byProxy = isAbsolute(options.path) && from.origin !== connected && !own(from.origin)
  // A dispatcher of one origin, that of a proxy, gets everywhere in the same way.
  if (byProxy && fixed) return { path: to.origin + path, origin: undefined, crossOrigin: leaves, host: null }
  if (!leaves && !byProxy) {
    const host = logicalOriginOf(options).origin === connected ? null : to.host
    return { path, origin: undefined, crossOrigin: leaves, host }
  }
  if (!fixed) return { path, origin: to.origin, crossOrigin: leaves, host: null }
  if (own(to.origin)) return { path, origin: undefined, crossOrigin: leaves, host: null }
  throw markSluiceOwned(
    new InvalidArgumentError(
      `The redirect leads to ${to.origin}, where the dispatcher does not send requests: use an Agent to follow it`,
    ),
  )
}

function parseLocation(location: string, base: URL): URL {
  let url: URL
  try {
    url = new URL(location, base)
  } catch {
    throw invalidOption('location', 'a URL', location)
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  throw markSluiceOwned(new InvalidArgumentError(`location must be an http: or https: URL, got ${url.protocol}`))
}

/** RFC 9110 §15.4: a 303 is looked up, and so in practice is where a POST went. */
function methodOf(method: string, statusCode: number): string {
  if (statusCode === 303) return method === 'HEAD' ? method : 'GET'
  return method === 'POST' && (statusCode === 301 || statusCode === 302) ? 'GET' : method
}
