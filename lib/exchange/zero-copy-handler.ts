import type { DispatchController, DispatchHandler } from './handler.js'

/**
 * Base class of the library's own handlers, which copy chunks that are views of the window, and before a caller sees them
 * those in Node's pool. Recognized by a private
 * field: a proxy of such a handler, or an object that inherits from one, has the `onResponseData` of a caller, who
 * keeps chunks.
 */
export abstract class ZeroCopyHandler implements DispatchHandler {
  readonly #own = true

  static is(handler: DispatchHandler): handler is ZeroCopyHandler {
    return #own in handler
  }

  abstract onResponseError(controller: DispatchController, error: Error): void

  /** It would copy all of the chunks to come: those that can be read into memory of their own are handed over so. */
  abstract readonly keepsChunks: boolean

  /** As `onResponseData`, for a view: valid until this returns. */
  abstract onZeroCopyData(chunk: Buffer): void
}
