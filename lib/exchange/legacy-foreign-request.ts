import type { Duplex } from 'node:stream'
import { type ForeignDefaults, ForeignRequest } from './foreign-request.js'
import type { DispatchController, DispatchHandler, LegacyDispatchHandler } from './handler.js'
import { isLegacyHandler } from './legacy-handler.js'
import type { DispatchInput } from './request.js'

/**
 * Creates a foreign request. For a legacy handler it has the legacy callbacks too, because a dispatcher or interceptor
 * may call those.
 * @throws {InvalidArgumentError} the handler or a time limit is invalid
 */
export function createForeignRequest(
  options: DispatchInput,
  handler: DispatchHandler | LegacyDispatchHandler,
  defaults: ForeignDefaults,
): ForeignRequest {
  if (isLegacyHandler(handler)) return new LegacyForeignRequest(options, handler, defaults)
  return new ForeignRequest(options, handler, defaults)
}

class LegacyForeignRequest extends ForeignRequest implements LegacyDispatchHandler {
  readonly #legacy: LegacyDispatchHandler

  constructor(options: DispatchInput, handler: LegacyDispatchHandler, defaults: ForeignDefaults) {
    super(options, handler, defaults)
    this.#legacy = handler
  }

  onConnect(abort: (reason?: Error) => void, context?: unknown): void {
    this.onRequestStart(createController(abort), context)
  }

  onHeaders(...head: [statusCode: number, headers: Buffer[], resume: () => void, text: string]): boolean | void {
    if (this.done) return
    this.onProgress(head[0] < 200 ? 'headers' : 'body')
    return this.#callHandler(() => this.#legacy.onHeaders?.(...head))
  }

  onData(chunk: Buffer): boolean | void {
    if (!this.done) return this.#callHandler(() => this.#legacy.onData?.(chunk))
  }

  onUpgrade(statusCode: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    this.finish(
      () => this.#legacy.onUpgrade?.(statusCode, headers, socket),
      () => socket.destroy(),
    )
  }

  onComplete(trailers: string[] | Buffer[] | null): void {
    this.finish(() => this.#legacy.onComplete?.(trailers))
  }

  onError(error: Error): void {
    this.finishWithError(error)
  }

  #callHandler(callback: () => boolean | void): boolean | void {
    try {
      return callback()
    } catch (error) {
      this.onHandlerThrew(error)
    }
  }
}

function createController(abort: (reason?: Error) => void): DispatchController {
  return {
    aborted: false,
    paused: false,
    reason: null,
    rawHeaders: null,
    rawTrailers: null,
    abort,
    pause() {},
    resume() {},
  }
}
