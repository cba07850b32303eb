import { markArgumentError } from '../errors/caller.js'
import { invalidArgument, invalidChoice, invalidOption, NotSupportedError } from '../errors.js'
import { type Framing, requestFraming } from './framing.js'
import { isFieldValue, isToken } from './headers.js'

/** Encoded request headers. {@link headText} completes them, because `connection` is only known when they are sent. */
export interface RequestHead {
  /** Request line and `host` header, each followed by CRLF, in latin1. */
  readonly start: string
  /** Connection options of the caller, each after a comma. */
  readonly options: string
  /** All other headers, each followed by CRLF. */
  readonly fields: string
  /** Complete headers for a persistent connection: one string for all requests that share the headers. */
  readonly kept: string
  /** `host` header; for CONNECT without one, the host of the origin. */
  readonly host: string
  /** Whether the caller passed `connection: close`, so that the connection is not used again. */
  readonly close: boolean
  /** Whether the request has a body although its method expects none. */
  readonly unexpectedBody: boolean
  readonly framing: Framing
  /** Body length in bytes; -1 without a body, or if unknown before it ends. */
  readonly contentLength: number
  /** Whether the body is sent only after `100 Continue`. */
  readonly expectContinue: boolean
}

/** Input of {@link encodeRequestHead}. */
export interface RequestHeadInput {
  method: string
  path: string
  /** Host of the origin, used if the caller passes no `host` header. */
  host: string
  /** Validated headers: name, value, name, value, … */
  headers: readonly string[]
  hasBody: boolean
  /** Body length in bytes; null if unknown. */
  bodyLength: number | null
  upgrade: string | null
  expectContinue: boolean
  strictContentLength: boolean
}

/** A request target is printable ASCII (RFC 3986). Servers interpret other characters differently. */
const INVALID_TARGET = /[^\x21-\x7e]/
const INVALID_HOST = /[^\x21-\x7e]|[/?#@\\]/
const ABSOLUTE = /^https?:\/\//i

/** Headers that must reach the server. A proxy would remove them if `connection` named them (RFC 9110 §7.6.1). */
const END_TO_END_FIELDS = new Set(['host', 'content-length', 'transfer-encoding'])

/** Returns the complete request line and headers, with the empty line. */
export function headText(
  { start, options, fields }: Pick<RequestHead, 'start' | 'options' | 'fields'>,
  connection: 'keep-alive' | 'close' | 'upgrade',
): string {
  return `${start}connection: ${connection}${options}\r\n${fields}\r\n`
}

/** Headers of the caller that concern the connection or the framing, and are not sent as they are. */
class FramingFields {
  host: string | null = null
  close = false
  /** Connection options that are sent unchanged, each after a comma. */
  options = ''
  expectContinue = false
  readonly contentLengths: string[] = []
  readonly transferEncodings: string[] = []

  /** Stores a header that is not sent unchanged. Returns false for all other headers. */
  take(name: string, value: string, upgrade: string | null): boolean {
    switch (name.length) {
      case 4:
        return name.toLowerCase() === 'host' && this.#host(value)
      case 6:
        return name.toLowerCase() === 'expect' && this.#expect(value)
      case 7:
        return name.toLowerCase() === 'upgrade' && this.#upgrade(upgrade)
      case 10:
        return this.#connectionField(name.toLowerCase(), value, upgrade)
      case 14:
        return name.toLowerCase() === 'content-length' && this.contentLengths.push(value) > 0
      case 17:
        return name.toLowerCase() === 'transfer-encoding' && this.transferEncodings.push(value) > 0
      default:
        return false
    }
  }

  #host(value: string): true {
    if (this.host !== null) throw invalidArgument('headers must contain one host header at most')
    this.host = checkHost('host header', value)
    return true
  }

  #expect(value: string): true {
    if (value.toLowerCase() !== '100-continue')
      throw markArgumentError(new NotSupportedError('expect header: only 100-continue is supported'))
    this.expectContinue = true
    return true
  }

  #upgrade(upgrade: string | null): true {
    if (upgrade === null) throw invalidArgument('invalid upgrade header: use the upgrade option')
    return true
  }

  #connectionField(name: string, value: string, upgrade: string | null): boolean {
    if (name === 'keep-alive') throw invalidArgument('invalid keep-alive header: sluice sends its own, remove it')
    if (name !== 'connection') return false
    for (const element of value.split(',')) {
      const option = element.trim()
      const lower = option.toLowerCase()
      if (!isToken(option) || END_TO_END_FIELDS.has(lower)) {
        throw invalidOption('connection header', 'close, keep-alive or names of hop-by-hop headers', value)
      }
      if (lower === 'close') this.close = true
      else if (lower !== 'keep-alive' && !(lower === 'upgrade' && upgrade !== null)) this.options += `, ${option}`
    }
    return true
  }
}

