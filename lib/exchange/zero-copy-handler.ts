import type { DispatchController, DispatchHandler } from './handler.js'

/**
 * Base class of sluice's own handlers. They copy zero-copy chunks, and chunks of Node's buffer pool, before a caller
 * receives them.
 */
export abstract class ZeroCopyHandler implements DispatchHandler {
  readonly #onResponseData = this.onResponseData

  /**
   * Whether `handler` is such a handler with its original method. A proxy, an heir, or a handler with a replaced
   * `onResponseData` gets chunks that it can keep.
   */
  static isZeroCopy(handler: DispatchHandler): handler is ZeroCopyHandler {
    return #onResponseData in handler && handler.onResponseData === handler.#onResponseData
  }

  /** Whether the handler would copy all further chunks, so that they are better read into memory of their own. */
  abstract readonly keepsChunks: boolean

  abstract onResponseError(controller: DispatchController, error: Error): void

  abstract onResponseData(controller: DispatchController, chunk: Buffer): void

  /** Receives a zero-copy chunk, valid until the call returns. */
  abstract onZeroCopyData(chunk: Buffer): void
}
