import { invalidArgument, invalidChoice, invalidOption, NotSupportedError } from '../errors.js'
import { type Framing, requestFraming } from './framing.js'
import { isFieldValue, isToken } from './headers.js'

/** A request head; {@link headText} writes it, as its `connection` field is known only when it is sent. */
export interface RequestHead {
  /** Request line and `host` field, each ended by CRLF, in latin1. */
  readonly start: string
  /** Connection options of the caller's, each behind a comma. */
  readonly options: string
  /** All other fields, each ended by CRLF. */
  readonly fields: string
  /** The complete head for a connection that is kept: one string for all requests that share the head. */
  readonly kept: string
  /** The `host` field; the origin's host where the target of CONNECT took its place. */
  readonly host: string
  /** The caller gave `connection: close`: nothing may follow on the connection. */
  readonly close: boolean
  /** It has a body, and its method expects none. */
  readonly unexpectedBody: boolean
  readonly framing: Framing
  /** Bytes of the body; -1 without one, and when they are not known before its end. */
  readonly contentLength: number
  /** The body waits for `100 Continue`. */
  readonly expectContinue: boolean
}

export interface RequestHeadInput {
  method: string
  path: string
  /** Host of the origin, for when the caller gives none. */
  host: string
  /** Checked fields: name, value, name, value, … */
  headers: readonly string[]
  hasBody: boolean
  /** null: not known. */
  bodyLength: number | null
  upgrade: string | null
  expectContinue: boolean
  strictContentLength: boolean
}

/** RFC 3986: a target is printable ASCII; what lies beyond is read in as many ways as there are servers. */
const INVALID_TARGET = /[^\x21-\x7e]/
const INVALID_HOST = /[^\x21-\x7e]|[/?#@\\]/
const ABSOLUTE = /^https?:\/\//i

/** Fields that must reach the server: named by `connection`, a proxy would remove them (RFC 9110 §7.6.1). */
const END_TO_END_FIELDS = new Set(['host', 'content-length', 'transfer-encoding'])

/** The complete head. */
export function headText(
  { start, options, fields }: Pick<RequestHead, 'start' | 'options' | 'fields'>,
  connection: 'keep-alive' | 'close' | 'upgrade',
): string {
  return `${start}connection: ${connection}${options}\r\n${fields}\r\n`
}

/** What the caller's own fields say about the connection and the framing. */
class FramingFields {
  host: string | null = null
  close = false
  /** Connection options that are sent as they are, each behind a comma. */
  options = ''
  expectContinue = false
  readonly contentLengths: string[] = []
  readonly transferEncodings: string[] = []

  /** Takes a field that is not sent as it is; returns false for all others. */
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
      throw new NotSupportedError('expect header: only 100-continue is supported')
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

/** @throws {InvalidArgumentError} it can not be what `host` says */
export function checkHost(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !INVALID_HOST.test(value)) return value
  throw invalidOption(name, 'a host with an optional port', value)
}

/**
 * Writes a head once and for all; nothing of the caller's reaches it unchecked.
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
  // RFC 9112 §3.2: of a target that is an authority, that.
  const sent = method === 'CONNECT' && special.host === null && !INVALID_HOST.test(path) ? path : host
  // RFC 9110 §10.1.1: never without content.
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

/** RFC 9112 §3.2: the four forms of a request target. */
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
