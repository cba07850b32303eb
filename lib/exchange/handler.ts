import type { Duplex } from 'node:stream'
import type { Timings } from '../errors/timings.js'
import type { SharedTimeouts } from './deadlines.js'

/** Response fields: lower-cased names; a repeated field becomes an array. */
export type IncomingHeaders = Record<string, string | string[]>

/** What a handler steers its request with. Source: undici's `Dispatcher.md`. */
export interface DispatchController {
  /** True once {@link abort} was called. */
  readonly aborted: boolean
  /** True between {@link pause} and {@link resume}. */
  readonly paused: boolean
  /** What the request was aborted with, or null. */
  readonly reason: Error | null
  /** Response fields as sent, in order: name, value, name, value, …; null before they came. */
  readonly rawHeaders: string[] | null
  /** Trailers as sent, in order; null before the end. */
  readonly rawTrailers: string[] | null
  /** When what happened; null without the option of that name. An addition to undici's set. */
  readonly timings?: Timings | null
  /** True when an interceptor decodes the body, so that its bytes are not those that were sent. Specific to sluice. */
  readonly bodyDecoded?: boolean
  /** The time limit that all attempts of the request share; null when it has none. Specific to sluice. */
  readonly timeouts?: SharedTimeouts | null
  /** Gives the request up. The handler hears `onResponseError` once, unless it heard an end already. */
  abort(reason?: Error): void
  /** Stops `onResponseData` until {@link resume}; the connection stops reading. */
  pause(): void
  resume(): void
}

/** The callbacks of one request, controller first. Source: undici's `Dispatcher.md`. */
export interface DispatchHandler {
  /** The request was accepted and waits; `controller` can already abort it. An addition to undici's set. */
  onRequestQueued?: ((controller: DispatchController) => void) | undefined
  /** The request is about to be written. Again with each automatic replay. */
  onRequestStart?(controller: DispatchController, context: unknown): void
  /** The connection left HTTP (101, or 2xx to CONNECT); `socket` is the caller's from here on. */
  onRequestUpgrade?(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void
  /** A head came: once per 1xx, then once for the final one. */
  onResponseStart?(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void
  /**
   * True: the chunks of {@link onResponseData} are lent. They are read where the socket left them, and hold other bytes
   * once the call is over; who needs them longer copies. Long bodies cost no memory then. Default: chunks are the
   * handler's to keep. An addition to undici's set.
   */
  readonly borrowsChunks?: boolean
  /** A piece of the body; the handler owns it, unless it {@link borrowsChunks}. */
  onResponseData?(controller: DispatchController, chunk: Buffer): void
  /** All of the response came. */
  onResponseEnd?(controller: DispatchController, trailers: IncomingHeaders): void
  /** The last call when the request failed. Must not throw. */
  onResponseError?(controller: DispatchController, error: Error): void
  /** The first byte of the response came. */
  onResponseStarted?(): void
  /** A piece of the request body was handed to the socket. */
  onBodySent?(chunk: Buffer): void
  /** The whole request was handed to the socket. */
  onRequestSent?(): void
}

/** The callbacks of one request in their older form. */
export interface LegacyDispatchHandler {
  onConnect?(abort: (reason?: Error) => void, context?: unknown): void
  onUpgrade?(statusCode: number, headers: Buffer[] | string[] | null, socket: Duplex): void
  onHeaders?(statusCode: number, headers: Buffer[], resume: () => void, statusText: string): boolean | void
  onData?(chunk: Buffer): boolean | void
  onComplete?(trailers: string[] | Buffer[] | null): void
  onError?(error: Error): void
  onResponseStarted?(): void
  /** Told of the chunk; it had numbers of bytes once, and is declared so still in @types/node. */
  // biome-ignore lint/suspicious/noExplicitAny: both
  onBodySent?(...sent: any[]): void
  onRequestSent?(): void
}
