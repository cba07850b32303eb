import type { Duplex } from 'node:stream'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import { nonNullError } from '../errors.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, RawHeaders } from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { passError } from '../exchange/thrown-errors.js'
import type { AttemptsController } from './attempts-controller.js'
import type { ResponseStart } from './body-resumption.js'
import { copyReplayedBytes } from './replayable-body.js'

/** Trailers of a response, as an object and raw. */
export interface ResponseEnd {
  readonly trailers: IncomingHeaders
  readonly rawTrailers: RawHeaders
}

/**
 * Calls the handler of a request with retries as if there was one attempt. An exception of the handler aborts the request,
 * without a retry.
 */
export class RetryNotifier {
  /** Whether the final response is being delivered. Further attempts are then not reported to the handler. */
  startDelivered = false
  /** Whether the last callback of the handler was called. */
  completed = false
  /** Error with which the request has failed. */
  failure: Error | null = null
  readonly #handler: DispatchHandler
  readonly #controller: AttemptsController

  constructor(handler: DispatchHandler, controller: AttemptsController) {
    this.#handler = handler
    this.#controller = controller
  }

  onRequestQueued(): void {
    this.#notify(() => this.#handler.onRequestQueued?.(this.#controller))
  }

  onRequestStart(context: unknown): void {
    this.#notifyProgress(() => this.#handler.onRequestStart?.(this.#controller, context))
  }

  /** @param request the request, whose bytes are copied if it may be sent again: the handler may reuse their memory */
  onBodySent(request: DispatchOptions, chunk: Buffer): void {
    copyReplayedBytes(request, this.#handler)
    this.#notifyProgress(() => this.#handler.onBodySent?.(chunk))
  }

  /** @param request as for {@link onBodySent} */
  onRequestSent(request: DispatchOptions): void {
    copyReplayedBytes(request, this.#handler)
    this.#notifyProgress(() => this.#handler.onRequestSent?.())
  }

  onResponseStarted(): void {
    this.#notifyProgress(() => this.#handler.onResponseStarted?.())
  }

  onRequestUpgrade(attempt: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.completed = true
    this.#controller.rawHeaders = attempt.rawHeaders as RawHeaders
    this.#controller.end()
    try {
      this.#handler.onRequestUpgrade?.(this.#controller, statusCode, headers, socket)
    } catch (error) {
      socket.destroy()
      passError(error, true, () => this.#notifyError(nonNullError(error)))
    }
  }

  onResponseStart({ statusCode, headers, statusMessage, rawHeaders }: ResponseStart): void {
    this.#controller.rawHeaders = rawHeaders
    try {
      this.#handler.onResponseStart?.(this.#controller, statusCode, headers, statusMessage)
    } catch (error) {
      this.#onThrown(error)
    }
  }

  onResponseData(chunk: Buffer): void {
    try {
      this.#handler.onResponseData?.(this.#controller, chunk)
    } catch (error) {
      this.#onThrown(error)
    }
  }

  onResponseEnd({ trailers, rawTrailers }: ResponseEnd): void {
    this.completed = true
    this.#controller.rawTrailers = rawTrailers
    this.#controller.end()
    try {
      this.#handler.onResponseEnd?.(this.#controller, trailers)
    } catch (error) {
      passError(error, true, () => this.#notifyError(nonNullError(error)))
    }
  }

  onResponseError(error: Error): void {
    this.completed = true
    this.failure = error
    this.#controller.end(error)
    this.#notifyError(error)
  }

  /** Reports the progress of an attempt, unless the final response of the request is being delivered. */
  #notifyProgress(call: () => void): void {
    if (!this.completed && !this.startDelivered) this.#notify(call)
  }

  #notify(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#onThrown(error)
    }
  }

  #onThrown(error: unknown): void {
    if (this.completed) reportUncaught(error)
    else this.#controller.abort(error as Error)
  }

  /** Calls `onResponseError`. An exception is reported as uncaught: a timer has no caller to catch it. */
  #notifyError(error: Error): void {
    callUserCode(() => this.#handler.onResponseError?.(this.#controller, error))
  }
}
