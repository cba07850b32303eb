/**
 * Every error the library raises. Names and codes are those of undici's documentation (`Errors.md`), so that a
 * program which matches on `error.code` keeps working. `instanceof` compares codes: it holds across copies.
 */

import { define, type ErrorContext, type Fault, type Phase, type SocketInfo, UndiciError } from './errors/define.js'
import type { Timings } from './errors/timings.js'

export { type ErrorContext, type Fault, type Phase, type SocketInfo, UndiciError }

/** No connection within `connectTimeout` ms. */
export const ConnectTimeoutError = /* @__PURE__ */ define({
  name: 'ConnectTimeoutError',
  code: 'UND_ERR_CONNECT_TIMEOUT',
  fault: 'timeout',
  message: 'Connect Timeout Error',
})
export type ConnectTimeoutError = InstanceType<typeof ConnectTimeoutError>

/** The complete response head did not come within `headersTimeout` ms. */
export const HeadersTimeoutError = /* @__PURE__ */ define({
  name: 'HeadersTimeoutError',
  code: 'UND_ERR_HEADERS_TIMEOUT',
  fault: 'timeout',
  message: 'Headers Timeout Error',
})
export type HeadersTimeoutError = InstanceType<typeof HeadersTimeoutError>

/** Not handed to a connection within `timeouts.queue` ms. Ours. */
export const QueueTimeoutError = /* @__PURE__ */ define({
  name: 'QueueTimeoutError',
  code: 'SLUICE_ERR_QUEUE_TIMEOUT',
  fault: 'timeout',
  message: 'Queue Timeout Error',
})
export type QueueTimeoutError = InstanceType<typeof QueueTimeoutError>

/** Not done within `timeouts.total` ms, all tries included. Ours. */
export const TotalTimeoutError = /* @__PURE__ */ define({
  name: 'TotalTimeoutError',
  code: 'SLUICE_ERR_TOTAL_TIMEOUT',
  fault: 'timeout',
  message: 'Total Timeout Error',
})
export type TotalTimeoutError = InstanceType<typeof TotalTimeoutError>

/** As many requests as `maxQueued` wait already. Nothing was sent. Ours. */
export const QueueFullError = /* @__PURE__ */ define({
  name: 'QueueFullError',
  code: 'SLUICE_ERR_QUEUE_FULL',
  fault: 'lifecycle',
  message: 'Queue Full Error',
})
export type QueueFullError = InstanceType<typeof QueueFullError>

/** A response head above `maxHeaderSize` bytes. */
export const HeadersOverflowError = /* @__PURE__ */ define({
  name: 'HeadersOverflowError',
  code: 'UND_ERR_HEADERS_OVERFLOW',
  fault: 'peer',
  message: 'Headers Overflow Error',
})
export type HeadersOverflowError = InstanceType<typeof HeadersOverflowError>

/** No body byte within `bodyTimeout` ms of the one before. */
export const BodyTimeoutError = /* @__PURE__ */ define({
  name: 'BodyTimeoutError',
  code: 'UND_ERR_BODY_TIMEOUT',
  fault: 'timeout',
  message: 'Body Timeout Error',
})
export type BodyTimeoutError = InstanceType<typeof BodyTimeoutError>

/** An argument or option that is not what is documented. */
export const InvalidArgumentError = /* @__PURE__ */ define({
  name: 'InvalidArgumentError',
  code: 'UND_ERR_INVALID_ARG',
  fault: 'user',
  message: 'Invalid Argument Error',
})
export type InvalidArgumentError = InstanceType<typeof InvalidArgumentError>

/** A callback of the user's returned something it must not. */
export const InvalidReturnValueError = /* @__PURE__ */ define({
  name: 'InvalidReturnValueError',
  code: 'UND_ERR_INVALID_RETURN_VALUE',
  fault: 'user',
  message: 'Invalid Return Value Error',
})
export type InvalidReturnValueError = InstanceType<typeof InvalidReturnValueError>

/** The parent of {@link RequestAbortedError}: an operation was given up on request. */
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

/** The request was aborted by its caller. */
export const RequestAbortedError = /* @__PURE__ */ define(
  { name: 'AbortError', code: 'UND_ERR_ABORTED', fault: 'user', message: 'Request aborted' },
  AbortError,
)
export type RequestAbortedError = InstanceType<typeof RequestAbortedError>

/** Something expected that is worth a reason, such as an idle connection being closed. */
export const InformationalError = /* @__PURE__ */ define({
  name: 'InformationalError',
  code: 'UND_ERR_INFO',
  fault: 'lifecycle',
  message: 'Request information',
})
export type InformationalError = InstanceType<typeof InformationalError>

