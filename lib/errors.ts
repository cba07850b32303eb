/**
 * Every error class of the library. Names and codes are those of undici's `Errors.md`, so that programs which match on
 * `error.code` keep working. `instanceof` works across copies of the package.
 */

export {
  addErrorContext,
  clearReplaySafe,
  copyForeignError,
  copyForRequest,
  copyIfForeign,
  isSluiceOwned,
  markCallerOwned,
  markSluiceOwned,
  occursLater,
  replaceErrorContext,
} from './errors/ownership.js'

import { markArgumentError } from './errors/caller.js'
import {
  defineErrorClass,
  type ErrorContext,
  type Fault,
  type Phase,
  type SocketInfo,
  UndiciError,
} from './errors/error-class.js'
import { HTTPParserError } from './errors/errors-with-properties.js'
import { markSluiceOwned } from './errors/ownership.js'
import { readSafely } from './errors/safe-read.js'

export {
  ProxyConnectionError,
  RequestRetryError,
  ResponseError,
  SecureProxyConnectionError,
} from './errors/errors-with-properties.js'
export { type ErrorContext, type Fault, HTTPParserError, type Phase, type SocketInfo, UndiciError }

/**
 * No connection was established within `connectTimeout` ms (default: 10 000).
 * Fix: Check host, port and firewall, or raise `connectTimeout`.
 */
export const ConnectTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'ConnectTimeoutError',
  code: 'UND_ERR_CONNECT_TIMEOUT',
  fault: 'timeout',
  message: 'Connect Timeout Error',
})
export type ConnectTimeoutError = InstanceType<typeof ConnectTimeoutError>

/**
 * The complete response headers were not received within `headersTimeout` ms (default: 300 000).
 * Fix: The server is slow or overloaded: raise `headersTimeout`, or use another server. A retry may execute a request
 * that is not idempotent twice.
 */
export const HeadersTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'HeadersTimeoutError',
  code: 'UND_ERR_HEADERS_TIMEOUT',
  fault: 'timeout',
  message: 'Headers Timeout Error',
})
export type HeadersTimeoutError = InstanceType<typeof HeadersTimeoutError>

/**
 * The request was not assigned to a connection within `timeouts.queue` ms. Nothing was sent. Specific to sluice.
 * Fix: Send the request again, allow more `connections`, send fewer requests, or raise `timeouts.queue`.
 */
export const QueueTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'QueueTimeoutError',
  code: 'SLUICE_ERR_QUEUE_TIMEOUT',
  fault: 'timeout',
  message: 'Queue Timeout Error',
})
export type QueueTimeoutError = InstanceType<typeof QueueTimeoutError>

/**
 * The request was not completed within `timeouts.total` ms, all attempts included. Specific to sluice.
 * Fix: Read `phase` to see where the time was spent. Raise `timeouts.total`, or allow fewer attempts.
 */
export const TotalTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'TotalTimeoutError',
  code: 'SLUICE_ERR_TOTAL_TIMEOUT',
  fault: 'timeout',
  message: 'Total Timeout Error',
})
export type TotalTimeoutError = InstanceType<typeof TotalTimeoutError>

/**
 * The queue already contained `maxQueued` requests. Nothing was sent. Specific to sluice.
 * Fix: Send fewer requests, wait for `drain`, allow more `connections`, or raise `maxQueued`.
 */
export const QueueFullError = /* @__PURE__ */ defineErrorClass({
  name: 'QueueFullError',
  code: 'SLUICE_ERR_QUEUE_FULL',
  fault: 'lifecycle',
  message: 'Queue Full Error',
})
export type QueueFullError = InstanceType<typeof QueueFullError>

/**
 * The response headers or trailers exceed `maxHeaderSize` bytes (default: 16 384), or 2000 in number.
 * Fix: Raise `maxHeaderSize` if you trust the server; the limit of 2000 is fixed.
 */
export const HeadersOverflowError = /* @__PURE__ */ defineErrorClass({
  name: 'HeadersOverflowError',
  code: 'UND_ERR_HEADERS_OVERFLOW',
  fault: 'peer',
  message: 'Headers Overflow Error',
})
export type HeadersOverflowError = InstanceType<typeof HeadersOverflowError>

/**
 * No response body data was received for `bodyTimeout` ms (default: 300 000).
 * Fix: The server stalls: raise `bodyTimeout` where pauses are expected, such as in event streams, or send the request
 * again.
 */
export const BodyTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'BodyTimeoutError',
  code: 'UND_ERR_BODY_TIMEOUT',
  fault: 'timeout',
  message: 'Body Timeout Error',
})
export type BodyTimeoutError = InstanceType<typeof BodyTimeoutError>

