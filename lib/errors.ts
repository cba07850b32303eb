/**
 * Every error the library raises. Names and codes are those of undici's documentation (`Errors.md`), so that a
 * program which matches on `error.code` keeps working. `instanceof` holds across copies of the package.
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
  replaceErrorContext,
} from './errors/ownership.js'

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
 * No connection within `connectTimeout` ms.
 * Cure: See whether host and port are right and nothing on the way drops packets; or raise it.
 */
export const ConnectTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'ConnectTimeoutError',
  code: 'UND_ERR_CONNECT_TIMEOUT',
  fault: 'timeout',
  message: 'Connect Timeout Error',
})
export type ConnectTimeoutError = InstanceType<typeof ConnectTimeoutError>

/**
 * The complete response head did not come within `headersTimeout` ms.
 * Cure: The server is slow or overloaded: raise `headersTimeout`, or ask another. A retry may execute what is not
 * idempotent twice.
 */
export const HeadersTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'HeadersTimeoutError',
  code: 'UND_ERR_HEADERS_TIMEOUT',
  fault: 'timeout',
  message: 'Headers Timeout Error',
})
export type HeadersTimeoutError = InstanceType<typeof HeadersTimeoutError>

/**
 * Not handed to a connection within `timeouts.queue` ms. Ours.
 * Cure: Nothing was sent, so it may be sent again: allow more `connections`, send less, or give it more time.
 */
export const QueueTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'QueueTimeoutError',
  code: 'SLUICE_ERR_QUEUE_TIMEOUT',
  fault: 'timeout',
  message: 'Queue Timeout Error',
})
export type QueueTimeoutError = InstanceType<typeof QueueTimeoutError>

/**
 * Not done within `timeouts.total` ms, all tries included. Ours.
 * Cure: `phase` says where the time went. Raise it, or let fewer tries share it.
 */
export const TotalTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'TotalTimeoutError',
  code: 'SLUICE_ERR_TOTAL_TIMEOUT',
  fault: 'timeout',
  message: 'Total Timeout Error',
})
export type TotalTimeoutError = InstanceType<typeof TotalTimeoutError>

/**
 * As many requests as `maxQueued` wait already. Nothing was sent. Ours.
 * Cure: Send less, wait for `drain`, allow more `connections`, or a longer queue.
 */
export const QueueFullError = /* @__PURE__ */ defineErrorClass({
  name: 'QueueFullError',
  code: 'SLUICE_ERR_QUEUE_FULL',
  fault: 'lifecycle',
  message: 'Queue Full Error',
})
export type QueueFullError = InstanceType<typeof QueueFullError>

/**
 * Response headers, or trailers, above `maxHeaderSize` bytes or 2000 in number.
 * Cure: Raise `maxHeaderSize` where headers of that size are meant; no option raises the number. Otherwise ask what the
 * server adds to them.
 */
export const HeadersOverflowError = /* @__PURE__ */ defineErrorClass({
  name: 'HeadersOverflowError',
  code: 'UND_ERR_HEADERS_OVERFLOW',
  fault: 'peer',
  message: 'Headers Overflow Error',
})
export type HeadersOverflowError = InstanceType<typeof HeadersOverflowError>

/**
 * No body byte within `bodyTimeout` ms of the one before.
 * Cure: The server stalls: raise `bodyTimeout` where pauses are meant, such as in event streams, or ask again.
 */
export const BodyTimeoutError = /* @__PURE__ */ defineErrorClass({
  name: 'BodyTimeoutError',
  code: 'UND_ERR_BODY_TIMEOUT',
  fault: 'timeout',
  message: 'Body Timeout Error',
})
export type BodyTimeoutError = InstanceType<typeof BodyTimeoutError>

/**
 * An argument or option that is not what is documented.
 * Cure: Mend the call: the message names the option, what it must be and what it is.
 */
