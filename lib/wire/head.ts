import { InvalidArgumentError, invalidOption, NotSupportedError } from '../errors.js'
import { type Framing, requestFraming } from './framing.js'
import { isFieldValue, isToken } from './headers.js'

/** A request head, all but its last field. */
export interface RequestHead {
  /** Request line and fields, each ended by CRLF, in latin1; {@link connectionLine} completes it. */
  readonly text: string
  /** The same, complete, for a connection that is kept: one string for all requests that share the head. */
  readonly kept: string
  /** The `host` field; the origin's host where the target of CONNECT took its place. */
  readonly host: string
  /** The caller gave `connection: close`, or a length that is not the body's: nothing may follow on the connection. */
  readonly close: boolean
  /** It has a body, and its method expects none. */
  readonly unexpectedBody: boolean
  readonly framing: Framing
  /** Bytes of the body when framed by length; otherwise -1. */
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
const BAD_TARGET = /[^\x21-\x7e]/
const BAD_HOST = /[^\x21-\x7e]|[/?#@\\]/
const ABSOLUTE = /^https?:\/\//i

const endings = {
  'keep-alive': 'connection: keep-alive\r\n\r\n',
  close: 'connection: close\r\n\r\n',
  upgrade: 'connection: upgrade\r\n\r\n',
} as const

/** The `connection` field and the end of the head: known only when the request is sent. */
export function connectionLine(kind: keyof typeof endings): string {
  return endings[kind]
}

/** What the caller's own fields say about the connection and the framing. */
class SpecialFields {
  host: string | null = null
  close = false
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
        return this.#ten(name.toLowerCase(), value, upgrade)
      case 14:
        return name.toLowerCase() === 'content-length' && this.contentLengths.push(value) > 0
      case 17:
        return name.toLowerCase() === 'transfer-encoding' && this.transferEncodings.push(value) > 0
      default:
        return false
    }
  }

  #host(value: string): true {
    if (this.host !== null) throw new InvalidArgumentError('host was given more than once')
    this.host = checkHost('host header', value)
    return true
  }

  #expect(value: string): true {
    if (value.toLowerCase() !== '100-continue') throw new NotSupportedError(`expect header ${JSON.stringify(value)}`)
    this.expectContinue = true
    return true
  }

  #upgrade(upgrade: string | null): true {
    if (upgrade === null) throw new InvalidArgumentError('invalid upgrade header: use the upgrade option')
    return true
  }

  #ten(name: string, value: string, upgrade: string | null): boolean {
    if (name === 'keep-alive') throw new InvalidArgumentError('invalid keep-alive header: the connection decides on it')
    if (name !== 'connection') return false
    const option = value.toLowerCase().trim()
    if (option === 'close') this.close = true
    else if (option !== 'keep-alive' && !(option === 'upgrade' && upgrade !== null)) {
      throw invalidOption('connection header', 'close or keep-alive', value)
    }
    return true
  }
}

/** @throws {InvalidArgumentError} it can not be what `host` says */
export function checkHost(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !BAD_HOST.test(value)) return value
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
  const special = new SpecialFields()
  let fields = ''
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!special.take(name, value, upgrade)) fields += `${name}: ${value}\r\n`
  }
  const { contentLengths, transferEncodings } = special
  const { framing, contentLength, misframed, unexpected } = requestFraming({
    method,
    hasBody,
    bodyLength: input.bodyLength,
    contentLengths,
    transferEncodings,
    strict: input.strictContentLength,
  })
  const host = special.host ?? input.host
  // RFC 9112 §3.2: of a target that is an authority, that.
  const sent = method === 'CONNECT' && special.host === null && !BAD_HOST.test(path) ? path : host
  const close = special.close || misframed
  // RFC 9110 §10.1.1: never without content.
  const expectContinue = hasBody && contentLength !== 0 && (input.expectContinue || special.expectContinue)
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${sent}\r\n${fields}`
  if (upgrade !== null && method !== 'CONNECT') text += `upgrade: ${upgrade}\r\n`
  if (framing === 'length') text += `content-length: ${contentLength}\r\n`
  else if (framing === 'chunked') text += 'transfer-encoding: chunked\r\n'
  if (expectContinue) text += 'expect: 100-continue\r\n'
  const kept = text + endings['keep-alive']
  return { text, kept, host, close, unexpectedBody: unexpected, framing, contentLength, expectContinue }
}

/** RFC 9112 §3.2: the four forms of a request target. */
function checkTarget(method: string, path: string): void {
  if (typeof method !== 'string' || !isToken(method)) throw invalidOption('method', 'a token such as GET', method)
  if (typeof path !== 'string') throw invalidOption('path', 'a string', path)
  const form =
    path.charCodeAt(0) === 0x2f || method === 'CONNECT' || ABSOLUTE.test(path) || (path === '*' && method === 'OPTIONS')
  if (!form) throw invalidOption('path', 'an absolute URL or start with a slash', path)
  if (path === '' || BAD_TARGET.test(path)) {
    throw new InvalidArgumentError('path holds a character that a request target can not carry: encode it')
  }
}
