import type { Duplex } from 'node:stream'

export type { DispatchController, DispatchHandler, RawHeaders } from './documented.js'

/** Response headers by lower-case name. A repeated header has an array. */
export type IncomingHeaders = Record<string, string | string[]>

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
