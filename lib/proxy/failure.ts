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

/** Between whom a request goes; neither text holds credentials. */
export interface Route {
  /** `http://proxy.example:3128` */
  readonly proxy: string
  /** `https://origin.example` */
  readonly origin: string
}

/** A response of a proxy that stands in the way of a request. */
export interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHeaders
}

/** The proxy answered CONNECT with another status than 2xx (RFC 9110 §9.3.6). */
export function tunnelRefused(route: Route, answer: Answer): Error {
  const { proxy, origin } = route
  const text = `Proxy response (${answer.statusCode}) !== 200 when HTTP Tunneling: ${proxy} refused a tunnel to ${origin}`
  const error = Object.assign(new RequestAbortedError(text), { ...answer, ...route })
  // The class is the documented one; a proxy that can not reach the origin is no fault of the caller.
  const fault = answer.statusCode >= 400 && answer.statusCode < 500 ? 'user' : 'peer'
  return Object.defineProperty(error, 'fault', { value: fault, configurable: true })
}

/** The proxy wants credentials, or others (RFC 9110 §15.5.8). */
export function authenticationRequired(route: Route, answer: Answer): Error {
  const text = `Proxy Authentication Required (407): ${route.proxy} did not forward the request to ${route.origin}: check the proxy credentials`
  return Object.assign(markSluiceOwned(new InvalidArgumentError(text)), { ...answer, ...route })
}

/** The connection to the proxy ended before CONNECT was answered. */
export function tunnelLost(route: Route, cause: Error): Error {
  const text = `Proxy connection failed: no tunnel through ${route.proxy} to ${route.origin}: ${messageOf(cause)}`
  return Object.assign(new ProxyConnectionError(cause, text), route)
}

export function tunnelTimedOut(route: Route, limit: number): Error {
  const text = `Tunnel through ${route.proxy} to ${route.origin} not established within ${limit} ms (connectTimeout)`
  return Object.assign(new ConnectTimeoutError(text), route)
}

/** A proxy that can not be reached is told of as it is; one whose TLS is at fault by an error of its own. */
export function proxyUnreachable(proxy: URL, error: Error): Error {
  if (proxy.protocol !== 'https:' || !isTlsFailure(error)) return error
  const text = `Secure Proxy Connection failed: ${proxy.origin}: ${messageOf(error)}`
  return Object.assign(new SecureProxyConnectionError(error, text), { proxy: proxy.origin })
}

/** What the system says names its call, or is a bundle of such; what OpenSSL says, and what Node says of it, is not. */
function isTlsFailure(error: Error): boolean {
  if (readProperty(error, 'code') === 'EPROTO') return true
  const given = readProperty(error, 'name') === 'AbortError' || error instanceof ConnectTimeoutError
  return !given && isErrorLike(error) && ['syscall', 'errors'].every((name) => readProperty(error, name) === undefined)
}