/** The request body is longer or shorter than its `content-length`. */
export const RequestContentLengthMismatchError = /* @__PURE__ */ define({
  name: 'RequestContentLengthMismatchError',
  code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  fault: 'user',
  message: 'Request body length does not match content-length header',
})
export type RequestContentLengthMismatchError = InstanceType<typeof RequestContentLengthMismatchError>

/** The response body is shorter than its `content-length`. */
export const ResponseContentLengthMismatchError = /* @__PURE__ */ define({
  name: 'ResponseContentLengthMismatchError',
  code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  fault: 'peer',
  message: 'Response body length does not match content-length header',
})
export type ResponseContentLengthMismatchError = InstanceType<typeof ResponseContentLengthMismatchError>

/** The dispatcher had been destroyed. */
export const ClientDestroyedError = /* @__PURE__ */ define({
  name: 'ClientDestroyedError',
  code: 'UND_ERR_DESTROYED',
  fault: 'lifecycle',
  message: 'The client is destroyed',
})
export type ClientDestroyedError = InstanceType<typeof ClientDestroyedError>

/** The dispatcher had been closed. */
export const ClientClosedError = /* @__PURE__ */ define({
  name: 'ClientClosedError',
  code: 'UND_ERR_CLOSED',
  fault: 'lifecycle',
  message: 'The client is closed',
})
export type ClientClosedError = InstanceType<typeof ClientClosedError>

/** The connection broke. */
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

/** Something that is documented as not offered. */
export const NotSupportedError = /* @__PURE__ */ define({
  name: 'NotSupportedError',
  code: 'UND_ERR_NOT_SUPPORTED',
  fault: 'user',
  message: 'Not supported error',
})
export type NotSupportedError = InstanceType<typeof NotSupportedError>

/** A BalancedPool without upstreams. */
export const BalancedPoolMissingUpstreamError = /* @__PURE__ */ define({
  name: 'MissingUpstreamError',
  code: 'UND_ERR_BPL_MISSING_UPSTREAM',
  fault: 'user',
  message: 'No upstream has been added to the BalancedPool',
})
export type BalancedPoolMissingUpstreamError = InstanceType<typeof BalancedPoolMissingUpstreamError>

/** The response body passed `maxResponseSize` bytes. */
export const ResponseExceededMaxSizeError = /* @__PURE__ */ define({
  name: 'ResponseExceededMaxSizeError',
  code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  fault: 'peer',
  message: 'Response content exceeded max size',
})
export type ResponseExceededMaxSizeError = InstanceType<typeof ResponseExceededMaxSizeError>

/** An Agent reached `maxOrigins`. */
export const MaxOriginsReachedError = /* @__PURE__ */ define({
  name: 'MaxOriginsReachedError',
  code: 'UND_ERR_MAX_ORIGINS_REACHED',
  fault: 'user',
  message: 'Maximum allowed origins reached',
})
export type MaxOriginsReachedError = InstanceType<typeof MaxOriginsReachedError>

/** More redirects than allowed. */
export const MaxRedirectsError = /* @__PURE__ */ define({
  name: 'MaxRedirectsError',
  code: 'UND_ERR_REDIRECT_MAX',
  fault: 'peer',
  message: 'Maximum number of redirects reached',
})
export type MaxRedirectsError = InstanceType<typeof MaxRedirectsError>

/** What the server sent is not HTTP/1.x. Extends Error alone, as documented. */
export class HTTPParserError extends Error implements ErrorContext {
  declare readonly fault?: Fault
  declare origin?: string
  declare method?: string
  declare path?: string
  declare phase?: Phase
  declare reusedSocket?: boolean
  declare bytesWritten?: number
  declare replaySafe?: boolean
  declare proxy?: string
  declare timings?: Timings
  override name = 'HTTPParserError' as const
  /** `HPE_…`; undefined where the parser has no such code. */
  code: string
  /** The bytes at fault as far as they are known. */
  data: string | undefined
  constructor(message: string, code?: string, data?: string | Uint8Array) {
    super(message)
    this.code = (code === undefined ? undefined : `HPE_${code}`) as string
    this.data = data?.toString()
  }
}
Object.defineProperty(HTTPParserError.prototype, 'fault', { value: 'peer', configurable: true })

type ResponseHeaders = Record<string, string | string[]>