export const InvalidArgumentError = /* @__PURE__ */ defineErrorClass({
  name: 'InvalidArgumentError',
  code: 'UND_ERR_INVALID_ARG',
  fault: 'user',
  message: 'Invalid Argument Error',
})
export type InvalidArgumentError = InstanceType<typeof InvalidArgumentError>

/**
 * A callback of the user's returned something it must not.
 * Cure: Return a Writable from the factory of `stream`, and a Readable from the handler of `pipeline`.
 */
export const InvalidReturnValueError = /* @__PURE__ */ defineErrorClass({
  name: 'InvalidReturnValueError',
  code: 'UND_ERR_INVALID_RETURN_VALUE',
  fault: 'user',
  message: 'Invalid Return Value Error',
})
export type InvalidReturnValueError = InstanceType<typeof InvalidReturnValueError>

/**
 * The parent of {@link RequestAbortedError}: an operation was given up on request.
 * Cure: None is needed: match on it, not to take it for a failure.
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
 * The request was aborted by its caller.
 * Cure: None is needed: it was the caller's signal, `abort()`, or a body that was destroyed or too large to dump.
 */
export const RequestAbortedError = /* @__PURE__ */ defineErrorClass(
  { name: 'AbortError', code: 'UND_ERR_ABORTED', fault: 'user', message: 'Request aborted' },
  AbortError,
)
export type RequestAbortedError = InstanceType<typeof RequestAbortedError>

/**
 * Something expected that is worth a reason, such as an idle connection being closed.
 * Cure: Mostly none: on `disconnect` it says why a connection was closed. On a request the message says what was
 * missing.
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
 * Cure: Leave `content-length` out, or make it the length of the body, in bytes.
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
 * Cure: What came is not all there was: ask again. If it stays, the server or a proxy counts wrong.
 */
export const ResponseContentLengthMismatchError = /* @__PURE__ */ defineErrorClass({
  name: 'ResponseContentLengthMismatchError',
  code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  fault: 'peer',
  message: 'Response body length does not match content-length header',
})
export type ResponseContentLengthMismatchError = InstanceType<typeof ResponseContentLengthMismatchError>

/**
 * The dispatcher had been destroyed.
 * Cure: Send before `destroy()`, or through another dispatcher.
 */
export const ClientDestroyedError = /* @__PURE__ */ defineErrorClass({
  name: 'ClientDestroyedError',
  code: 'UND_ERR_DESTROYED',
  fault: 'lifecycle',
  message: 'The client is destroyed',
})
export type ClientDestroyedError = InstanceType<typeof ClientDestroyedError>

/**
 * The dispatcher had been closed.
 * Cure: Send before `close()`, or through another dispatcher.
 */
export const ClientClosedError = /* @__PURE__ */ defineErrorClass({
  name: 'ClientClosedError',
  code: 'UND_ERR_CLOSED',
  fault: 'lifecycle',
  message: 'The client is closed',
})
export type ClientClosedError = InstanceType<typeof ClientClosedError>

/**
 * The connection broke.
 * Cure: With `replaySafe` it may be sent again, which `interceptors.retry` does; without, ask first whether it was
 * executed.
 */
export class SocketError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'network'
  static override readonly code: string = 'UND_ERR_SOCKET'
  override name = 'SocketError' as const
  override code = 'UND_ERR_SOCKET' as const
  /** The socket as it was, or null when there was none. */
  socket: SocketInfo | null
  constructor(message = 'Socket error', socket: SocketInfo | null = null, options?: ErrorOptions) {
    super(message, options)
    this.socket = socket
  }
}

/**
 * Something that is documented as not offered.
 * Cure: Do without it: the message says what it was.
 */
export const NotSupportedError = /* @__PURE__ */ defineErrorClass({
  name: 'NotSupportedError',
  code: 'UND_ERR_NOT_SUPPORTED',
  fault: 'user',
  message: 'Not supported error',
})
export type NotSupportedError = InstanceType<typeof NotSupportedError>

