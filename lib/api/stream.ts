import type { Writable } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { requireFunction } from '../errors/option-checks.js'
import { InvalidReturnValueError, markSluiceOwned, RequestAbortedError } from '../errors.js'
import { streamError } from '../exchange/abort-errors.js'
import { closeUnsentBody } from '../exchange/body-owner.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import { bindToAsyncContext } from './async-context.js'
import {
  type Callback,
  type DispatchTarget,
  Outcome,
  refuseOtherDispatcher,
  requireCallback,
} from './dispatch-target.js'
import type { StreamData, StreamFactory } from './documented.js'
import { checkRequestOptions, headersFor, type RequestOptions } from './request.js'
import { AbortLink } from './signal.js'

/** Arguments of `stream`. */
export interface StreamCall<Opaque> {
  options: RequestOptions<Opaque>
  factory: StreamFactory<Opaque>
}

/** Handler that writes the response body into the stream that the factory returns. */
class StreamHandler<Opaque> implements DispatchHandler {
  readonly #options: RequestOptions<Opaque>
  readonly #factory: StreamFactory<Opaque>
  readonly #outcome: Outcome<StreamData<Opaque>>
  readonly #link: AbortLink | null
  #controller: DispatchController | null = null
  #context: object = {}
  #destination: Writable | null = null
  #trailers: Record<string, string> | null = null

  constructor(options: RequestOptions<Opaque>, factory: StreamFactory<Opaque>, outcome: Outcome<StreamData<Opaque>>) {
    checkRequestOptions(options)
    requireFunction('factory', factory)
    this.#options = options
    this.#factory = bindToAsyncContext(factory)
    this.#outcome = outcome
    this.#link = AbortLink.to(options.signal)
    if (this.abortReason === null) this.#link?.bind(this)
  }

  /** Aborts the request for its signal, which may fire before the request has a controller. */
  abort(reason: unknown): void {
    this.#controller?.abort(reason as Error)
    this.#outcome.fail(reason)
  }

  get abortReason(): unknown {
    return this.#link?.reason ?? null
  }

  /** Removes the listener from the signal: no callback will follow. */
  release(): void {
    this.#link?.unbind()
  }

  onRequestQueued(controller: DispatchController): void {
    this.onRequestStart(controller, null)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller = controller
    if (typeof context === 'object' && context !== null) this.#context = context
    this.#link?.bind(this)
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders): void {
    const options = this.#options
    const shown = headersFor(options, controller, headers)
    if (statusCode < 200) {
      options.onInfo?.({ statusCode, headers: shown })
      return
    }
    const opaque = (options.opaque ?? null) as Opaque
    const destination = this.#factory({ statusCode, headers: shown, opaque, context: this.#context })
    if ([destination?.write, destination?.end, destination?.on].some((method) => typeof method !== 'function')) {
      throw markSluiceOwned(new InvalidReturnValueError('factory must return a Writable'))
    }
    this.#destination = destination
    destination.on('drain', () => controller.resume())
    if (destination.writableNeedDrain) controller.pause()
    builtinModule('node:stream').finished(destination, unpollutedRequest({ readable: false }), (error) =>
      this.#onFinished(controller, error ?? null),
    )
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (this.#destination?.write(chunk) === false) controller.pause()
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    this.#link?.unbind()
    this.#trailers = trailers as Record<string, string>
    this.#destination?.end()
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#link?.unbind()
    if (!this.#outcome.fail(this.abortReason ?? error)) reportThrown(error)
    this.#destination?.destroy?.(streamError(error))
  }

  #onFinished(controller: DispatchController, error: Error | null): void {
    if (this.#trailers === null) {
      const reason =
        error ?? markSluiceOwned(new RequestAbortedError('The destination stream ended before the response body'))
      controller.abort(reason)
      // A controller of another library may report no error.
      this.#outcome.fail(reason)
    } else if (error !== null) this.#outcome.fail(error)
    else this.#outcome.succeed({ opaque: (this.#options.opaque ?? null) as Opaque, trailers: this.#trailers ?? {} })
  }
}

/** Sends a request and writes the response body into the stream that the factory returns. */
export function stream<Opaque = null>(
  target: DispatchTarget,
  call: StreamCall<Opaque>,
  callback?: Callback<StreamData<Opaque>>,
): Promise<StreamData<Opaque>> | void {
  if (callback === undefined) {
    return new Promise((resolve, reject) => send(target, call, new Outcome(resolve, reject)))
  }
  requireCallback(callback, call.options)
  send(target, call, Outcome.ofCallback(callback, call.options))
}

function send<Opaque>(target: DispatchTarget, call: StreamCall<Opaque>, outcome: Outcome<StreamData<Opaque>>): void {
  let handler: StreamHandler<Opaque> | null = null
  let own: RequestOptions<Opaque> | null = null
  try {
    own = unpollutedRequest(call.options)
    handler = new StreamHandler(own, call.factory, outcome)
    refuseOtherDispatcher(target, own)
    if (handler.abortReason !== null) throw handler.abortReason
    target.dispatch(own, handler)
  } catch (error) {
    handler?.release()
    closeUnsentBody(own, error as Error)
    // An interceptor may throw after it has answered the request.
    if (!outcome.fail(handler?.abortReason ?? error)) reportUncaught(error)
  }
}
