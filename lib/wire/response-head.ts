import { HTTPParserError } from '../errors.js'
import type { FieldRecord } from './field-record.js'
import { headersToObject } from './headers.js'

/** Headers that determine framing and reuse. */
const CONNECTION = 'connection'
const KEEP_ALIVE = 'keep-alive'
const CONTENT_LENGTH = 'content-length'
const TRANSFER_ENCODING = 'transfer-encoding'

/** Status line and headers of one response. */
export class ResponseHead {
  readonly statusCode: number
  readonly statusText: string
  /** Name, value, name, value, … as sent, without white space around values. */
  readonly rawHeaders: readonly string[]
  /** Minor HTTP version: 0 or 1. */
  readonly minor: number
  /** Whether version and `connection` options allow another request on the connection (RFC 9112 §9.3). */
  persistent: boolean
  /** Value of `keep-alive: timeout=…` in ms; null if absent. */
  keepAliveHint: number | null = null
  /** Value of `content-length` in bytes; -1 if absent. */
  contentLength = -1
  /** Values of all `transfer-encoding` headers, joined; null if absent. */
  transferEncoding: string | null = null
  /** Whether `transfer-encoding` has a coding other than `identity`, which means no coding (RFC 2616 §3.6). */
  chunked = false
  /** Headers object that {@link headers} copies; null before {@link cacheHeaders}. */
  #cachedHeaders: Record<string, string | string[]> | null = null

  constructor(start: { statusCode: number; statusText: string; minor: number }, rawHeaders: string[]) {
    this.statusCode = start.statusCode
    this.statusText = start.statusText
    this.minor = start.minor
    this.rawHeaders = rawHeaders
    this.persistent = start.minor === 1
    this.#readFramingFields()
  }

  /** Returns a new object with the headers by lower-case name. A header that occurs several times is an array. */
  headers(): Record<string, string | string[]> {
    return this.#cachedHeaders === null ? headersToObject(this.rawHeaders) : { ...this.#cachedHeaders }
  }

  /** Caches the headers object, for a head that is used for many responses. */
  cacheHeaders(): void {
    const pattern = headersToObject(this.rawHeaders)
    if (Object.values(pattern).every((value) => typeof value === 'string')) this.#cachedHeaders = pattern
  }

  get informational(): boolean {
    return this.statusCode < 200
  }

  #readFramingFields(): void {
    const raw = this.rawHeaders
    let close = false
    let keep = false
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string
      const length = name.length
      if (length !== 10 && length !== 14 && length !== 17) continue
      const lower = name.toLowerCase()
      const value = raw[i + 1] as string
      if (lower === CONTENT_LENGTH) this.contentLength = parseContentLength(value)
      else if (lower === TRANSFER_ENCODING) {
        this.transferEncoding = this.transferEncoding === null ? value : `${this.transferEncoding},${value}`
      } else if (lower === KEEP_ALIVE) this.keepAliveHint = parseKeepAlive(value)
      else if (lower === CONNECTION) {
        const options = commaList(value)
        close ||= options.includes('close')
        keep ||= options.includes('keep-alive')
      }
    }
    if (this.transferEncoding !== null) this.chunked = commaList(this.transferEncoding).join() !== 'identity'
    if (close) this.persistent = false
    else if (this.minor === 0) this.persistent = keep && this.transferEncoding === null
  }
}

/** Returns the elements of a comma-separated header value in lower case, without empty ones (RFC 9110 §5.6.1). */
export function commaList(value: string): string[] {
  const lower = value.toLowerCase()
  if (!lower.includes(',')) return [lower]
  const elements: string[] = []
  for (const element of lower.split(',')) {
    const trimmed = trimWhiteSpace(element, 0, element.length)
    if (trimmed !== '') elements.push(trimmed)
  }
  return elements
}

/** Returns the names and values of a section as strings. Trims the white space that llhttp leaves at the end of values. */
export function sliceFields(section: string, record: FieldRecord): string[] {
  const { offsets, count } = record
  const fields: string[] = new Array(2 * count)
  for (let i = 0; i < count; i++) {
    fields[2 * i] = section.substring(offsets[4 * i] as number, offsets[4 * i + 1] as number)
    fields[2 * i + 1] = trimWhiteSpace(section, offsets[4 * i + 2] as number, offsets[4 * i + 3] as number)
  }
  return fields
}

/**
 * Checks a status line (RFC 9112 §4) and returns its reason phrase. llhttp accepts a bare CR as its end, and control
 * characters in the reason phrase, with which a server could split log lines or forwarded responses.
 * @throws {HTTPParserError} the status line is invalid
 */
export function checkStatusLine(section: string, record: FieldRecord): string {
  const end = section.indexOf('\r')
  if (section.charCodeAt(end + 1) !== 10) throw parserError('INVALID_STATUS', 'Status line must end in CRLF', section)
  const reason = section.substring(record.reasonStart, record.reasonEnd)
  for (let i = 0; i < reason.length; i++) {
    const code = reason.charCodeAt(i)
    if ((code < 32 && code !== 9) || code === 127) {
      throw parserError('INVALID_STATUS', 'Control character in the reason phrase', section)
    }
  }
  return reason
}

/** Returns an HTTPParserError with at most 256 characters of the rejected bytes as `data`. */
export function parserError(code: string, message: string, data?: string): HTTPParserError {
  return new HTTPParserError(`Response refused: ${message}`, code, data?.slice(0, 256))
}

/** Trims spaces and tabs (RFC 9110 §5.6.3). `String.prototype.trim` would also remove no-break spaces. */
function trimWhiteSpace(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (end > start && isWhiteSpace(text.charCodeAt(end - 1))) end--
  while (start < end && isWhiteSpace(text.charCodeAt(start))) start++
  return text.substring(start, end)
}

function isWhiteSpace(code: number): boolean {
  return code === 32 || code === 9
}

function parseContentLength(value: string): number {
  const length = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(length)) {
    throw parserError('INVALID_CONTENT_LENGTH', 'content-length is not a whole number of bytes')
  }
  return length
}

function parseKeepAlive(value: string): number | null {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d+)/i.exec(value)
  return match === null ? null : Number(match[1]) * 1000
}

/**
 * Checks `transfer-encoding` (RFC 9112 §6.3). The engine already rejects it together with `content-length`. `identity`
 * alone is accepted: such a body lasts until the connection closes, so no bytes after it can be parsed as a response.
 * @throws {HTTPParserError} a coding follows `chunked`, or `chunked` is applied twice
 */
export function checkTransferEncoding({ transferEncoding, chunked }: ResponseHead): void {
  if (transferEncoding === null || !chunked) return
  const codings = commaList(transferEncoding)
  if (codings.indexOf('chunked') !== codings.length - 1) {
    throw parserError('INVALID_TRANSFER_ENCODING', 'chunked must be the last transfer-encoding, once')
  }
}
