import type { Readable } from 'node:stream'
import { booleanOption, milliseconds, typeOfService } from '../errors/option-checks.js'
import { invalidArgument, invalidOption } from '../errors.js'
import { flattenHeaders, type HeadersInput } from '../wire/headers.js'
import { encodeRequestHead, headText, type RequestHead } from '../wire/request-head.js'
import { checkTimeouts, type TimeLimits, timeLimitsOf } from './deadlines.js'
import type { DispatchOptions } from './documented.js'
import { sampleRequestOptions } from './option-names.js'
import { withQuery } from './query.js'
import { type RequestBody, toRequestBody } from './request-body.js'
import { RequestTimings } from './request-timings.js'

export type { DispatchOptions }

/** Values accepted as request body. A FormData is sent as `multipart/form-data`, a URLSearchParams as a form. */
export type BodyInput =
  | string
  | Uint8Array
  | ArrayBuffer
  | ArrayBufferView
  | Readable
  | AsyncIterable<unknown>
  | Iterable<unknown>
  | Blob
  | null

type Nullable<Options> = { [Name in keyof Options]: Options[Name] | null | undefined }
type Optional = Omit<DispatchOptions, 'origin' | 'path' | 'method' | 'body' | 'headers'>

/**
 * Options of a request as `dispatch` and `request` accept them: {@link DispatchOptions} with more kinds of bodies and
 * headers, and null or undefined for defaults.
 */
export interface DispatchInput extends Pick<DispatchOptions, 'origin' | 'path'>, Nullable<Optional> {
  /** Request method (RFC 9110 §9), case-sensitive. */
  method: string
  /** Request body. A string is sent as UTF-8. Default: none. */
  body?: BodyInput | undefined
  /** Request headers. Default: none. */
  headers?: HeadersInput
}

/** Defaults of a request, from its client. */
export interface RequestDefaults {
  host: string
  origin: string
  /** ms */
  headersTimeout: number
  /** ms */
  bodyTimeout: number
  strictContentLength: boolean
  /** Time limits other than those for headers and body. Default: none. */
  limits?: TimeLimits | null
  /** Whether to measure timings. Default: `false`. */
  timings?: boolean
  /** Head of the last request that had only method and path. The next one is often the same. */
  lastPlain?: { readonly method: string; readonly path: string; readonly head: RequestHead }
  /** Last request of {@link requestOf} that can be shared. */
  lastShared?: Request
}

const NO_HEADERS: readonly string[] = []
const NO_TIMEOUTS = /* @__PURE__ */ checkTimeouts(null)

/**
 * Returns the request for `options`. Requests with only method and path share one object: creating and reading one per
 * request was a tenth of the cost of a pipelined request.
 * @throws {InvalidArgumentError | NotSupportedError | RequestContentLengthMismatchError}
 */
export function requestOf(options: DispatchInput, defaults: RequestDefaults): Request {
  sampleRequestOptions(options)
  if (!isPlain(options)) return new Request(options, defaults)
  const { method, path } = options
  const { lastShared } = defaults
  if (lastShared !== undefined && lastShared.method === method && lastShared.path === path) return lastShared
  // A getter of `options` may return another value the second time, which all sharing requests would be sent with.
  const request = new Request(bareOptions(method, path), defaults)
  return request.timings === null ? request.share() : request
}

/** Creates options without a prototype, so that values put into `Object.prototype` are no options. */
function bareOptions(method: string, path: string): DispatchInput {
  return { __proto__: null, method, path } as DispatchInput
}

/** Whether `options` have only a method and a path. */
function isPlain(options: DispatchInput): boolean {
  const { maxRedirections } = options as { maxRedirections?: unknown }
  return (
    (options.body ?? options.headers ?? options.query ?? options.upgrade ?? options.timeouts ?? null) === null &&
    (options.headersTimeout ?? options.bodyTimeout ?? options.timings ?? options.typeOfService ?? null) === null &&
    (options.idempotent ?? options.blocking ?? options.reset ?? options.expectContinue ?? null) === null &&
    (maxRedirections ?? null) === null
  )
}

