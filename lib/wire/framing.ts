import { invalidArgument, RequestContentLengthMismatchError } from '../errors.js'

/** How a request's body is told from what follows (RFC 9112 §6). */
export type Framing = 'none' | 'length' | 'chunked'

/** Methods whose meaning expects a body: without one they send `content-length: 0` (RFC 9110 §8.6). */
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

export interface FramingInput {
  method: string
  hasBody: boolean
  /** null: not known before its end. */
  bodyLength: number | null
  /** The caller's own `content-length` fields. */
  contentLengths: readonly string[]
  /** The caller's own `transfer-encoding` fields. */
  transferEncodings: readonly string[]
  /** Refuse a length that is not the body's. */
  strict: boolean
}

export interface BodyFraming {
  framing: Framing
  /** Bytes of the body; -1 without one, and when they are not known before its end. */
  contentLength: number
  /**
   * It has a body, and its method expects none: a server that does not read the body takes it for the next request
   * (RFC 9110 §9.3.1).
   */
  unexpected: boolean
}

/**
 * Decides the framing, and refuses what two parties on the way could read in two ways.
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
 * Reports a body that is not as long as its `content-length`: by a warning unless `strict`.
 * @throws {RequestContentLengthMismatchError}
 */
export function reportLengthMismatch(message: string, strict: boolean): void {
  const error = new RequestContentLengthMismatchError(message)
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
