import { HTTPParserError } from '../errors.js'
import type { FieldRecord } from './field-record.js'
import { headersToObject } from './headers.js'

/** Lengths of the field names that decide framing and reuse: all others are not looked at. */
const CONNECTION = 'connection'
const KEEP_ALIVE = 'keep-alive'
const CONTENT_LENGTH = 'content-length'
const TRANSFER_ENCODING = 'transfer-encoding'

/** The head of one response, strings cut from one slice of the input buffer. */
export class ResponseHead {
  readonly statusCode: number
  readonly statusText: string
  /** Name, value, name, value, … as sent; white space around values taken off. */
  readonly rawHeaders: readonly string[]
  /** 0 or 1: the minor version. */
  readonly minor: number
  /** The `connection` options, and the version, allow another request (RFC 9112 §9.3). */
  persistent: boolean
  /** From `keep-alive: timeout=…`, in ms; null without. */
  keepAliveHint: number | null = null
  /** From `content-length`; -1 without. */
  contentLength = -1
  /** From `transfer-encoding`, all fields joined; null without. */
  transferEncoding: string | null = null
  /** Its body comes in chunks: the one coding that may stand alone beside `identity`, which is none (RFC 2616 §3.6). */
  chunked = false
  /** What {@link headers} copies; null while nobody asked a second time. */
  #cachedHeaders: Record<string, string | string[]> | null = null

  constructor(start: { statusCode: number; statusText: string; minor: number }, rawHeaders: string[]) {
    this.statusCode = start.statusCode
    this.statusText = start.statusText
    this.minor = start.minor
    this.rawHeaders = rawHeaders
    this.persistent = start.minor === 1
    this.#readFramingFields()
  }

  /** Fields by name in lower case, in an object of the asker's own; what came more than once is an array. */
  headers(): Record<string, string | string[]> {
    return this.#cachedHeaders === null ? headersToObject(this.rawHeaders) : { ...this.#cachedHeaders }
  }

  /** It will be asked for its fields again and again. */
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

/** Elements of a comma-separated field value in lower case (RFC 9110 §5.6.1: empty ones are ignored). */
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

/** Cuts name and value strings out of a section. llhttp leaves white space at the end of values. */
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
 * The status line as RFC 9112 §4 has it. llhttp takes a bare CR for its end and lets controls pass in the reason,
 * which would let a server split what we log or forward.
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

export function parserError(code: string, message: string, data?: string): HTTPParserError {
  return new HTTPParserError(`Response refused: ${message}`, code, data?.slice(0, 256))
}

/** Optional white space is spaces and tabs (RFC 9110 §5.6.3); `trim()` would take a no-break space too. */
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
    throw parserError('INVALID_CONTENT_LENGTH', `content-length ${JSON.stringify(value.slice(0, 40))} is not a length`)
  }
  return length
}

function parseKeepAlive(value: string): number | null {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d+)/i.exec(value)
  return match === null ? null : Number(match[1]) * 1000
}