/**
 * Returns a valid host with an optional port.
 * @throws {InvalidArgumentError} the value is not one
 */
export function checkHost(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !INVALID_HOST.test(value)) return value
  throw invalidOption(name, 'a host with an optional port', value)
}

/**
 * Validates and encodes the request line and headers of a request, once for all its attempts.
 * @throws {InvalidArgumentError | NotSupportedError | RequestContentLengthMismatchError}
 */
export function encodeRequestHead(input: RequestHeadInput): RequestHead {
  const { method, path, headers, upgrade, hasBody } = input
  checkTarget(method, path)
  if (upgrade !== null && (!isFieldValue(upgrade) || upgrade.trim() === '')) {
    throw invalidOption('upgrade', 'a protocol name', upgrade)
  }
  const special = new FramingFields()
  let given = ''
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!special.take(name, value, upgrade)) given += `${name}: ${value}\r\n`
  }
  const { contentLengths, transferEncodings } = special
  const { framing, contentLength, unexpected } = requestFraming({
    method,
    hasBody,
    bodyLength: input.bodyLength,
    contentLengths,
    transferEncodings,
    strict: input.strictContentLength,
  })
  const host = special.host ?? input.host
  // The target of CONNECT is an authority, which `host` repeats (RFC 9112 §3.2).
  const sent = method === 'CONNECT' && special.host === null && !INVALID_HOST.test(path) ? path : host
  // A request without content must not send it (RFC 9110 §10.1.1).
  const expectContinue = hasBody && contentLength !== 0 && (input.expectContinue || special.expectContinue)
  const start = `${method} ${path} HTTP/1.1\r\nhost: ${sent}\r\n`
  let fields = upgrade === null || method === 'CONNECT' ? given : `upgrade: ${upgrade}\r\n${given}`
  if (framing === 'length') fields += `content-length: ${contentLength}\r\n`
  else if (framing === 'chunked') fields += 'transfer-encoding: chunked\r\n'
  if (expectContinue) fields += 'expect: 100-continue\r\n'
  const { options, close } = special
  const kept = headText({ start, options, fields }, 'keep-alive')
  return {
    start,
    options,
    fields,
    kept,
    host,
    close,
    unexpectedBody: unexpected,
    framing,
    contentLength,
    expectContinue,
  }
}

/** Checks the method, and that the path has one of the four forms of a request target (RFC 9112 §3.2). */
function checkTarget(method: string, path: string): void {
  if (typeof method !== 'string' || !isToken(method)) throw invalidChoice('method', 'a token such as GET', method)
  if (typeof path !== 'string') throw invalidOption('path', 'a string', path)
  const form =
    path.charCodeAt(0) === 0x2f || method === 'CONNECT' || ABSOLUTE.test(path) || (path === '*' && method === 'OPTIONS')
  if (!form) throw invalidOption('path', 'an absolute URL or start with a slash', path)
  if (path === '' || INVALID_TARGET.test(path)) {
    throw invalidArgument('path contains a character that is not allowed in a request target: percent-encode it')
  }
}