/**
 * An argument or option is not of the documented type or range.
 * Fix: Fix the call: the message names the option, the rule and the type received.
 */
export const InvalidArgumentError = /* @__PURE__ */ defineErrorClass({
  name: 'InvalidArgumentError',
  code: 'UND_ERR_INVALID_ARG',
  fault: 'user',
  message: 'Invalid Argument Error',
})
export type InvalidArgumentError = InstanceType<typeof InvalidArgumentError>

/**
 * A callback of the caller returned a value of the wrong type.
 * Fix: Return a Writable from the factory of `stream`, and a Readable from the handler of `pipeline`.
 */
export const InvalidReturnValueError = /* @__PURE__ */ defineErrorClass({
  name: 'InvalidReturnValueError',
  code: 'UND_ERR_INVALID_RETURN_VALUE',
  fault: 'user',
  message: 'Invalid Return Value Error',
})
export type InvalidReturnValueError = InstanceType<typeof InvalidReturnValueError>

/**
 * The caller aborted an operation. Base class of {@link RequestAbortedError}.
 * Fix: Nothing: match on it, so that an abort is not treated as a failure.
 */
export class AbortError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'user'
  static override readonly code: string = 'UND_ERR_ABORT'
  override name = 'AbortError' as const
  override code = 'UND_ERR_ABORT' as const
  constructor(message = 'The operation was aborted', options?: ErrorOptions) {
    super(message, options)
  }
}

/**
 * The caller aborted the request.
 * Fix: Nothing: the cause is a signal, `abort()`, a destroyed response body, or a body too large for `dump()`.
 */
export const RequestAbortedError = /* @__PURE__ */ defineErrorClass(
  { name: 'AbortError', code: 'UND_ERR_ABORTED', fault: 'user', message: 'Request aborted' },
  AbortError,
)
export type RequestAbortedError = InstanceType<typeof RequestAbortedError>

/**
 * Something expected happened, such as the closing of an idle connection.
 * Fix: Nothing, on a `disconnect` event: it is the reason why the connection was closed. On a request, the message
 * says what was missing.
 */
export const InformationalError = /* @__PURE__ */ defineErrorClass({
  name: 'InformationalError',
  code: 'UND_ERR_INFO',
  fault: 'lifecycle',
  message: 'Request information',
})
export type InformationalError = InstanceType<typeof InformationalError>

/**
 * The request body is longer or shorter than its `content-length`.
 * Fix: Omit `content-length`, or set it to the length of the body in bytes.
 */
export const RequestContentLengthMismatchError = /* @__PURE__ */ defineErrorClass({
  name: 'RequestContentLengthMismatchError',
  code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  fault: 'user',
  message: 'Request body length does not match content-length header',
})
export type RequestContentLengthMismatchError = InstanceType<typeof RequestContentLengthMismatchError>

/**
 * The response body is shorter than its `content-length`; `cause` is the socket error.
 * Fix: The response is incomplete: send the request again. If the error persists, the server or a proxy sends a wrong
 * `content-length`.
 */
export const ResponseContentLengthMismatchError = /* @__PURE__ */ defineErrorClass({
  name: 'ResponseContentLengthMismatchError',
  code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  fault: 'peer',
  message: 'Response body length does not match content-length header',
})
export type ResponseContentLengthMismatchError = InstanceType<typeof ResponseContentLengthMismatchError>

/**
 * The dispatcher was destroyed before the request completed.
 * Fix: Send the request before `destroy()`, or through another dispatcher.
 */
export const ClientDestroyedError = /* @__PURE__ */ defineErrorClass({
  name: 'ClientDestroyedError',
  code: 'UND_ERR_DESTROYED',
  fault: 'lifecycle',
  message: 'The dispatcher is destroyed',
})
export type ClientDestroyedError = InstanceType<typeof ClientDestroyedError>

/**
 * The dispatcher was closed before the request was dispatched.
 * Fix: Send the request before `close()`, or through another dispatcher.
 */
export const ClientClosedError = /* @__PURE__ */ defineErrorClass({
  name: 'ClientClosedError',
  code: 'UND_ERR_CLOSED',
  fault: 'lifecycle',
  message: 'The dispatcher is closed',
})
export type ClientClosedError = InstanceType<typeof ClientClosedError>

/**
 * The connection failed or was closed before the response was complete.
 * Fix: Send the request again if `replaySafe` is true, as `interceptors.retry` does. Otherwise check first whether the
 * server executed it.
 */
export class SocketError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'network'
  static override readonly code: string = 'UND_ERR_SOCKET'
  override name = 'SocketError' as const
  override code = 'UND_ERR_SOCKET' as const
  /** Addresses and byte counts of the socket when the error occurred, or null without a socket. */
  socket: SocketInfo | null
  constructor(message = 'Socket error', socket: SocketInfo | null = null, options?: ErrorOptions) {
    super(message, options)
    this.socket = socket
  }
}

