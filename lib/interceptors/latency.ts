import type { Duplex } from 'node:stream'
import { LatencyHistogram } from '../base/histogram.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import type { Timings } from '../errors/timings.js'
import { invalidOption } from '../errors.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'

/** Where the time goes of all requests that it is given to, in histograms. An addition to undici's set. */
export class LatencyRecorder {
  /** From dispatch until a connection had the request, the opening of one included. */
  readonly queue = new LatencyHistogram()
  /** From dispatch until the connection stood that was opened meanwhile; nothing of requests that found one. */
  readonly connect = new LatencyHistogram()
  /** From when a connection had the request until the first byte of its response. */
  readonly firstByte = new LatencyHistogram()

  /** Forgets all. */
  reset(): void {
    for (const histogram of [this.queue, this.connect, this.firstByte]) histogram.reset()
  }

  /** Figures of each, as `JSON.stringify` takes them. */
  toJSON(): { [name in 'queue' | 'connect' | 'firstByte']: ReturnType<LatencyHistogram['toJSON']> } {
    const { queue, connect, firstByte } = this
    return { queue: queue.toJSON(), connect: connect.toJSON(), firstByte: firstByte.toJSON() }
  }
}

/**
 * Records in `recorder` what became of each request: by `timings`, which all of them have then. Next to a pool it counts
 * each try of interceptors beyond it, beyond those their last. Ours.
 * @throws {InvalidArgumentError} no LatencyRecorder
 */
export function latency(recorder: LatencyRecorder): DispatchInterceptor {
  if (!(recorder instanceof LatencyRecorder)) throw invalidOption('recorder', 'a LatencyRecorder', recorder)
  return (dispatch) => (options, handler) => {
    const request = unpollutedRequest(options)
    const { timings: given } = request as { timings?: unknown }
    // What can not be filled in is refused beneath.
    const timings = given === undefined || given === null || typeof given === 'boolean' ? {} : given
    return dispatch({ ...request, timings } as typeof request, new LatencyHandler(handler, recorder, timings))
  }
}

class LatencyHandler extends DecoratorHandler {
  #recorder: LatencyRecorder | null
  readonly #timings: Partial<Timings>

  constructor(handler: DispatchHandler | LegacyDispatchHandler, recorder: LatencyRecorder, timings: Partial<Timings>) {
    super(handler)
    this.#recorder = recorder
    this.#timings = timings
  }

  /** Once, when all that is to be told has happened. */
  #record(): void {
    const recorder = this.#recorder
    this.#recorder = null
    const { queued, tcp, tls, firstByte } = this.#timings
    if (recorder === null || queued == null) return
    recorder.queue.record(queued)
    const opened = tls ?? tcp
    if (opened != null) recorder.connect.record(opened)
    if (firstByte != null) recorder.firstByte.record(firstByte - queued)
  }

  override onRequestUpgrade(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    socket: Duplex,
  ): void {
    this.#record()
    super.onRequestUpgrade(controller, statusCode, headers, socket)
  }

  override onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    this.#record()
    super.onResponseEnd(controller, trailers)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    this.#record()
    super.onResponseError(controller, error)
  }
}
