/** Error classes with properties of their own. */
import { type ErrorContext, type Fault, isInstance, type Phase, UndiciError } from './error-class.js'
import type { Timings } from './timings.js'

/**
 * The server sent a response that is not valid HTTP/1.x. Extends Error only, as documented.
 * Fix: Fix the server or the proxy in front of it: `code` and `data` describe what is wrong. No option accepts such
 * responses.
 */
export class HTTPParserError extends Error implements ErrorContext {
  /** @internal */
  static readonly code: string = 'HPE'
  /** Cause of the error: `user`, `peer`, `network`, `timeout` or `lifecycle`; omitted if unknown. */
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
  /** `HPE_…`; undefined if the parser reports no code. */
  code: string
  /** The invalid bytes as text, if known. */
  data: string | undefined
  constructor(message: string, code?: string, data?: string | Uint8Array) {
    super(message)
    this.code = (code === undefined ? undefined : `HPE_${code}`) as string
    this.data = data?.toString()
    Object.assign(this, { fault: 'peer' })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, value)
  }
}

/** Response headers by lower-case name. */
export type ResponseHeaders = Record<string, string | string[]>

/**
 * The request failed after all retries, or could not be retried.
 * Fix: The server still fails, or its content changed while the download was resumed: see `statusCode` and
 * `data.count`. Send the request again later.
 */
export class RequestRetryError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'peer'
  static override readonly code: string = 'UND_ERR_REQ_RETRY'
  override name = 'RequestRetryError' as const
  override code = 'UND_ERR_REQ_RETRY' as const
  /** Status of the last response; 0 without one. */
  statusCode: number
  /** `count`: number of retries, or the value that the constructor received. */
  data: { count: number }
  /** Headers of the last response. */
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
 * The response has an error status, and the caller requested that such a response throws.
 * Fix: Handle `statusCode`; `body` contains the response body.
 */
export class ResponseError extends UndiciError {
  /** @internal */
  static override readonly fault: Fault = 'peer'
  static override readonly code: string = 'UND_ERR_RESPONSE'
  override name = 'ResponseError' as const
  override code = 'UND_ERR_RESPONSE' as const
  /** Status of the response. */
  statusCode: number
  /** Response body: parsed if it is JSON, else a string; null without a body. */
  // biome-ignore lint/suspicious/noExplicitAny: a parsed JSON value, declared as in undici's types
  body: null | Record<string, any> | string
  /** Whether `body` was cut off at the size limit. */
  bodyTruncated: boolean
  /** Headers of the response. */
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

  /** Alias of {@link statusCode}, used by examples in undici's `Interceptors.md`. */
  get status(): number {
    return this.statusCode
  }
}

/**
 * The connection to the proxy failed; `cause` has the reason.
 * Fix: Check that the proxy runs, and that it accepts the credentials and the target.
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
 * TLS to the proxy failed; `cause` has the reason.
 * Fix: Set `proxyTls.ca` to the certificate authority of the proxy.
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
