import type * as buffers from 'node:buffer'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Timings } from '../errors/timings.js'
import type { IncomingHttpHeaders } from '../exchange/documented.js'

/**
 * Results of `request`, `stream`, `pipeline`, `connect` and `upgrade` by the names of undici's `Dispatcher.md`. They are
 * assignable to undici's types, so that programs typed against undici compile.
 */

/**
 * `Type`, or `any` where TypeScript has erased the type parameter `Opaque`: it does so when it compares overloads. Thus
 * methods are assignable to those of undici's types, some of which contradict each other. Source: a dispatcher with
 * `body: never` of undici 8, and with `signal: unknown` of Node's types 20.
 */
// biome-ignore lint/suspicious/noExplicitAny: with `Type`, dispatchers do not fit Node's types; with `unknown` or `never`, sluice does not compile
export type UnlessErased<Opaque, Type> = 0 extends 1 & Opaque ? any : Type

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
  blob(): Promise<buffers.Blob>
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
  body: UnlessErased<Opaque, ResponseBody>
  /** Trailers of the response. Empty until the body has ended. */
  trailers: Record<string, string>
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
  /** Context of the request, as passed to `onRequestStart`: what interceptors provide about it. */
  context: object
  /** Times of the request, with the option `timings`. Specific to sluice. */
  timings?: Timings
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