/**
 * The call uses a feature that sluice does not support.
 * Fix: Do not use the feature that the message names.
 */
export const NotSupportedError = /* @__PURE__ */ defineErrorClass({
  name: 'NotSupportedError',
  code: 'UND_ERR_NOT_SUPPORTED',
  fault: 'user',
  message: 'Not supported error',
})
export type NotSupportedError = InstanceType<typeof NotSupportedError>

/**
 * The BalancedPool has no upstream.
 * Fix: Call `addUpstream` before you send requests.
 */
export const BalancedPoolMissingUpstreamError = /* @__PURE__ */ defineErrorClass({
  name: 'MissingUpstreamError',
  code: 'UND_ERR_BPL_MISSING_UPSTREAM',
  fault: 'user',
  message: 'No upstream has been added to the BalancedPool',
})
export type BalancedPoolMissingUpstreamError = InstanceType<typeof BalancedPoolMissingUpstreamError>

/**
 * The response body exceeds `maxResponseSize` bytes.
 * Fix: Raise `maxResponseSize`, or request less data.
 */
export const ResponseExceededMaxSizeError = /* @__PURE__ */ defineErrorClass({
  name: 'ResponseExceededMaxSizeError',
  code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  fault: 'peer',
  message: 'Response content exceeded max size',
})
export type ResponseExceededMaxSizeError = InstanceType<typeof ResponseExceededMaxSizeError>

/**
 * The Agent already has `maxOrigins` origins.
 * Fix: Raise `maxOrigins`, or restrict the URLs that the program accepts.
 */
export const MaxOriginsReachedError = /* @__PURE__ */ defineErrorClass({
  name: 'MaxOriginsReachedError',
  code: 'UND_ERR_MAX_ORIGINS_REACHED',
  fault: 'user',
  message: 'Maximum allowed origins reached',
})
export type MaxOriginsReachedError = InstanceType<typeof MaxOriginsReachedError>

/**
 * The server sent more redirects than `maxRedirections`.
 * Fix: Raise `maxRedirections`. If the same URLs repeat, the server redirects in a loop.
 */
export const MaxRedirectsError = /* @__PURE__ */ defineErrorClass({
  name: 'MaxRedirectsError',
  code: 'UND_ERR_REDIRECT_MAX',
  fault: 'peer',
  message: 'Maximum number of redirects reached',
})
export type MaxRedirectsError = InstanceType<typeof MaxRedirectsError>

/** Error context of a request of which nothing was sent. */
export const UNSENT_CONTEXT = { phase: 'queued', bytesWritten: 0, replaySafe: true } as const

/** Returns `error`, or an error instead of the null or undefined that user code threw or rejected with. */
export function nonNullError(error: unknown): Error {
  return (error ?? new RequestAbortedError(`Failed with ${error} instead of an error`)) as Error
}

/** Creates an error about one request; the request adds its origin, method and path to it. */
export function invalidArgument(message: string, options?: ErrorOptions): Error {
  return markSluiceOwned(markArgumentError(new InvalidArgumentError(message, options)))
}

/** Creates the error for an invalid option. It shows numbers and booleans; of other values, which may be secret, the type. */
export function invalidOption(name: string, expected: string, received: unknown): Error {
  const isShown = typeof received === 'number' || typeof received === 'boolean'
  return invalidArgument(`${name} must be ${expected}, received ${isShown ? received : describeType(received)}`)
}

/** Creates the error for an option that takes one of a few known values, so that a string is no secret and is shown. */
export function invalidChoice(name: string, expected: string, received: unknown): Error {
  if (typeof received !== 'string') return invalidOption(name, expected, received)
  return invalidArgument(`${name} must be ${expected}, received ${JSON.stringify(received.slice(0, 40))}`)
}

/** Creates the error for a value that may be secret whatever its type, such as a header: it shows the type only. */
export function invalidType(name: string, expected: string, received: unknown): Error {
  return invalidArgument(`${name} must be ${expected}, received ${describeType(received)}`)
}

/** Describes a value by its type. The source of a function is never shown: it may be long, and may contain secrets. */
function describeType(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (value === '') return 'an empty string'
  if (typeof value === 'function') {
    return /^class\b/.test(Function.prototype.toString.call(value)) ? 'a class (did you forget `new`?)' : 'a function'
  }
  if (typeof value !== 'object') return `a ${typeof value}`
  if (readSafely(() => Array.isArray(value), false)) return 'an array'
  const name = readSafely(() => value.constructor?.name, undefined)
  return typeof name === 'string' && name !== 'Object' && name !== '' ? `an instance of ${name}` : 'an object'
}
