/**
 * Every error the library raises. Names and codes are those of undici's documentation (`Errors.md`), so that a
 * program which matches on `error.code` keeps working. `instanceof` compares codes: it holds across copies.
 */

/** Whose doing an error is, and so who can make it go away. */
export type Fault = 'user' | 'peer' | 'network' | 'timeout' | 'lifecycle'

/** How far a request had come when it failed. */
export type Phase = 'queued' | 'connect' | 'send' | 'headers' | 'body' | 'tunnel'

/** Where an error happened. Fields are left out where they are not known. */
export interface ErrorContext {
  /** Origin of the request, such as `https://example.com:8443`. */
  origin?: string
  method?: string
  path?: string
  phase?: Phase
  /** True when the connection had carried another request before. */
  reusedSocket?: boolean
  /** Bytes of the request handed to the socket. */
  bytesWritten?: number
  /** True when sending the request again can not execute it twice. */
  replaySafe?: boolean
  /** Origin of the proxy on the way, never with its credentials. */
  proxy?: string
}

/** Metadata of a socket at the time of an error. */
export interface SocketInfo {
  localAddress?: string
  localPort?: number
  remoteAddress?: string
  remotePort?: number
  remoteFamily?: string
  timeout?: number
  bytesWritten?: number
  bytesRead?: number
}

const ROOT = 'UND_ERR'

/** The base of all errors but `HTTPParserError`. Its code is `UND_ERR`. */
export class UndiciError extends Error implements ErrorContext {
  /** What `instanceof` looks for in `error.code`. */
  static readonly code: string = ROOT

  declare readonly fault?: Fault
  declare origin?: string
  declare method?: string
  declare path?: string
  declare phase?: Phase
  declare reusedSocket?: boolean
  declare bytesWritten?: number
  declare replaySafe?: boolean
  declare proxy?: string
  code: string = ROOT

  constructor(message?: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UndiciError'
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true
    if (!Object.hasOwn(this, 'code') || !(value instanceof Error)) return false
    const code = (value as { code?: unknown }).code
    if (typeof code !== 'string') return false
    return code === this.code || (this.code === ROOT && code.startsWith(ROOT))
  }
}

interface Row<Name extends string, Code extends string> {
  name: Name
  code: Code
  fault: Fault
  /** Message when the thrower gives none. */
  message: string
}

type ErrorClass<Name extends string, Code extends string> = {
  new (message?: string, options?: ErrorOptions): UndiciError & { name: Name; code: Code }
  readonly code: string
}

function define<Name extends string, Code extends string>(
  row: Row<Name, Code>,
  Parent: typeof UndiciError = UndiciError,
): ErrorClass<Name, Code> {
  const Class = class extends Parent {
    static override readonly code: string = row.code
    constructor(message: string = row.message, options?: ErrorOptions) {
      super(message, options)
      this.name = row.name
      this.code = row.code
    }
  }
  Object.defineProperty(Class.prototype, 'fault', { value: row.fault, configurable: true })
  Object.defineProperty(Class, 'name', { value: row.name === 'AbortError' ? 'RequestAbortedError' : row.name })
  return Class as unknown as ErrorClass<Name, Code>
}

/** No connection within `connectTimeout` ms. */
export const ConnectTimeoutError = define({
  name: 'ConnectTimeoutError',
  code: 'UND_ERR_CONNECT_TIMEOUT',
  fault: 'timeout',
  message: 'Connect Timeout Error',
})

/** The complete response head did not come within `headersTimeout` ms. */
export const HeadersTimeoutError = define({
  name: 'HeadersTimeoutError',
  code: 'UND_ERR_HEADERS_TIMEOUT',
  fault: 'timeout',
  message: 'Headers Timeout Error',
})

/** A response head above `maxHeaderSize` bytes. */
export const HeadersOverflowError = define({
  name: 'HeadersOverflowError',
  code: 'UND_ERR_HEADERS_OVERFLOW',
  fault: 'peer',
  message: 'Headers Overflow Error',
})

/** No body byte within `bodyTimeout` ms of the one before. */
export const BodyTimeoutError = define({
  name: 'BodyTimeoutError',
  code: 'UND_ERR_BODY_TIMEOUT',
  fault: 'timeout',
  message: 'Body Timeout Error',
})

