import type { Duplex, Readable } from 'node:stream'
import type { Timings } from '../errors/timings.js'
import type { SharedTimeouts, Timeouts } from './deadlines.js'

/**
 * Types of `dispatch` by the names of undici's `Dispatcher.md`, with additional optional members. They are assignable to
 * undici's types and vice versa, so that programs typed against undici compile.
 */

/** Response headers by lower-case name. A header that occurs more than once has an array of values. */
export type IncomingHttpHeaders = Record<string, string | string[] | undefined>

/** Request headers by name. */
export type OutgoingHttpHeaders = Record<string, number | string | string[] | undefined>

/** Request headers: an object, a flat array (name, value, name, value, …), or an iterable of [name, value] pairs. */
export type RequestHeaders = OutgoingHttpHeaders | string[] | Iterable<[string, string | string[] | undefined]> | null

/** Request method (RFC 9110 §9). Any token is valid; editors suggest the registered ones. */
export type HttpMethod =
  | 'GET'
  | 'HEAD'
  | 'POST'
  | 'PUT'
  | 'DELETE'
  | 'CONNECT'
  | 'OPTIONS'
  | 'TRACE'
  | 'PATCH'
  | 'QUERY'
  | (string & Record<never, never>)

/** FormData of the runtime or of a package. */
export interface FormDataLike {
  append(name: string, value: unknown, fileName?: string): void
  set(name: string, value: unknown, fileName?: string): void
  // biome-ignore lint/suspicious/noExplicitAny: a string or a File, and there is more than one File
  get(name: string): any
  // biome-ignore lint/suspicious/noExplicitAny: strings or Files, and there is more than one File
  getAll(name: string): any[]
  has(name: string): boolean
  delete(name: string): void
  // biome-ignore lint/suspicious/noExplicitAny: as above
  forEach(callback: (value: any, key: string, form: any) => void, thisArg?: unknown): void
  // biome-ignore lint/suspicious/noExplicitAny: each declaration has a type of its own for iterators
  keys(): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  values(): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  entries(): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  [Symbol.iterator](): any
  readonly [Symbol.toStringTag]: string
}

/**
 * Options of a request as interceptors and custom dispatchers receive them. `dispatch` accepts more: `DispatchInput`.
 * Source: undici's `Dispatcher.md`.
 */
export interface DispatchOptions {
  /** Origin of the server. Required by an Agent. Default: the origin of the dispatcher. */
  origin?: string | URL
  /** Request target: starts with a slash, or is an absolute URL. With the query, unless the option `query` is set. */
  path: string
  /** Request method (RFC 9110 §9), case-sensitive. */
  method: HttpMethod
  /** Request body. A string is sent as UTF-8. Default: none. */
  body?: string | Buffer | Uint8Array | Readable | null | FormDataLike
  /** Request headers. Default: none. */
  headers?: RequestHeaders
  /** Query parameters, URL-encoded and appended to `path`; an array repeats the name. Default: none. */
  // biome-ignore lint/suspicious/noExplicitAny: an object of an interface's type has no index signature of `unknown`
  query?: Record<string, any>
  /** Whether the server may execute the request twice, so that pipelining and retries are allowed. Default: true for GET, HEAD. */
  idempotent?: boolean
  /** Whether no request is pipelined behind this one until its response headers are received. Default: false. */
  blocking?: boolean
  /**
   * IP type of service (0 to 255) of the connection while it sends this request. Needs `socket.setTypeOfService` of the
   * runtime. Default: that of the connector.
   */
  typeOfService?: number | null
  /** Protocol to upgrade to, such as `websocket`. Default: none. */
  upgrade?: boolean | string | null
  /** Timeout in ms for the complete response headers; 0 disables it. Default: that of the client (300 000). */
  headersTimeout?: number | null
  /** Timeout in ms between two chunks of the response body; 0 disables it. Default: that of the client (300 000). */
  bodyTimeout?: number | null
  /**
   * Whether the connection is closed after the response. Default: true for HEAD, and for a body with a method that
   * expects none, such as GET; otherwise false.
   */
  reset?: boolean
  /** Whether the body is sent only after the server has responded `100 Continue`. Default: false. */
  expectContinue?: boolean
  /** Time limits of this request in ms, besides or instead of those above. Default: those of the client. Specific to sluice. */
  timeouts?: Timeouts | null
  /**
   * Object to fill with the times of this request, used for no other request; or true for a new one, which is found on
   * the result of `request` and on errors. Default: that of the client. Specific to sluice.
   */
  timings?: Partial<Timings> | boolean | null
  /**
   * Origins already attempted, which a BalancedPool avoids if it has others. The pool appends the origin that it
   * chooses. Default: none. Specific to sluice.
   */
  tried?: string[] | null
}

