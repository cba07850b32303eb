import { InvalidArgumentError, invalidOption } from '../errors.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import { type DispatchOptions, withQuery } from '../exchange/request.js'
import { flattenHeaders, type HeadersInput } from '../wire/headers.js'
import { isRepeatable } from './repeatable.js'

/** Stands for the origin of a dispatcher that did not tell its own. */
const UNTOLD = 'http://untold.invalid'
const REDIRECTS = new Set([300, 301, 302, 303, 307, 308])
/** What tells who is asking: for the origin that it was meant for, and no other (RFC 9110 §15.4). */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization']
/** What tells of a body that is not sent any more. */
const BODY_FIELDS = /^(content-.*|transfer-encoding|trailer|expect)$/

/** Where a request goes; undefined when the dispatcher alone knows, or when it names no resource. */
export function urlOf(options: DispatchOptions): URL | undefined {
  const url = resolved(options)
  return url?.origin === UNTOLD ? undefined : url
}

function resolved({ origin, path, query, method }: DispatchOptions): URL | undefined {
  if (method === 'CONNECT' || typeof path !== 'string' || path === '*') return undefined
  const target = query === undefined || query === null ? path : withQuery(path, query)
  if (/^https?:\/\//i.test(target)) return new URL(target)
  // Put together as text: a path that starts with two slashes is no host.
  return new URL(`${new URL(origin ?? UNTOLD).origin}${target}`)
}

/** Tells a request from others that came before it. */
export function keyOf(options: DispatchOptions): string {
  return `${options.method} ${resolved(options)}`
}

/** The `location` of a redirect, or null when the response is none. */
export function locationOf(statusCode: number, headers: IncomingHeaders): string | null {
  if (!REDIRECTS.has(statusCode)) return null
  const field = Object.hasOwn(headers, 'location') ? headers.location : undefined
  const values = new Set(typeof field === 'string' ? [field] : field)
  const [value] = values
  // Which of several was meant is anybody's guess.
  return value === undefined || value === '' || values.size > 1 ? null : decoded(value)
}

/** Fields come as latin1; servers mean UTF-8, if it is that. */
function decoded(value: string): string {
  const bytes = Buffer.from(value, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : value
}

/** What a caller wants removed beside what always is; names in lower case. */
export interface Stripped {
  always: ReadonlySet<string>
  acrossOrigins: ReadonlySet<string>
}

/**
 * The request that follows a redirect; null when its body can not be sent a second time.
 * @throws {InvalidArgumentError} `location` is no http(s) URL
 */
export function follow(
  options: DispatchOptions,
  response: { statusCode: number; location: string },
  stripped: Stripped,
): DispatchOptions | null {
  const from = resolved(options)
  if (from === undefined) return null
  const { statusCode, location } = response
  const to = parse(location, from)
  const method = methodOf(options.method, statusCode)
  const bodiless = statusCode === 303 || method !== options.method
  if (!bodiless && !isRepeatable(options.body)) return null
  const elsewhere = to.origin !== from.origin
  const dropped = (name: string): boolean =>
    name === 'host' ||
    stripped.always.has(name) ||
    (bodiless && BODY_FIELDS.test(name)) ||
    (elsewhere && (CREDENTIALS.includes(name) || stripped.acrossOrigins.has(name)))
  const next: DispatchOptions & { servername?: unknown } = {
    ...options,
    method,
    path: `${to.pathname}${to.search}`,
    headers: without(options.headers, dropped),
    body: bodiless ? null : (options.body ?? null),
  }
  delete next.query
  if (to.origin !== UNTOLD) next.origin = to.origin
  if (elsewhere) delete next.servername
  return next
}

function parse(location: string, base: URL): URL {
  let url: URL
  try {
    url = new URL(location, base)
  } catch {
    throw invalidOption('location', 'a URL', location)
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  throw new InvalidArgumentError(`location must be an http: or https: URL, got ${url.protocol}`)
}

/** RFC 9110 §15.4: a 303 is looked up, and so in practice is where a POST went. */
function methodOf(method: string, statusCode: number): string {
  if (statusCode === 303) return method === 'HEAD' ? method : 'GET'
  return method === 'POST' && (statusCode === 301 || statusCode === 302) ? 'GET' : method
}

function without(headers: HeadersInput, dropped: (name: string) => boolean): string[] {
  const flat = flattenHeaders(headers)
  const kept: string[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (!dropped(name.toLowerCase())) kept.push(name, flat[i + 1] as string)
  }
  return kept
}