/** An argument or option that is not what is documented. */
export const InvalidArgumentError = define({
  name: 'InvalidArgumentError',
  code: 'UND_ERR_INVALID_ARG',
  fault: 'user',
  message: 'Invalid Argument Error',
})

/** A callback of the user's returned something it must not. */
export const InvalidReturnValueError = define({
  name: 'InvalidReturnValueError',
  code: 'UND_ERR_INVALID_RETURN_VALUE',
  fault: 'user',
  message: 'Invalid Return Value Error',
})

/** The parent of {@link RequestAbortedError}: an operation was given up on request. */
export class AbortError extends UndiciError {
  static override readonly code: string = 'UND_ERR_ABORT'
  constructor(message = 'The operation was aborted', options?: ErrorOptions) {
    super(message, options)
    this.name = 'AbortError'
    this.code = 'UND_ERR_ABORT'
  }
}
Object.defineProperty(AbortError.prototype, 'fault', { value: 'user', configurable: true })

/** The request was aborted by its caller. */
export const RequestAbortedError = define(
  { name: 'AbortError', code: 'UND_ERR_ABORTED', fault: 'user', message: 'Request aborted' },
  AbortError,
)

/** Something expected that is worth a reason, such as an idle connection being closed. */
export const InformationalError = define({
  name: 'InformationalError',
  code: 'UND_ERR_INFO',
  fault: 'lifecycle',
  message: 'Request information',
})

/** The request body is longer or shorter than its `content-length`. */
export const RequestContentLengthMismatchError = define({
  name: 'RequestContentLengthMismatchError',
  code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  fault: 'user',
  message: 'Request body length does not match content-length header',
})

/** The response body is shorter than its `content-length`. */
export const ResponseContentLengthMismatchError = define({
  name: 'ResponseContentLengthMismatchError',
  code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  fault: 'peer',
  message: 'Response body length does not match content-length header',
})

/** The dispatcher had been destroyed. */
export const ClientDestroyedError = define({
  name: 'ClientDestroyedError',
  code: 'UND_ERR_DESTROYED',
  fault: 'lifecycle',
  message: 'The client is destroyed',
})

/** The dispatcher had been closed. */
export const ClientClosedError = define({
  name: 'ClientClosedError',
  code: 'UND_ERR_CLOSED',
  fault: 'lifecycle',
  message: 'The client is closed',
})

/** The connection broke. */
export class SocketError extends UndiciError {
  static override readonly code: string = 'UND_ERR_SOCKET'
  /** The socket as it was, or null when there was none. */
  socket: SocketInfo | null
  constructor(message = 'Socket error', socket: SocketInfo | null = null, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SocketError'
    this.code = 'UND_ERR_SOCKET'
    this.socket = socket
  }
}
Object.defineProperty(SocketError.prototype, 'fault', { value: 'network', configurable: true })

/** Something that is documented as not offered. */
export const NotSupportedError = define({
  name: 'NotSupportedError',
  code: 'UND_ERR_NOT_SUPPORTED',
  fault: 'user',
  message: 'Not supported error',
})

/** A BalancedPool without upstreams. */
export const BalancedPoolMissingUpstreamError = define({
  name: 'MissingUpstreamError',
  code: 'UND_ERR_BPL_MISSING_UPSTREAM',
  fault: 'user',
  message: 'No upstream has been added to the BalancedPool',
})

/** The response body passed `maxResponseSize` bytes. */
export const ResponseExceededMaxSizeError = define({
  name: 'ResponseExceededMaxSizeError',
  code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  fault: 'peer',
  message: 'Response content exceeded max size',
})

/** An Agent reached `maxOrigins`. */
export const MaxOriginsReachedError = define({
  name: 'MaxOriginsReachedError',
  code: 'UND_ERR_MAX_ORIGINS_REACHED',
  fault: 'user',
  message: 'Maximum allowed origins reached',
})

/** More redirects than allowed. */
export const MaxRedirectsError = define({
  name: 'MaxRedirectsError',
  code: 'UND_ERR_REDIRECT_MAX',
  fault: 'peer',
  message: 'Maximum number of redirects reached',
})

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
  /** `HPE_…`, or undefined. */
  code: string | undefined
  /** The bytes at fault as far as they are known. */
  data: string | undefined
  constructor(message: string, code?: string, data?: string | Uint8Array) {
    super(message)
    this.name = 'HTTPParserError'
    this.code = code === undefined ? undefined : `HPE_${code}`
    this.data = data?.toString()
  }
}
Object.defineProperty(HTTPParserError.prototype, 'fault', { value: 'peer', configurable: true })