/** Headers or trailers as received: name, value, name, value, …; null before. Other dispatchers may provide Buffers or an object. */
export type RawHeaders = Buffer[] | string[] | IncomingHttpHeaders | null

/** Controls a request: aborts it, and pauses and resumes its response. */
export interface DispatchController {
  /** Whether {@link abort} was called. */
  get aborted(): boolean
  /** Whether the response is paused: true between {@link pause} and {@link resume}. */
  get paused(): boolean
  /** Reason of the abort, or null. */
  get reason(): Error | null
  /** Response headers as received: name, value, name, value, … */
  rawHeaders?: RawHeaders
  /** Trailers as received: name, value, name, value, … */
  rawTrailers?: RawHeaders
  /** Times of the request; null unless the option `timings` is set. Specific to sluice. */
  readonly timings?: Timings | null
  /** Whether an interceptor decodes the body, so that its bytes differ from those received. Specific to sluice. */
  readonly bodyDecoded?: boolean
  /** Total timeout and deadline that all attempts of the request share; null without one. Specific to sluice. */
  readonly timeouts?: SharedTimeouts | null
  /** Aborts the request. Calls `onResponseError` once, unless the request is already completed. */
  abort(reason?: Error): void
  /** Stops calls of `onResponseData`, and reading from the socket, until {@link resume}. */
  pause(): void
  /** Continues after {@link pause}. */
  resume(): void
}

/** Callbacks of a request. Source: undici's `Dispatcher.md`. */
export interface DispatchHandler {
  /** Called when the request is accepted and queued: `controller` can abort it from now on. Specific to sluice. */
  onRequestQueued?: ((controller: DispatchController) => void) | undefined
  /** Called before the request is sent, and again before each automatic replay. */
  // biome-ignore lint/suspicious/noExplicitAny: interceptors and handlers agree on the type of a context
  onRequestStart?(controller: DispatchController, context: any): void
  /** Called when the connection leaves HTTP (101, or 2xx for CONNECT). The handler owns `socket` from then on. */
  onRequestUpgrade?(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void
  /** Called when response headers are received: once per 1xx response, then once for the final response. */
  onResponseStart?(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void
  /**
   * Whether {@link onResponseData} receives zero-copy chunks, valid until it returns: copy the bytes to keep them. This
   * saves memory for long bodies. Default: false, the handler owns the chunks. Specific to sluice.
   */
  readonly borrowsChunks?: boolean
  /** Called for each chunk of the response body. The handler owns the chunk, unless it sets {@link borrowsChunks}. */
  onResponseData?(controller: DispatchController, chunk: Buffer): void
  /** Called when the response is complete. */
  onResponseEnd?(controller: DispatchController, trailers: IncomingHttpHeaders): void
  /** Called when the request has failed, as the last callback. Must not throw. */
  onResponseError?(controller: DispatchController, error: Error): void
  /** Called when the first byte of the response is received. */
  onResponseStarted?(): void
  /** Called when `chunk`, a part of the request body, was written to the socket. */
  // biome-ignore lint/suspicious/noExplicitAny: @types/node has two numbers, and by that `fetch` takes dispatchers
  onBodySent?(chunk: any, total?: any): void
  /** Called when the whole request was written to the socket. */
  onRequestSent?(): void
}