/** A validated and encoded request. */
export class Request {
  readonly method: string
  readonly path: string
  readonly origin: string
  head: RequestHead
  body: RequestBody | null
  readonly idempotent: boolean
  readonly blocking: boolean
  readonly upgrade: string | null
  readonly headersTimeout: number
  readonly bodyTimeout: number
  readonly reset: boolean
  /** `null`: the default of the connection. */
  readonly typeOfService: number | null
  readonly limits: TimeLimits | null
  readonly timings: RequestTimings | null
  readonly #defaults: RequestDefaults
  #givenBody: RequestBody | null
  readonly #expectContinue: boolean
  /** Whether the caller gave `reset: false`. */
  readonly #resetDisabled: boolean
  #headers: readonly string[] = NO_HEADERS
  /** Whether several exchanges may use this object. */
  #mayBeShared = false

  /** @throws {InvalidArgumentError | NotSupportedError | RequestContentLengthMismatchError} */
  constructor(options: DispatchInput, defaults: RequestDefaults) {
    const { method, query } = options
    if (typeof method !== 'string') throw invalidOption('method', 'a string', method)
    if (typeof options.path !== 'string') throw invalidOption('path', 'a string', options.path)
    this.method = method
    this.path = query === undefined || query === null ? options.path : withQuery(options.path, query)
    this.origin = defaults.origin
    const body = method === 'CONNECT' ? checkConnectBody(options.body) : toRequestBody(options.body)
    this.upgrade = upgradeOf(options.upgrade, method)
    this.idempotent = booleanOption('idempotent', options.idempotent, method === 'GET' || method === 'HEAD')
    this.blocking = booleanOption('blocking', options.blocking, false) || this.upgrade !== null
    this.reset = booleanOption('reset', options.reset, false)
    this.#resetDisabled = options.reset === false
    const timeouts = options.timeouts == null ? NO_TIMEOUTS : checkTimeouts(options.timeouts)
    this.headersTimeout = milliseconds(
      'headersTimeout',
      options.headersTimeout ?? timeouts.headers,
      defaults.headersTimeout,
    )
    this.bodyTimeout = milliseconds('bodyTimeout', options.bodyTimeout ?? timeouts.body, defaults.bodyTimeout)
    this.limits = timeouts === NO_TIMEOUTS ? (defaults.limits ?? null) : timeLimitsOf(timeouts, defaults.limits ?? null)
    const timings = options.timings ?? defaults.timings ?? false
    this.timings = timings === false ? null : new RequestTimings(timings)
    this.typeOfService = typeOfService(options.typeOfService)
    rejectMaxRedirections(options as object)
    this.#defaults = defaults
    this.#givenBody = body
    this.#expectContinue = booleanOption('expectContinue', options.expectContinue, false)
    const { headers } = options
    const plain = body === null && this.upgrade === null && !this.#expectContinue && (headers ?? null) === null
    if (!plain) this.#headers = withContentType(flattenHeaders(headers), body)
    this.head = plain ? this.#plainHead() : this.#encode(this.#headers)
    this.body = body !== null && this.head.framing === 'chunked' ? asIterable(body) : body
  }

  /** Headers as given: name, value, name, value, … */
  get headers(): readonly string[] {
    return this.#headers
  }

  /** Lets {@link requestOf} return this object for all equal requests. It must have only method and path. */
  share(): this {
    this.#mayBeShared = true
    this.#defaults.lastShared = this
    return this
  }

  /**
   * Returns the same request with other headers.
   * @throws the same as the constructor; this request stays unchanged
   */
  withHeaders(headers: HeadersInput): Request {
    const { method, path } = this
    const request = this.#mayBeShared ? new Request(bareOptions(method, path), this.#defaults) : this
    request.#replaceHeaders(headers)
    return request
  }

