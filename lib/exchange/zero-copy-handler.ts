import type { DispatchController, DispatchHandler } from './handler.js'

/**
 * Base class of the library's own handlers. They copy chunks that are views of the input buffer, and those in Node's pool before
 * a caller sees them.
 */
export abstract class ZeroCopyHandler implements DispatchHandler {
  readonly #onResponseData = this.onResponseData

  /**
   * Whether `handler` is such a handler. A proxy of one, an object that inherits from one, or one whose method was
   * replaced has the `onResponseData` of a caller, who keeps chunks.
   */
  static isZeroCopy(handler: DispatchHandler): handler is ZeroCopyHandler {
    return #onResponseData in handler && handler.onResponseData === handler.#onResponseData
  }

  /** It would copy all of the chunks to come: those that can be read into memory of their own are handed over so. */
  abstract readonly keepsChunks: boolean

  abstract onResponseError(controller: DispatchController, error: Error): void

  abstract onResponseData(controller: DispatchController, chunk: Buffer): void

  /** As {@link onResponseData}, for a view: valid until this returns. */
  abstract onZeroCopyData(chunk: Buffer): void
}
