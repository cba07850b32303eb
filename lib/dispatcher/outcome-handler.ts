import type { Duplex } from 'node:stream'
import type { Outcome } from '../balance/strategy.js'
import { now } from '../base/clock.js'
import { isServerFailure } from '../errors/faults.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'

/** Tells what becomes of a request, once. */
export class OutcomeHandler extends DecoratorHandler {
  readonly #started = now()
  #latency = 0
  #failed = false
  #tell: ((outcome: Outcome) => void) | null

  constructor(handler: DispatchHandler, tell: (outcome: Outcome) => void) {
    super(handler)
    this.#tell = tell
  }

  /** It ended, or will tell no more. */
  end(failed: boolean, aborted = false): void {
    const tell = this.#tell
    this.#tell = null
    tell?.({ latency: this.#latency || now() - this.#started, failed, aborted })
  }

  override onRequestUpgrade(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    socket: Duplex,
  ): void {
    this.end(false)
    super.onRequestUpgrade(controller, statusCode, headers, socket)
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode >= 200) this.#latency = now() - this.#started
    this.#failed = statusCode >= 500
    super.onResponseStart(controller, statusCode, headers, statusMessage)
  }

  override onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    this.end(this.#failed)
    super.onResponseEnd(controller, trailers)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    const failed = isServerFailure(error, controller.aborted)
    this.end(failed || this.#failed, !failed)
    super.onResponseError(controller, error)
  }
}