  #replaceHeaders(headers: HeadersInput): void {
    const flat = flattenHeaders(headers)
    this.head = this.#encode(flat)
    this.#headers = flat
    if (this.body !== null && this.head.framing === 'chunked') this.body = asIterable(this.body)
  }

  #plainHead(): RequestHead {
    const { method, path } = this
    const known = this.#defaults.lastPlain
    if (known !== undefined && known.method === method && known.path === path) return known.head
    const head = this.#encode(NO_HEADERS)
    this.#defaults.lastPlain = { method, path, head }
    return head
  }

  #encode(headers: readonly string[]): RequestHead {
    const given = this.#givenBody
    return encodeRequestHead({
      method: this.method,
      path: this.path,
      host: this.#defaults.host,
      headers,
      hasBody: given !== null,
      bodyLength: given === null ? 0 : given.length,
      upgrade: this.upgrade,
      expectContinue: this.#expectContinue,
      strictContentLength: this.#defaults.strictContentLength,
    })
  }

  /** Returns the request head as sent, with its `connection` header. `close`: no other request will follow. */
  headText(close: boolean): string {
    if (this.upgrade !== null && this.method !== 'CONNECT') return headText(this.head, 'upgrade')
    return close ? headText(this.head, 'close') : this.head.kept
  }

  /**
   * Whether the connection must be closed after this request, because a misbehaving server could send or read too much:
   * a body in the response to HEAD, or a request body that the method does not expect. Callers can keep the connection
   * by `reset: false`.
   */
  get closesConnection(): boolean {
    const { close, unexpectedBody } = this.head
    return close || this.reset || (!this.#resetDisabled && (unexpectedBody || this.method === 'HEAD'))
  }

  /** Value of the `host` header. */
  get hostHeader(): string {
    return this.head.host
  }

  /** Whether the body still has the length it had at dispatch: a caller can transfer or resize its memory. */
  get bodyIntact(): boolean {
    const given = this.#givenBody
    return given?.kind !== 'bytes' || given.bytes.length === given.length
  }

  /**
   * Copies the body, so that a repeatable request does not depend on the caller's memory. Returns `false` for another
   * request with such a body: it can not be sent again once the caller was notified that it was sent.
   */
  copyBodyForReplay(): boolean {
    const given = this.#givenBody
    if (given?.kind !== 'bytes' || !given.shared) return true
    if (!this.idempotent) return false
    const bytes = given.bytes.slice()
    this.#givenBody = { ...given, bytes, shared: false }
    this.body = this.head.framing === 'chunked' ? asIterable(this.#givenBody) : this.#givenBody
    return true
  }

  /** Whether the body, if any, can be sent a second time. */
  get replayable(): boolean {
    const body = this.body
    return body === null || body.kind === 'bytes' || (body.kind === 'iterable' && body.replayable)
  }
}

function withContentType(headers: string[], body: RequestBody | null): string[] {
  if (body === null || body.type === null) return headers
  for (let i = 0; i < headers.length; i += 2) if (headers[i]?.toLowerCase() === 'content-type') return headers
  headers.push('content-type', body.type)
  return headers
}

/** Converts bytes for chunked transfer encoding, which the caller's headers request. */
function asIterable(body: RequestBody): RequestBody {
  if (body.kind !== 'bytes') return body
  return { kind: 'iterable', iterable: [body.bytes], length: null, replayable: true, type: body.type }
}

function upgradeOf(upgrade: unknown, method: string): string | null {
  if (method === 'CONNECT') return 'CONNECT'
  if (upgrade === undefined || upgrade === null || upgrade === false) return null
  if (upgrade === true) return 'websocket'
  if (typeof upgrade !== 'string' || upgrade === '') throw invalidOption('upgrade', 'a protocol name', upgrade)
  return upgrade
}

/** Rejects a body of CONNECT. It would be read as another request, or sent through the tunnel (RFC 9110 §9.3.6). */
function checkConnectBody(body: unknown): null {
  const content = toRequestBody(body)
  if (content === null || content.length === 0) return null
  throw invalidArgument('body must not be given with CONNECT: write to the socket of the tunnel')
}

/** Rejects an option that has no effect here. */
function rejectMaxRedirections({ maxRedirections }: { maxRedirections?: unknown }): void {
  if (maxRedirections) throw invalidArgument('maxRedirections is not a request option: use interceptors.redirect()')
}
