import type { Blob } from 'node:buffer'
import type { EventEmitter } from 'node:events'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { DispatchOptions, IncomingHttpHeaders, RequestHeaders } from '../exchange/documented.js'

/**
 * What undici's `Dispatcher.md` documents of the methods above `dispatch`, in exactly the shape that programs typed
 * against it build and read.
 */

/** Options of `request` and `stream`. */
export interface RequestOptions<Opaque = null> extends DispatchOptions {
  /** Handed through to the result. */
  opaque?: Opaque
  /** Aborts the request. */
  signal?: AbortSignal | EventEmitter | null
  /** Called for each 1xx response. */
  onInfo?: (info: { statusCode: number; headers: Record<string, string | string[]> }) => void
  /** `raw`: the result's headers are name, value, name, value, … */
  responseHeaders?: 'raw' | null
  /** Bytes of the body held before the server is made to wait. Default: 65 536. */
  highWaterMark?: number
}

/** Options of `pipeline`. */
export interface PipelineOptions<Opaque = null> extends RequestOptions<Opaque> {
  /** What the handler returns is a stream of objects. Default: false. */
  objectMode?: boolean
}

/** Options of `connect`. */
export interface ConnectOptions<Opaque = null> {
  /** Where to. */
  origin: string | URL
  /** Authority to be connected to. */
  path: string
  headers?: RequestHeaders
  /** Aborts the request. */
  signal?: AbortSignal | EventEmitter | null
  /** Handed through to the result. */
  opaque?: Opaque
  /** `raw`: the result's headers are name, value, name, value, … */
  responseHeaders?: 'raw' | null
}

/** Options of `upgrade`. */
export interface UpgradeOptions {
  path: string
  /** Default: GET. */
  method?: string
  headers?: RequestHeaders
  /** Protocols in order of preference, separated by commas. Default: `Websocket`. */
  protocol?: string
  /** Aborts the request. */
  signal?: AbortSignal | EventEmitter | null
  /** `raw`: the result's headers are name, value, name, value, … */
  responseHeaders?: 'raw' | null
}

/** What `connect` results in. */
export interface ConnectData<Opaque = null> {
  statusCode: number
  headers: IncomingHttpHeaders
  /** The connection: the caller's from here on. */
  socket: Duplex
  opaque: Opaque
}

/** What `upgrade` results in. */
export interface UpgradeData<Opaque = null> {
  /** 101. An addition to what undici documents. */
  statusCode?: number
  headers: IncomingHttpHeaders
  /** The connection: the caller's from here on. */
  socket: Duplex
  opaque: Opaque
}

/** The body mixin of the Fetch standard. */
export interface BodyMixin {
  /** The body as a ReadableStream. */
  // biome-ignore lint/suspicious/noExplicitAny: undici declares that there is none, and its bodies are to fit
  readonly body?: any
  /** True once the body was read or begun to be. */
  readonly bodyUsed: boolean
  /** The body as an ArrayBuffer. */
  arrayBuffer(): Promise<ArrayBuffer>
  /** The body as a Blob of the response's content type. */
  blob(): Promise<Blob>
  /** The body as bytes. */
  bytes(): Promise<Uint8Array>
  /** The body parsed by its content type: `multipart/form-data` or `application/x-www-form-urlencoded`. */
  formData(): Promise<FormData>
  /** As undici, which has none, declares it: so that results of ours fit where theirs are asked for. */
  formData(): Promise<never>
  /** The body parsed as JSON. Rejects with a SyntaxError when it is none, or empty. */
  json(): Promise<unknown>
  /** The body as a string in UTF-8; a byte order mark is dropped. */
  text(): Promise<string>
}

/** A response body: a stream that can be read whole. */
export interface ResponseBody extends Readable, BodyMixin {
  // biome-ignore lint/suspicious/noExplicitAny: as in the mixin
  readonly body: any
  /** Drops the body so that its connection can be used again; past `limit` bytes the connection is given up instead. */
  dump(options?: { limit: number; signal?: AbortSignal }): Promise<void>
}

/** What `request` results in. */
export interface ResponseData<Opaque = null> {
  statusCode: number
  statusText: string
  headers: IncomingHttpHeaders
  body: ResponseBody
  /** Filled when the body ends. */
  trailers: Record<string, string>
  opaque: Opaque
  context: object
}

/** What `stream` results in. */
export interface StreamData<Opaque = null> {
  opaque: Opaque
  trailers: Record<string, string>
}

/** What a factory is told before it returns where the body goes. */
export interface StreamFactoryData<Opaque = null> {
  statusCode: number
  headers: IncomingHttpHeaders
  opaque: Opaque
  context: object
}

/** Called with the head; returns where the body is to be written. */
export type StreamFactory<Opaque = null> = (data: StreamFactoryData<Opaque>) => Writable

/** What the handler of `pipeline` is told. */
export interface PipelineHandlerData<Opaque = null> {
  statusCode: number
  headers: IncomingHttpHeaders
  opaque: Opaque
  body: ResponseBody
  context: object
}

/** Called with head and body; returns what is to be read from the duplex. */
export type PipelineHandler<Opaque = null> = (data: PipelineHandlerData<Opaque>) => Readable
