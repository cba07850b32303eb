import type { Duplex } from 'node:stream'
import type { IncomingHttpHeaders } from './documented.js'
import type { DispatchController, DispatchHandler, LegacyDispatchHandler } from './handler.js'
import { adaptInnerHandler } from './legacy-handler.js'
import { WrappingHandler } from './wrapping-handler.js'

/**
 * Handler that forwards every callback to another handler. Extend it to change some of them. Source: undici's
 * `types/handlers.d.ts`.
 */
export class DecoratorHandler extends WrappingHandler implements DispatchHandler {
  readonly #handler: DispatchHandler

  /**
   * @param handler a handler with the current or the legacy callbacks
   * @throws {InvalidArgumentError} `handler` is not a handler
   */
  constructor(handler: DispatchHandler | LegacyDispatchHandler) {
    super(handler)
    this.#handler = adaptInnerHandler(handler)
  }

  onRequestQueued(controller: DispatchController): void {
    this.#handler.onRequestQueued?.(controller)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: DispatchController, trailers: IncomingHttpHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }
}
