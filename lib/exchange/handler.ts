import type { Duplex } from 'node:stream'
import type { Timings } from '../errors/timings.js'
import type { SharedTimeouts } from './deadlines.js'

/** Response headers by lower-case name. A repeated header has an array. */
export type IncomingHeaders = Record<string, string | string[]>

/** Controls a request: passed to the callbacks of its handler. Source: undici's `Dispatcher.md`. */
export interface DispatchController {
  /** Whether {@link abort} was called. */
  readonly aborted: boolean
  /** Whether the response is paused: between {@link pause} and {@link resume}. */
  readonly paused: boolean
  /** Reason the request was aborted with, or `null`. */
  readonly reason: Error | null
  /** Response headers as received: name, value, name, value, …; `null` before. */
  readonly rawHeaders: string[] | null
  /** Trailers as received: name, value, name, value, …; `null` before the response has completed. */
  readonly rawTrailers: string[] | null
  /** Request timings; `null` unless the option `timings` is set. Specific to sluice. */
  readonly timings?: Timings | null
  /** Whether an interceptor decodes the body, so that its bytes differ from those received. Specific to sluice. */
  readonly bodyDecoded?: boolean
  /** Total timeout and deadline that all attempts of the request share; `null` without one. Specific to sluice. */
  readonly timeouts?: SharedTimeouts | null
  /** Aborts the request and calls `onResponseError`, unless the request has completed or failed. */
  abort(reason?: Error): void
  /** Stops `onResponseData` until {@link resume}. The connection stops reading. */
  pause(): void
  resume(): void
}

/** Callbacks of a request, with the controller as first argument. Source: undici's `Dispatcher.md`. */
export interface DispatchHandler {
  /** The request was accepted and queued; `controller` can abort it from now on. Specific to sluice. */
  onRequestQueued?: ((controller: DispatchController) => void) | undefined
  /** The request is about to be sent. Called again for each automatic replay. */
  onRequestStart?(controller: DispatchController, context: unknown): void
  /** The connection switched protocols (101, or 2xx to CONNECT). The handler owns `socket`. */
  onRequestUpgrade?(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void
  /** Response headers were received: called for each 1xx response, then for the final one. */
  onResponseStart?(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void
  /**
   * Whether {@link onResponseData} receives zero-copy chunks, valid until it returns: copy the bytes to keep them. This
   * saves memory for long bodies. Default: `false`, the handler owns the chunks. Specific to sluice.
   */
  readonly borrowsChunks?: boolean
  /**
   * A chunk of the response body was received. The handler owns its memory, unless it has set {@link borrowsChunks}.
   */
  onResponseData?(controller: DispatchController, chunk: Buffer): void
  /** The response has completed. */
  onResponseEnd?(controller: DispatchController, trailers: IncomingHeaders): void
  /** The request failed. This is the last callback. Must not throw. */
  onResponseError?(controller: DispatchController, error: Error): void
  /** The first byte of the response was received. */
  onResponseStarted?(): void
  /** A chunk of the request body was passed to the socket. */
  onBodySent?(chunk: Buffer): void
  /** The complete request was passed to the socket. */
  onRequestSent?(): void
}

/** Callbacks of a request in undici's legacy form. */
export interface LegacyDispatchHandler {
  onConnect?(abort: (reason?: Error) => void, context?: unknown): void
  onUpgrade?(statusCode: number, headers: Buffer[] | string[] | null, socket: Duplex): void
  onHeaders?(statusCode: number, headers: Buffer[], resume: () => void, statusText: string): boolean | void
  onData?(chunk: Buffer): boolean | void
  onComplete?(trailers: string[] | Buffer[] | null): void
  onError?(error: Error): void
  onResponseStarted?(): void
  /** Receives the chunk. Older versions passed numbers of bytes, as @types/node still declares. */
  // biome-ignore lint/suspicious/noExplicitAny: both
  onBodySent?(...sent: any[]): void
  onRequestSent?(): void
}
