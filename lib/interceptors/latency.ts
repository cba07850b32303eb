import type { Duplex } from 'node:stream'
import { LatencyHistogram } from '../base/histogram.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { pointAtCaller } from '../errors/caller.js'
import type { Timings } from '../errors/timings.js'
import { invalidOption } from '../errors.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'

/**
 * Latency histograms of requests. Pass it to `interceptors.latency`. Sluice-specific.
 * @example
 * const recorder = new LatencyRecorder()
 * const pool = new Pool('http://localhost:3000').compose(interceptors.latency(recorder))
 * await (await pool.request({ path: '/', method: 'GET' })).body.dump()
 * console.log(recorder.firstByte.percentile(99))
 */
export class LatencyRecorder {
  /** Time in ms from dispatch until a connection took the request, including the time to open one. */
  readonly queue = new LatencyHistogram()
  /** Time in ms from dispatch until a new connection was established. Requests on existing connections are not counted. */
  readonly connect = new LatencyHistogram()
  /** Time in ms from when a connection took the request until the first byte of the response. */
  readonly firstByte = new LatencyHistogram()

  /** Clears all histograms. */
  reset(): void {
    for (const histogram of [this.queue, this.connect, this.firstByte]) histogram.reset()
  }

  /** Returns the statistics of each histogram, for `JSON.stringify`. */
  toJSON(): { [name in 'queue' | 'connect' | 'firstByte']: ReturnType<LatencyHistogram['toJSON']> } {
    const { queue, connect, firstByte } = this
    return { queue: queue.toJSON(), connect: connect.toJSON(), firstByte: firstByte.toJSON() }
  }
}

/**
 * Records the latencies of each request in `recorder`. Sets the request option `timings`. Placed below a retry
 * interceptor (next to the pool) it records each attempt; placed above, the last one. Sluice-specific.
 * @throws {InvalidArgumentError} `recorder` is not a LatencyRecorder
 * @example
 * const recorder = new LatencyRecorder()
 * const pool = new Pool('http://localhost:3000').compose(interceptors.latency(recorder))
 */
export function latency(recorder: LatencyRecorder): DispatchInterceptor {
  if (!(recorder instanceof LatencyRecorder))
    throw pointAtCaller(invalidOption('recorder', 'a LatencyRecorder', recorder), latency)
  return (dispatch) => (options, handler) => {
    const request = unpollutedRequest(options)
    const { timings: given } = request as { timings?: unknown }
    // The dispatcher rejects a `timings` that can not be filled.
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

  /** Records the timings once, when the request has ended. */
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
