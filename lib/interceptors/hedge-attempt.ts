import type { Timings } from '../errors/timings.js'
import { RequestAbortedError } from '../errors.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, RawHeaders } from '../exchange/handler.js'
import { WrappingHandler } from '../exchange/wrapping-handler.js'
import { BodyDiscarder } from './body-discarder.js'
import { BufferedBody } from './buffered-body.js'

/** Receiver of the events of all attempts of one request. */
export interface HedgeAttemptListener {
  onBegin(controller: DispatchController): void
  onQueued(attempt: HedgeAttempt): void
  onStart(attempt: HedgeAttempt, context: unknown): void
  onBodySent(chunk: Buffer): void
  onRequestSent(): void
  onResponseStarted(attempt: HedgeAttempt): void
  onResponseStart(attempt: HedgeAttempt, status: [number, string | undefined], headers: IncomingHeaders): void
  onData(attempt: HedgeAttempt, chunk: Buffer): void
  onEnd(attempt: HedgeAttempt, trailers: IncomingHeaders): void
  onError(attempt: HedgeAttempt, error: Error): void
}

/** Attempt of a hedged request. Its response is passed on, buffered or discarded. */
export class HedgeAttempt extends WrappingHandler implements DispatchHandler {
  readonly first: boolean
  readonly timings: Partial<Timings> = {}
  controller: DispatchController | null = null
  readonly #listener: HedgeAttemptListener
  readonly #offset: number
  #canceled: { readonly reason: Error | undefined } | null = null
  #discarder: BodyDiscarder | null = null
  #bufferedBody: BufferedBody | null = null
  #deliverStart = () => {}

  constructor(
    listener: HedgeAttemptListener,
    { first, offset, inner }: { first: boolean; offset: number; inner: object },
  ) {
    super(inner)
    this.#listener = listener
    this.first = first
    this.#offset = offset
  }

  /** Timings in ms since the first attempt was sent. */
  get timingsOfRequest(): Partial<Timings> {
    const times = { ...this.timings }
    for (const name of ['queued', 'dns', 'tcp', 'tls', 'sent', 'firstByte', 'end'] as const) {
      if (typeof times[name] === 'number') times[name] += this.#offset
    }
    return times
  }

  /** Aborts the attempt, at once or as soon as it has a controller. */
  cancel(reason: Error | undefined): void {
    this.#canceled = { reason }
    this.controller?.abort(reason)
  }

  /** Source of the response body. */
  get bodySource(): BufferedBody | DispatchController | null {
    return this.#bufferedBody ?? this.controller
  }

  get rawHeaders(): RawHeaders {
    return (this.controller as DispatchController).rawHeaders as RawHeaders
  }

  /** Buffers the response until {@link deliver} or {@link discard}. */
  buffer(giveHead: () => void): void {
    this.#deliverStart = giveHead
    this.#bufferedBody = new BufferedBody(this.controller as DispatchController, {
      onData: (chunk) => this.#listener.onData(this, chunk),
      onEnd: (trailers) => this.#listener.onEnd(this, trailers),
    })
  }

  /** Delivers the buffered response. */
  deliver(): void {
    this.#deliverStart()
    this.#bufferedBody?.deliver()
  }

  /** Discards the response. */
  discard(): void {
    const body = this.#bufferedBody
    if (body?.ended) return
    this.#bufferedBody = null
    const reason = new RequestAbortedError('The response is discarded: another attempt of the request is in progress')
    this.#discarder = new BodyDiscarder(this.controller as DispatchController, reason)
    body?.resumeSource()
  }

  onRequestQueued(controller: DispatchController): void {
    if (this.#beginAttempt(controller)) this.#listener.onQueued(this)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    if (this.#beginAttempt(controller)) this.#listener.onStart(this, context)
  }

  onBodySent(chunk: Buffer): void {
    if (this.first) this.#listener.onBodySent(chunk)
  }

  onRequestSent(): void {
    if (this.first) this.#listener.onRequestSent()
  }

  onResponseStarted(): void {
    this.#listener.onResponseStarted(this)
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (this.#beginAttempt(controller)) this.#listener.onResponseStart(this, [statusCode, statusMessage], headers)
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.#discarder !== null) this.#discarder.onData(chunk)
    else if (this.#bufferedBody !== null) this.#bufferedBody.onData(chunk)
    else this.#listener.onData(this, chunk)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    this.#discarder?.onEnd()
    if (this.#bufferedBody !== null) this.#bufferedBody.onEnd(trailers)
    else this.#listener.onEnd(this, trailers)
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#discarder?.onEnd()
    this.#listener.onError(this, error)
  }

  /** Stores the controller. Returns false if the attempt was canceled. */
  #beginAttempt(controller: DispatchController): boolean {
    this.controller = controller
    this.#listener.onBegin(controller)
    if (this.#canceled === null) return true
    controller.abort(this.#canceled.reason)
    return false
  }
}