type ResponseHeaders = Record<string, string | string[]>

/** A request failed for good after retries, or could not be retried at all. */
export class RequestRetryError extends UndiciError {
  static override readonly code: string = 'UND_ERR_REQ_RETRY'
  statusCode: number
  data: { count: number } | string | null
  headers: ResponseHeaders | string[] | null
  constructor(
    message: string,
    statusCode: number,
    detail: { headers?: ResponseHeaders | string[] | null; data?: { count: number } | string | null } = {},
  ) {
    super(message)
    this.name = 'RequestRetryError'
    this.code = 'UND_ERR_REQ_RETRY'
    this.statusCode = statusCode
    this.data = detail.data ?? null
    this.headers = detail.headers ?? null
  }
}
Object.defineProperty(RequestRetryError.prototype, 'fault', { value: 'peer', configurable: true })

/** A response with an error status, where the caller asked for that to throw. */
export class ResponseError extends UndiciError {
  static override readonly code: string = 'UND_ERR_RESPONSE'
  statusCode: number
  body: unknown
  bodyTruncated: boolean
  headers: ResponseHeaders | string[] | null
  constructor(
    message: string,
    statusCode: number,
    detail: { headers?: ResponseHeaders | string[] | null; body?: unknown; bodyTruncated?: boolean } = {},
  ) {
    super(message)
    this.name = 'ResponseError'
    this.code = 'UND_ERR_RESPONSE'
    this.statusCode = statusCode
    this.body = detail.body ?? null
    this.bodyTruncated = detail.bodyTruncated ?? false
    this.headers = detail.headers ?? null
  }

  /** The same as {@link statusCode}; examples in undici's `Interceptors.md` call it so. */
  get status(): number {
    return this.statusCode
  }
}
Object.defineProperty(ResponseError.prototype, 'fault', { value: 'peer', configurable: true })

/** The connection to a proxy failed for good; `cause` tells why. */
export class ProxyConnectionError extends UndiciError {
  static override readonly code: string = 'UND_ERR_PRX_CONN'
  constructor(cause?: Error, message = 'Proxy connection failed', options: ErrorOptions = {}) {
    super(message, { ...options, cause })
    this.name = 'ProxyConnectionError'
    this.code = 'UND_ERR_PRX_CONN'
  }
}
Object.defineProperty(ProxyConnectionError.prototype, 'fault', { value: 'network', configurable: true })

/** TLS to a proxy failed; `cause` tells why. */
export class SecureProxyConnectionError extends UndiciError {
  static override readonly code: string = 'UND_ERR_PRX_TLS'
  constructor(cause?: Error, message = 'Secure Proxy Connection failed', options: ErrorOptions = {}) {
    super(message, { ...options, cause })
    this.name = 'SecureProxyConnectionError'
    this.code = 'UND_ERR_PRX_TLS'
  }
}
Object.defineProperty(SecureProxyConnectionError.prototype, 'fault', { value: 'network', configurable: true })

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

const TOLD_TO_ALL = ['code', 'errno', 'syscall', 'address', 'port', 'statusCode', 'headers', 'proxy']

/** One failure that hits several requests is told to each by an error of its own, with the first as its cause. */
export function replicate(error: Error): Error {
  const copy = new Error(error.message, { cause: error })
  copy.name = error.name
  const known = error as unknown as Record<string, unknown>
  for (const field of TOLD_TO_ALL) if (known[field] !== undefined) Object.assign(copy, { [field]: known[field] })
  return copy
}

/** The one way to report a bad option: names it, and tells what was expected and what came. */
export function invalidOption(name: string, expected: string, got: unknown): Error {
  const shown =
    typeof got === 'string' ? JSON.stringify(got.slice(0, 80)) : typeof got === 'object' ? kind(got) : String(got)
  return new InvalidArgumentError(`${name} must be ${expected}, got ${shown}`)
}

function kind(value: object | null): string {
  return value === null ? 'null' : `an instance of ${value.constructor?.name ?? 'Object'}`
}
