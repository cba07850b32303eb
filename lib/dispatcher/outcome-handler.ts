import type { Duplex } from 'node:stream'
import type { Outcome } from '../balance/strategy.js'
import { now } from '../base/clock.js'
import { isServerFailure } from '../errors/faults.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'

/** Handler that reports the outcome of a request once, for load balancing. */
export class OutcomeHandler extends DecoratorHandler {
  readonly #startedAt = now()
  #latency = 0
  #failed = false
  #onOutcome: ((outcome: Outcome) => void) | null

  constructor(handler: DispatchHandler, onOutcome: (outcome: Outcome) => void) {
    super(handler)
    this.#onOutcome = onOutcome
  }

  /** Reports the outcome, if it was not reported before. */
  report(failed: boolean, aborted = false): void {
    const onOutcome = this.#onOutcome
    this.#onOutcome = null
    onOutcome?.({ latency: this.#latency || now() - this.#startedAt, failed, aborted })
  }

  override onRequestUpgrade(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    socket: Duplex,
  ): void {
    this.report(false)
    super.onRequestUpgrade(controller, statusCode, headers, socket)
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode >= 200) this.#latency = now() - this.#startedAt
    this.#failed = statusCode >= 500
    super.onResponseStart(controller, statusCode, headers, statusMessage)
  }

  override onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    this.report(this.#failed)
    super.onResponseEnd(controller, trailers)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    const failed = isServerFailure(error, controller.aborted)
    this.report(failed || this.#failed, !failed)
    super.onResponseError(controller, error)
  }
}
