import { withHeaders, withoutHeaders } from '../exchange/edit-headers.js'
import type { IncomingHeaders, RawHeaders } from '../exchange/handler.js'
import type { HeadersInput } from '../wire/headers.js'

/** Arguments of `onResponseStart` of a final response. */
export interface ResponseStart {
  readonly statusCode: number
  readonly headers: IncomingHeaders
  readonly statusMessage: string | undefined
  readonly rawHeaders: RawHeaders
  /** Whether an interceptor decodes the body. Ranges count the encoded bytes. */
  readonly decoded: boolean
}

/** Parsed `content-range`, such as `bytes 4-9/10` (RFC 9110 §14.4). */
export interface ContentRange {
  readonly first: number
  readonly last: number
  /** Length of the representation; null if unknown (`*`). */
  readonly total: number | null
}

/** Parses `content-range`. Returns null unless the value is one valid byte range. */
export function parseContentRange(value: unknown): ContentRange | null {
  const parts = typeof value === 'string' ? /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i.exec(value) : null
  if (parts === null) return null
  const first = Number(parts[1])
  const last = Number(parts[2])
  const total = parts[3] === '*' ? null : Number(parts[3])
  if (!Number.isSafeInteger(last) || !Number.isSafeInteger(total ?? 0)) return null
  return first <= last && (total === null || last < total) ? { first, last, total } : null
}

/**
 * Strong etags; only these guarantee identical bytes (RFC 9110 §8.8.1), weak ones start with `W/`. Some servers omit the
 * quotes. Without quotes, `*` would match any etag, and a comma would start a second one.
 */
const STRONG_ETAG = /^(?!W\/|\*$)(?:"[\x21\x23-\x7e\x80-\xff]*"|[\x21\x23-\x2b\x2d-\x7e\x80-\xff]+)$/i

/**
 * Position in a response body that was partly delivered, and the range request for its rest. The rest is accepted only
 * from the same representation. Positions count encoded bytes (with `content-encoding`).
 */
export class BodyResumption {
  readonly #etag: string
  readonly #contentEncoding: string | string[] | undefined
  /** Whether the first response had the whole representation (200), not a range of it (206). */
  readonly #whole: boolean
  readonly #start: number
  /** Position of the next byte. */
  #position: number
  /** Position of the last byte; null if the length is unknown. */
  #last: number | null
  #total: number | null
  #exceeded = false

  /** Creates the position for a response. Returns null if its rest could not be identified safely. */
  static of(method: string, head: ResponseStart): BodyResumption | null {
    const { statusCode, headers } = head
    const { etag } = headers
    // Ranges are defined for GET only (RFC 9110 §14.2).
    if (method !== 'GET' || typeof etag !== 'string' || !STRONG_ETAG.test(etag) || isDecoded(head)) return null
    const length = contentLengthOf(headers)
    if (statusCode === 200) {
      const total = headers['content-length'] === undefined ? null : length
      if (headers['content-length'] !== undefined && length === null) return null
      return new BodyResumption(head, { first: 0, last: total === null ? null : total - 1, total })
    }
    const range = parseContentRange(headers['content-range'])
    if (statusCode !== 206 || range === null || !matchesContentLength(range, headers)) return null
    return new BodyResumption(head, range)
  }

  private constructor(head: ResponseStart, range: { first: number; last: number | null; total: number | null }) {
    this.#etag = head.headers.etag as string
    this.#contentEncoding = head.headers['content-encoding']
    this.#whole = head.statusCode === 200
    this.#start = range.first
    this.#position = range.first
    this.#last = range.last
    this.#total = range.total
  }

  /** Whether the rest can be requested. */
  get canResume(): boolean {
    return !this.#exceeded && (this.#last === null || this.#position <= this.#last)
  }

  /** Whether the body is complete, as far as known. */
  get complete(): boolean {
    return this.#last === null || this.#position === this.#last + 1
  }

  /** Counts delivered bytes. Returns false if they exceed the range. */
  count(length: number): boolean {
    if (this.#last !== null && this.#position + length > this.#last + 1) {
      this.#exceeded = true
      return false
    }
    this.#position += length
    return true
  }

  /**
   * Returns `headers` with the range of the rest. `if-match` makes a server fail with 412 if the representation has changed;
   * with `if-range` it would send the whole new one (RFC 9110 §13.1).
   */
  withRange(headers: HeadersInput): HeadersInput {
    const range = `bytes=${this.#position}-${this.#last ?? ''}`
    const others = withoutHeaders(headers, (name) => name === 'if-range')
    return withHeaders(others, ['range', range, 'if-match', this.#etag])
  }

  /** Checks that a response has the rest of the body. Returns null and adopts its range, or returns the reason why not. */
  verify({ statusCode, headers }: ResponseStart): string | null {
    const again = statusCode === 200 && this.#whole && this.#position === this.#start
    if (statusCode !== 206 && !again)
      return `range request for the rest of the body answered with status ${statusCode}, expected 206`
    if (headers.etag !== this.#etag) return 'the response body changed between attempts: the etag differs'
    if (String(headers['content-encoding']) !== String(this.#contentEncoding))
      return 'the rest of the body has another content-encoding'
    const range = again ? completeRange(headers) : parseContentRange(headers['content-range'])
    if (range === null || !this.#isExpected(range) || !matchesContentLength(range, headers)) {
      return 'the response to the range request has another range: content-range does not match the request'
    }
    this.#last = range.last
    this.#total = range.total ?? this.#total
    return null
  }

  #isExpected({ first, last, total }: ContentRange): boolean {
    if (first !== this.#position) return false
    // The complete length may be unknown (RFC 9110 §14.4).
    const same = total === null || this.#total === null || total === this.#total
    if (this.#last !== null) return last === this.#last && same
    return total !== null && last === total - 1
  }
}

/** Returns the range of a complete body; null if its length is unknown. */
function completeRange(headers: IncomingHeaders): ContentRange | null {
  const length = contentLengthOf(headers)
  return length === null || length === 0 ? null : { first: 0, last: length - 1, total: length }
}

function contentLengthOf(headers: IncomingHeaders): number | null {
  const value = headers['content-length']
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : null
}

/** Whether `content-length`, if present, equals the length of the range. */
function matchesContentLength({ first, last }: ContentRange, headers: IncomingHeaders): boolean {
  return headers['content-length'] === undefined || contentLengthOf(headers) === last - first + 1
}

/** Whether an interceptor decodes the body: it counts decoded bytes, ranges count encoded ones. */
function isDecoded({ headers, rawHeaders, decoded }: ResponseStart): boolean {
  if (decoded) return true
  // Only a list has the names as sent; the type of undici allows an object too.
  const sent = (Array.isArray(rawHeaders) ? (rawHeaders as string[]) : [])
    .filter((_text, index) => index % 2 === 0)
    .map((name) => String(name).toLowerCase())
  return ['content-encoding', 'content-length'].some((name) => sent.includes(name) && headers[name] === undefined)
}
