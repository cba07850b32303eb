/** Errors that have more to tell than a message. */
import { type ErrorContext, type Fault, isInstance, type Phase, UndiciError } from './error-class.js'
import type { Timings } from './timings.js'

/**
 * What the server sent is not HTTP/1.x. Extends Error alone, as documented.
 * Cure: Mend the server or what stands before it; `code` and `data` say what is wrong where. There is no option to
 * accept it.
 */
export class HTTPParserError extends Error implements ErrorContext {
  /** @internal */
  static readonly code: string = 'HPE'
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

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, value)
  }
}
Object.defineProperty(HTTPParserError.prototype, 'fault', { value: 'peer', configurable: true })

type ResponseHeaders = Record<string, string | string[]>

/**
 * A request failed for good after retries, or could not be retried at all.
 * Cure: The server goes on failing, or has changed what was being resumed: `statusCode` and `data.count` say how
 * often. Try later.
 */
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

/**
 * A response with an error status, where the caller asked for that to throw.
 * Cure: As for its `statusCode`; `body` has what the server says of it.
 */
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

/**
 * The connection to a proxy failed for good; `cause` tells why.
 * Cure: See whether the proxy is up, and takes the credentials and the target.
 */
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

/**
 * TLS to a proxy failed; `cause` tells why.
 * Cure: Give the proxy's authority in `proxyTls.ca`.
 */
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
