import type { Blob } from 'node:buffer'
import type { EventEmitter } from 'node:events'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { DispatchOptions, IncomingHttpHeaders, RequestHeaders } from '../exchange/documented.js'

/**
 * Types of `request`, `stream`, `pipeline`, `connect` and `upgrade` in exactly the shape of undici's `Dispatcher.md`,
 * so that programs typed against undici compile.
 */

/** Options of `request` and `stream`. */
export interface RequestOptions<Opaque = null> extends DispatchOptions {
  /** Value that is copied to the result. Default: null. */
  opaque?: Opaque
  /** Aborts the request with the signal's reason. Default: none. */
  signal?: AbortSignal | EventEmitter | null
  /** Callback for each informational (1xx) response, such as 103 Early Hints. Default: none. */
  onInfo?: (info: { statusCode: number; headers: Record<string, string | string[]> }) => void
  /** `raw` returns the headers as a flat array: name, value, name, value, … Default: an object. */
  responseHeaders?: 'raw' | null
  /** Bytes of the response body to buffer before reading from the socket stops. Default: 65 536. */
  highWaterMark?: number
}

/** Options of `pipeline`. */
export interface PipelineOptions<Opaque = null> extends RequestOptions<Opaque> {
  /** Whether the stream that the handler returns is in object mode. Default: false. */
  objectMode?: boolean
}

/** Options of `connect`. */
export interface ConnectOptions<Opaque = null> {
  /** Origin of the server, such as `http://proxy.example:3128`. */
  origin: string | URL
  /** Target of the tunnel as `host:port`. */
  path: string
  /** Request headers. Default: none. */
  headers?: RequestHeaders
  /** Aborts the request with the signal's reason. Default: none. */
  signal?: AbortSignal | EventEmitter | null
  /** Value that is copied to the result. Default: null. */
  opaque?: Opaque
  /** `raw` returns the headers as a flat array: name, value, name, value, … Default: an object. */
  responseHeaders?: 'raw' | null
}

/** Options of `upgrade`. */
export interface UpgradeOptions {
  /** Request path; starts with a slash. */
  path: string
  /** Request method. Default: `GET`. */
  method?: string
  /** Request headers. Default: none. */
  headers?: RequestHeaders
  /** Value of the `upgrade` header: protocols in order of preference, separated by commas. Default: `Websocket`. */
  protocol?: string
  /** Aborts the request with the signal's reason. Default: none. */
  signal?: AbortSignal | EventEmitter | null
  /** `raw` returns the headers as a flat array: name, value, name, value, … Default: an object. */
  responseHeaders?: 'raw' | null
}

/** Result of `connect`. */
export interface ConnectData<Opaque = null> {
  /** Status code of the response. */
  statusCode: number
  /** Response headers by lower-case name; a flat array with `responseHeaders: 'raw'`. */
  headers: IncomingHttpHeaders
  /** Socket of the connection. The caller owns it and must close it. */
  socket: Duplex
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
}

/** Result of `upgrade`. */
export interface UpgradeData<Opaque = null> {
  /** Status code of the response: 101. Specific to sluice. */
  statusCode?: number
  /** Response headers by lower-case name; a flat array with `responseHeaders: 'raw'`. */
  headers: IncomingHttpHeaders
  /** Socket of the connection. The caller owns it and must close it. */
  socket: Duplex
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
}

/** Body mixin of the Fetch standard: reads a whole body in one format. */
export interface BodyMixin {
  /** The body as a web `ReadableStream`. */
  // biome-ignore lint/suspicious/noExplicitAny: undici declares `never`, and bodies of either must be assignable to the other's type
  readonly body?: any
  /** Whether reading the body has begun. */
  readonly bodyUsed: boolean
  /** Reads the body as an ArrayBuffer. */
  arrayBuffer(): Promise<ArrayBuffer>
  /** Reads the body as a Blob with the content type of the response. */
  blob(): Promise<Blob>
  /** Reads the body as a Uint8Array. */
  bytes(): Promise<Uint8Array>
  /** Parses the body as `multipart/form-data` or `application/x-www-form-urlencoded`. */
  formData(): Promise<FormData>
  /** Overload with undici's declaration, so that results of sluice are assignable to undici's types. */
  formData(): Promise<never>
  /** Parses the body as JSON. Rejects with a SyntaxError if it is invalid or empty. */
  json(): Promise<unknown>
  /** Decodes the body as UTF-8, without its byte order mark. */
  text(): Promise<string>
}

/** Response body: a Readable stream with the body mixin of the Fetch standard. */
export interface ResponseBody extends Readable, BodyMixin {
  // biome-ignore lint/suspicious/noExplicitAny: undici declares `never`, and bodies of either must be assignable to the other's type
  readonly body: any
  /** Discards the body so that its connection is reused. Closes the connection instead beyond `limit` bytes (default: 131 072). */
  dump(options?: { limit: number; signal?: AbortSignal }): Promise<void>
}

/** Result of `request`. */
export interface ResponseData<Opaque = null> {
  /** Status code of the response. */
  statusCode: number
  /** Reason phrase of the response; empty if the server sent none. */
  statusText: string
  /** Response headers by lower-case name; a flat array with `responseHeaders: 'raw'`. */
  headers: IncomingHttpHeaders
  /** Response body. Read it, or call `dump()`, so that the connection is reused. */
  body: ResponseBody
  /** Trailers of the response. Empty until the body has ended. */
  trailers: Record<string, string>
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
  /** Context of the request, as passed to `onRequestStart`: what interceptors provide about it. */
  context: object
}

/** Result of `stream`. */
export interface StreamData<Opaque = null> {
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
  /** Trailers of the response. */
  trailers: Record<string, string>
}

/** Argument of the factory of `stream`. */
export interface StreamFactoryData<Opaque = null> {
  /** Status code of the response. */
  statusCode: number
  /** Response headers by lower-case name; a flat array with `responseHeaders: 'raw'`. */
  headers: IncomingHttpHeaders
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
  /** Context of the request, as passed to `onRequestStart`: what interceptors provide about it. */
  context: object
}

/** Returns the stream into which `stream` writes the response body. Called when the response headers are received. */
export type StreamFactory<Opaque = null> = (data: StreamFactoryData<Opaque>) => Writable

/** Argument of the handler of `pipeline`. */
export interface PipelineHandlerData<Opaque = null> {
  /** Status code of the response. */
  statusCode: number
  /** Response headers by lower-case name; a flat array with `responseHeaders: 'raw'`. */
  headers: IncomingHttpHeaders
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
  /** Response body. Read it, or call `dump()`, so that the connection is reused. */
  body: ResponseBody
  /** Context of the request, as passed to `onRequestStart`: what interceptors provide about it. */
  context: object
}

/** Returns the stream whose data the duplex of `pipeline` yields. Called when the response headers are received. */
export type PipelineHandler<Opaque = null> = (data: PipelineHandlerData<Opaque>) => Readable