/** A request failed for good after retries, or could not be retried at all. */
export class RequestRetryError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'peer'
  static override readonly code: string = 'UND_ERR_REQ_RETRY'
  override name = 'RequestRetryError' as const
  override code = 'UND_ERR_REQ_RETRY' as const
  statusCode: number
  /** Of the tries; whatever its maker gave. */
  data: { count: number }
  headers: ResponseHeaders
  constructor(
    message: string,
    statusCode: number,
    detail: { headers?: ResponseHeaders | string[] | null; data?: { count: number } | string | null } = {},
  ) {
    super(message)
    this.statusCode = statusCode
    this.data = (detail.data ?? null) as { count: number }
    this.headers = (detail.headers ?? null) as ResponseHeaders
  }
}

/** A response with an error status, where the caller asked for that to throw. */
export class ResponseError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'peer'
  static override readonly code: string = 'UND_ERR_RESPONSE'
  override name = 'ResponseError' as const
  override code = 'UND_ERR_RESPONSE' as const
  statusCode: number
  // biome-ignore lint/suspicious/noExplicitAny: what JSON holds
  body: null | Record<string, any> | string
  bodyTruncated: boolean
  headers: Record<string, string | string[] | undefined> | string[] | null
  constructor(
    message: string,
    statusCode: number,
    detail: { headers?: ResponseHeaders | string[] | null; body?: unknown; bodyTruncated?: boolean } = {},
  ) {
    super(message)
    this.statusCode = statusCode
    this.body = (detail.body ?? null) as string | null
    this.bodyTruncated = detail.bodyTruncated ?? false
    this.headers = detail.headers ?? null
  }

  /** The same as {@link statusCode}; examples in undici's `Interceptors.md` call it so. */
  get status(): number {
    return this.statusCode
  }
}

/** The connection to a proxy failed for good; `cause` tells why. */
export class ProxyConnectionError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'network'
  static override readonly code: string = 'UND_ERR_PRX_CONN'
  override name = 'ProxyConnectionError' as const
  override code = 'UND_ERR_PRX_CONN' as const
  constructor(cause?: Error, message = 'Proxy connection failed', options: ErrorOptions = {}) {
    super(message, { ...options, cause })
  }
}

/** TLS to a proxy failed; `cause` tells why. */
export class SecureProxyConnectionError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'network'
  static override readonly code: string = 'UND_ERR_PRX_TLS'
  override name = 'SecureProxyConnectionError' as const
  override code = 'UND_ERR_PRX_TLS' as const
  constructor(cause?: Error, message = 'Secure Proxy Connection failed', options: ErrorOptions = {}) {
    super(message, { ...options, cause })
  }
}

/**
 * Adds what is known of the place to an error of ours or of the system's, which have codes; what a caller made is the
 * caller's. A field already there stays: the innermost knowledge wins.
 */
export function locate<E extends Error>(error: E, context: ErrorContext): E {
  const ours = error instanceof HTTPParserError || typeof (error as { code?: unknown }).code === 'string'
  if (!ours || !Object.isExtensible(error)) return error
  const known = error as E & ErrorContext
  for (const key of Object.keys(context) as (keyof ErrorContext)[]) {
    if (context[key] !== undefined && known[key] === undefined) Object.assign(known, { [key]: context[key] })
  }
  return error
}

/** Where a request stands of which nothing was sent. */
export const UNSENT = { phase: 'queued', bytesWritten: 0, replaySafe: true } as const

const TOLD_TO_ALL = ['code', 'errno', 'syscall', 'address', 'port', 'statusCode', 'headers', 'proxy']

/** One failure that hits several requests is told to each by an error of its own, with the first as its cause. */
export function replicate(error: Error): Error {
  const copy = new Error(error.message, { cause: error })
  copy.name = error.name
  const known = error as unknown as Record<string, unknown>
  for (const field of TOLD_TO_ALL) if (known[field] !== undefined) Object.assign(copy, { [field]: known[field] })
  return copy
}

/** The one way to report a bad option: names it, and tells what was expected and what came, but for credentials. */
export function invalidOption(name: string, expected: string, got: unknown): Error {
  const shown =
    typeof got === 'string'
      ? JSON.stringify(withoutCredentials(got).slice(0, 80))
      : typeof got === 'object'
        ? kind(got)
        : String(got)
  return new InvalidArgumentError(`${name} must be ${expected}, got ${shown}`)
}

/** What stands before an `@` may be a password. */
function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@')
  return at < 0 ? text : `***${text.slice(at)}`
}

function kind(value: object | null): string {
  return value === null ? 'null' : `an instance of ${value.constructor?.name ?? 'Object'}`
}
