import { isErrorLike, messageOf, readProperty } from '../errors/safe-read.js'
import {
  ConnectTimeoutError,
  InvalidArgumentError,
  markSluiceOwned,
  ProxyConnectionError,
  RequestAbortedError,
  SecureProxyConnectionError,
} from '../errors.js'
import type { IncomingHeaders } from '../exchange/handler.js'

/** Proxy and origin of a request, without credentials. */
export interface Route {
  /** Origin of the proxy, such as `http://proxy.example:3128`. */
  readonly proxy: string
  /** Origin of the request, such as `https://origin.example`. */
  readonly origin: string
}

/** Response with which a proxy refuses a request. */
export interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHeaders
}

/** Error for a tunnel that the proxy refused. Name and code are undici's; the class says what happened. */
class ProxyTunnelError extends RequestAbortedError {
  /** @internal */
  static override readonly code: string = 'UND_ERR_ABORTED'
}

/** Error for a CONNECT that the proxy did not answer with 2xx (RFC 9110 §9.3.6). */
export function tunnelRefused(route: Route, answer: Answer): Error {
  const { proxy, origin } = route
  const text = `Proxy response (${answer.statusCode}) !== 200 when HTTP Tunneling: ${proxy} refused a tunnel to ${origin}`
  // The code is documented as an abort, but only 4xx is a fault of the caller.
  const fault = answer.statusCode >= 400 && answer.statusCode < 500 ? 'user' : 'peer'
  return Object.assign(new ProxyTunnelError(text), { ...answer, ...route, fault })
}

/** Error for a proxy that requires other credentials (RFC 9110 §15.5.8). */
export function authenticationRequired(route: Route, answer: Answer): Error {
  const text = `Proxy Authentication Required (407): ${route.proxy} did not forward the request to ${route.origin}: check the proxy credentials`
  return Object.assign(markSluiceOwned(new InvalidArgumentError(text)), { ...answer, ...route })
}

/** Error for a connection to the proxy that ended before the response to CONNECT. */
export function tunnelLost(route: Route, cause: Error): Error {
  const text = `Proxy connection failed: no tunnel through ${route.proxy} to ${route.origin}: ${messageOf(cause)}`
  return Object.assign(new ProxyConnectionError(cause, text), route)
}

/** Returns the error of a tunnel that was not established in time. */
export function tunnelTimedOut(route: Route, limit: number): Error {
  const text = `Tunnel through ${route.proxy} to ${route.origin} not established within ${limit} ms (connectTimeout)`
  return Object.assign(new ConnectTimeoutError(text), route)
}

/** Returns a SecureProxyConnectionError if TLS to the proxy failed, else `error`. */
export function proxyUnreachable(proxy: URL, error: Error): Error {
  if (proxy.protocol !== 'https:' || !isTlsFailure(error)) return error
  const text = `Secure Proxy Connection failed: ${proxy.origin}: ${messageOf(error)}`
  return Object.assign(new SecureProxyConnectionError(error, text), { proxy: proxy.origin })
}

/** Whether TLS failed: system errors have `syscall` or are an AggregateError, errors of OpenSSL and Node's TLS are not. */
function isTlsFailure(error: Error): boolean {
  if (readProperty(error, 'code') === 'EPROTO') return true
  const given = readProperty(error, 'name') === 'AbortError' || error instanceof ConnectTimeoutError
  return !given && isErrorLike(error) && ['syscall', 'errors'].every((name) => readProperty(error, name) === undefined)
}
