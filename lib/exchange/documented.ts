import type { Duplex, Readable } from 'node:stream'

/**
 * What undici's `Dispatcher.md` documents, in exactly the shape that programs typed against it build and read. The
 * methods of a dispatcher take more than this: see `request.ts` and `handler.ts`.
 */

/** Response fields: lower-cased names; a repeated field becomes an array. */
export type IncomingHttpHeaders = Record<string, string | string[] | undefined>

/** Request fields by name. */
export type OutgoingHttpHeaders = Record<string, number | string | string[] | undefined>

/** Request fields: by name; name, value, name, value, …; or in pairs. */
export type RequestHeaders = OutgoingHttpHeaders | string[] | Iterable<[string, string | string[] | undefined]> | null

/** A method (RFC 9110 §9): editors propose the known ones, any other is as good. */
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

/** A FormData, whoever's: that of the runtime or of a package. */
export interface FormDataLike {
  append(name: string, value: unknown, fileName?: string): void
  set(name: string, value: unknown, fileName?: string): void
  // biome-ignore lint/suspicious/noExplicitAny: a string or a File, and there is more than one File
  get(name: string): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
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

/** Options of one request. Source: undici's `Dispatcher.md`. */
export interface DispatchOptions {
  /** Where to; only an Agent needs it. Default: the dispatcher's own. */
  origin?: string | URL
  /** Request target: starts with a slash, or is an absolute URL. */
  path: string
  /** Any method (RFC 9110 §9), in capitals as it is to be sent. */
  method: HttpMethod
  /** Default: none. */
  body?: string | Buffer | Uint8Array | Readable | null | FormDataLike
  /** Default: none. */
  headers?: RequestHeaders
  /** Appended to the path, encoded. Default: none. */
  // biome-ignore lint/suspicious/noExplicitAny: an object of an interface's type has no index signature of `unknown`
  query?: Record<string, any>
  /** It may be executed twice: it can be pipelined, and sent again. Default: true for GET and HEAD. */
  idempotent?: boolean
  /** Nothing is pipelined behind it before its head came. Default: false. */
  blocking?: boolean
  /** IP type of service of the connection while it sends this request, 0 to 255. Default: that of the connector. */
  typeOfService?: number | null
  /** Protocol to change to, such as `websocket`. Default: none. */
  upgrade?: boolean | string | null
  /** ms until the whole response head came; 0 for no limit. Default: the client's. */
  headersTimeout?: number | null
  /** ms between two pieces of the response body; 0 for no limit. Default: the client's. */
  bodyTimeout?: number | null
  /** Close the connection after it. Default: false. */
  reset?: boolean
  /** Send the body only when the server said `100 Continue`. Default: false. */
  expectContinue?: boolean
}

/** What a handler steers its request with. */
export interface DispatchController {
  /** True once {@link abort} was called. */
  get aborted(): boolean
  /** True between {@link pause} and {@link resume}. */
  get paused(): boolean
  /** What the request was aborted with, or null. */
  get reason(): Error | null
  /** Response fields as sent, in order: name, value, name, value, … */
  rawHeaders?: Buffer[] | string[] | IncomingHttpHeaders | null
  /** Trailers as sent, in order. */
  rawTrailers?: Buffer[] | string[] | IncomingHttpHeaders | null
  /** Gives the request up. The handler hears `onResponseError` once, unless it heard an end already. */
  abort(reason: Error): void
  /** Stops `onResponseData` until {@link resume}; the connection stops reading. */
  pause(): void
  resume(): void
}

/** The callbacks of one request. */
export interface DispatchHandler {
  /** The request is about to be written. Again with each automatic replay. */
  // biome-ignore lint/suspicious/noExplicitAny: what a context is, is between a handler and whoever calls it
  onRequestStart?(controller: DispatchController, context: any): void
  /** The connection left HTTP (101, or 2xx to CONNECT); `socket` is the caller's from here on. */
  onRequestUpgrade?(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void
  /** A head came: once per 1xx, then once for the final one. */
  onResponseStart?(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void
  /** A piece of the body; the handler owns it. */
  onResponseData?(controller: DispatchController, chunk: Buffer): void
  onResponseEnd?(controller: DispatchController, trailers: IncomingHttpHeaders): void
  /** The last call when the request failed. Must not throw. */
  onResponseError?(controller: DispatchController, error: Error): void
  /** The first byte of the response came. */
  onResponseStarted?(): void
  /** `chunk`, a piece of the request body, was handed to the socket. */
  // biome-ignore lint/suspicious/noExplicitAny: @types/node has two numbers, and by that `fetch` takes dispatchers
  onBodySent?(chunk: any, total?: any): void
  /** The whole request was handed to the socket. */
  onRequestSent?(): void
}
