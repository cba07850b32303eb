import { withHeaders, withoutHeaders } from '../exchange/edit-headers.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import type { HeadersInput } from '../wire/headers.js'

/** The head of a final response. */
export interface ResponseStart {
  readonly statusCode: number
  readonly headers: IncomingHeaders
  readonly statusMessage: string | undefined
  readonly rawHeaders: string[] | null
  /** An interceptor decodes the body: its bytes are not those that ranges count. */
  readonly decoded: boolean
}

/** `bytes 4-9/10` (RFC 9110 §14.4). */
export interface ContentRange {
  readonly first: number
  readonly last: number
  /** null: the server does not know. */
  readonly total: number | null
}

/** null unless it is one valid range of bytes. */
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
 * Only such a tag says that bytes are the same (RFC 9110 §8.8.1); a weak one starts with `W/`. Some servers leave the quotes
 * out; without them a star stands for any tag, and a comma would begin another.
 */
const STRONG_ETAG = /^(?!W\/|\*$)(?:"[\x21\x23-\x7e\x80-\xff]*"|[\x21\x23-\x2b\x2d-\x7e\x80-\xff]+)$/i

/**
 * How much of a body was handed out, and how to ask for its rest: by a range, from the same representation or not at
 * all. Positions count in the representation as it is sent, with its content coding.
 */
export class BodyResumption {
  readonly #etag: string
  readonly #contentEncoding: string | string[] | undefined
  /** The first response was the whole representation, not a range of it. */
  readonly #whole: boolean
  readonly #start: number
  /** Where the next byte belongs. */
  #position: number
  /** Of the last byte that is to come; null where only the end of the body will tell. */
  #last: number | null
  #total: number | null
  #exceeded = false

  /** null where the rest of such a response could not be told from something else. */
  static of(method: string, head: ResponseStart): BodyResumption | null {
    const { statusCode, headers } = head
    const { etag } = headers
    // Ranges are defined for GET alone (RFC 9110 §14.2).
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

  /** There is a rest that can be asked for. */
  get canResume(): boolean {
    return !this.#exceeded && (this.#last === null || this.#position <= this.#last)
  }

  /** No byte is missing, as far as is known. */
  get complete(): boolean {
    return this.#last === null || this.#position === this.#last + 1
  }

  /** Counts what is handed out. False when it is more than there can be. */
  count(length: number): boolean {
    if (this.#last !== null && this.#position + length > this.#last + 1) {
      this.#exceeded = true
      return false
    }
    this.#position += length
    return true
  }

  /**
   * The fields of the request for the rest. `if-match` has a server that changed its mind say so instead of sending
   * all of something else, as `if-range` would (RFC 9110 §13.1).
   */
  withRange(headers: HeadersInput): HeadersInput {
    const range = `bytes=${this.#position}-${this.#last ?? ''}`
    const others = withoutHeaders(headers, (name) => name === 'if-range')
    return withHeaders(others, ['range', range, 'if-match', this.#etag])
  }

  /** Takes a response for the rest of the body. Returns why not, or null. */
  verify({ statusCode, headers }: ResponseStart): string | null {
    const again = statusCode === 200 && this.#whole && this.#position === this.#start
    if (statusCode !== 206 && !again) return `The rest of the body was asked for, and answered with ${statusCode}`
    if (headers.etag !== this.#etag) return 'The body that was asked for the rest of has changed: its etag differs'
    if (String(headers['content-encoding']) !== String(this.#contentEncoding))
      return 'The rest of the body is coded differently'
    const range = again ? completeRange(headers) : parseContentRange(headers['content-range'])
    if (range === null || !this.#isExpected(range) || !matchesContentLength(range, headers)) {
      return 'The rest of the body was asked for, and something else sent: content-range differs'
    }
    this.#last = range.last
    this.#total = range.total ?? this.#total
    return null
  }

  #isExpected({ first, last, total }: ContentRange): boolean {
    if (first !== this.#position) return false
    // The size of the whole may be left out (RFC 9110 §14.4).
    const same = total === null || this.#total === null || total === this.#total
    if (this.#last !== null) return last === this.#last && same
    return total !== null && last === total - 1
  }
}

/** A whole body as a range; null where its length is not told. */
function completeRange(headers: IncomingHeaders): ContentRange | null {
  const length = contentLengthOf(headers)
  return length === null || length === 0 ? null : { first: 0, last: length - 1, total: length }
}

function contentLengthOf(headers: IncomingHeaders): number | null {
  const value = headers['content-length']
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : null
}

/** The length of the message, where it is told, is that of its range. */
function matchesContentLength({ first, last }: ContentRange, headers: IncomingHeaders): boolean {
  return headers['content-length'] === undefined || contentLengthOf(headers) === last - first + 1
}

/** Somebody on the way decodes the body: what is counted here is not what ranges count. */
function isDecoded({ headers, rawHeaders, decoded }: ResponseStart): boolean {
  if (decoded) return true
  const sent = (rawHeaders ?? []).filter((_text, index) => index % 2 === 0).map((name) => String(name).toLowerCase())
  return ['content-encoding', 'content-length'].some((name) => sent.includes(name) && headers[name] === undefined)
}
