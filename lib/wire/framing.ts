import { markArgumentError } from '../errors/caller.js'
import { invalidArgument, RequestContentLengthMismatchError } from '../errors.js'

/** Framing of a request body: none, `content-length`, or `transfer-encoding: chunked` (RFC 9112 §6). */
export type Framing = 'none' | 'length' | 'chunked'

/** Methods that expect a body. Without one they send `content-length: 0` (RFC 9110 §8.6). */
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** Properties of a request that determine its framing. */
export interface FramingInput {
  method: string
  hasBody: boolean
  /** Body length in bytes; null if unknown before the body ends. */
  bodyLength: number | null
  /** Values of the caller's `content-length` headers. */
  contentLengths: readonly string[]
  /** Values of the caller's `transfer-encoding` headers. */
  transferEncodings: readonly string[]
  /** Whether a `content-length` that differs from the body length is an error instead of a warning. */
  strict: boolean
}

/** Result of {@link requestFraming}. */
export interface BodyFraming {
  framing: Framing
  /** Body length in bytes; -1 without a body, or if unknown before it ends. */
  contentLength: number
  /**
   * Whether the request has a body although its method expects none. A server that does not read such a body parses it as
   * the next request (RFC 9110 §9.3.1).
   */
  unexpected: boolean
}

/**
 * Determines the framing of a request body. Rejects headers that two recipients could interpret differently, because they
 * allow request smuggling.
 * @throws {InvalidArgumentError | RequestContentLengthMismatchError}
 */
export function requestFraming(input: FramingInput): BodyFraming {
  const { method, hasBody, bodyLength, strict, transferEncodings } = input
  const stated = parseContentLengthFields(input.contentLengths)
  if (transferEncodings.length > 0) {
    if (stated !== null) throw invalidArgument('content-length and transfer-encoding must not be sent together')
    if (transferEncodings.length > 1 || transferEncodings[0]?.toLowerCase() !== 'chunked') {
      throw invalidArgument('invalid transfer-encoding header: only chunked is supported')
    }
  }
  if (hasBody) {
    if (stated !== null && bodyLength !== null && stated !== bodyLength) {
      reportLengthMismatch(`Request body has ${bodyLength} bytes, but content-length is ${stated}`, strict)
    }
    const length = transferEncodings.length > 0 ? null : (bodyLength ?? stated)
    const unexpected = length !== 0 && !BODY_METHODS.has(method)
    if (length === null) return { framing: 'chunked', contentLength: -1, unexpected }
    return { framing: length > 0 || BODY_METHODS.has(method) ? 'length' : 'none', contentLength: length, unexpected }
  }
  if (stated !== null && stated > 0 && method !== 'HEAD') {
    reportLengthMismatch(`Request has no body, but content-length is ${stated}`, strict)
  }
  if (BODY_METHODS.has(method)) return { framing: 'length', contentLength: 0, unexpected: false }
  return { framing: 'none', contentLength: -1, unexpected: false }
}

/**
 * Reports a body length that differs from `content-length`: throws if `strict`, otherwise emits a process warning.
 * @throws {RequestContentLengthMismatchError} `strict` is true
 */
export function reportLengthMismatch(message: string, strict: boolean): void {
  const error = markArgumentError(new RequestContentLengthMismatchError(message))
  if (strict) throw error
  process.emitWarning(error)
}

function parseContentLengthFields(fields: readonly string[]): number | null {
  const first = fields[0]
  if (first === undefined) return null
  const length = Number(first)
  if (fields.length > 1) throw invalidArgument('headers must contain one content-length header at most')
  if (!/^\d+$/.test(first) || !Number.isSafeInteger(length)) {
    throw invalidArgument('invalid content-length header: must be a whole number of bytes')
  }
  return length
}