/**
 * A BalancedPool without upstreams.
 * Cure: Add one by `addUpstream` before sending.
 */
export const BalancedPoolMissingUpstreamError = /* @__PURE__ */ defineErrorClass({
  name: 'MissingUpstreamError',
  code: 'UND_ERR_BPL_MISSING_UPSTREAM',
  fault: 'user',
  message: 'No upstream has been added to the BalancedPool',
})
export type BalancedPoolMissingUpstreamError = InstanceType<typeof BalancedPoolMissingUpstreamError>

/**
 * The response body passed `maxResponseSize` bytes.
 * Cure: Raise `maxResponseSize`, or ask for less.
 */
export const ResponseExceededMaxSizeError = /* @__PURE__ */ defineErrorClass({
  name: 'ResponseExceededMaxSizeError',
  code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  fault: 'peer',
  message: 'Response content exceeded max size',
})
export type ResponseExceededMaxSizeError = InstanceType<typeof ResponseExceededMaxSizeError>

/**
 * An Agent reached `maxOrigins`.
 * Cure: Raise `maxOrigins`, or see who may name origins.
 */
export const MaxOriginsReachedError = /* @__PURE__ */ defineErrorClass({
  name: 'MaxOriginsReachedError',
  code: 'UND_ERR_MAX_ORIGINS_REACHED',
  fault: 'user',
  message: 'Maximum allowed origins reached',
})
export type MaxOriginsReachedError = InstanceType<typeof MaxOriginsReachedError>

/**
 * More redirects than allowed.
 * Cure: Raise `maxRedirections`; if the same places come again, the server sends in circles.
 */
export const MaxRedirectsError = /* @__PURE__ */ defineErrorClass({
  name: 'MaxRedirectsError',
  code: 'UND_ERR_REDIRECT_MAX',
  fault: 'peer',
  message: 'Maximum number of redirects reached',
})
export type MaxRedirectsError = InstanceType<typeof MaxRedirectsError>

/** Where a request stands of which nothing was sent. */
export const UNSENT_CONTEXT = { phase: 'queued', bytesWritten: 0, replaySafe: true } as const

/** Returns `error`, or an error in place of the null or undefined that a caller's code threw or rejected with. */
export function nonNullError(error: unknown): Error {
  return (error ?? new RequestAbortedError(`Failed with ${error} in place of an error`)) as Error
}

/** An error for what is wrong with a request, which says on it which request it was. */
export function invalidArgument(message: string, options?: ErrorOptions): Error {
  return markSluiceOwned(new InvalidArgumentError(message, options))
}

/** The one way to report a bad option: names it, and tells what was expected and what came, but for credentials. */
export function invalidOption(name: string, expected: string, got: unknown): Error {
  const shown = typeof got === 'string' ? JSON.stringify(withoutCredentials(got).slice(0, 80)) : describeType(got)
  return invalidArgument(`${name} must be ${expected}, got ${shown}`)
}

/** The same for an option whose value may be a secret, such as a header: shows the type alone. */
export function invalidType(name: string, expected: string, got: unknown): Error {
  const shown = typeof got === 'object' || typeof got === 'function' ? describeType(got) : `a ${typeof got}`
  return invalidArgument(`${name} must be ${expected}, got ${shown}`)
}

/** What stands before an `@` may be a password. */
function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@')
  return at < 0 ? text : `***${text.slice(at)}`
}

/** The source of a function or class is never shown: it may be long, and may hold secrets. */
function describeType(value: unknown): string {
  if (typeof value === 'function') {
    return /^class\b/.test(Function.prototype.toString.call(value)) ? 'a class (did you forget `new`?)' : 'a function'
  }
  if (typeof value !== 'object' || value === null) return String(value)
  return `an instance of ${readSafely(() => value.constructor?.name, undefined) ?? 'Object'}`
}
