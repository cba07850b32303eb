import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { nonNegativeInteger, requireObject } from '../errors/option-checks.js'
import type { Timings } from '../errors/timings.js'
import { InvalidArgumentError, invalidArgument, invalidChoice, invalidOption } from '../errors.js'
import { closeUnsentBody } from '../exchange/body-owner.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import { ZeroCopyHandler } from '../exchange/zero-copy-handler.js'
import { BodyReadable } from './body.js'
import type { BodySource } from './body-source.js'
import {
  type Callback,
  type DispatchTarget,
  Outcome,
  refuseOtherDispatcher,
  requireCallback,
} from './dispatch-target.js'
import type { ResponseData, UnlessErased } from './documented.js'
import { AbortLink, type SignalInput } from './signal.js'

/** Response with an informational status (1xx), such as 103 Early Hints. */
export interface InformationalResponse {
  /** Status code: 100 to 199. */
  statusCode: number
  /** Response headers by lower-case name. */
  headers: IncomingHeaders
}

/** Options of `request`. Source: undici's `Dispatcher.md`. */
export interface RequestOptions<Opaque = null> extends DispatchInput {
  /** Value that is copied to the result. Default: null. */
  opaque?: Opaque
  /** Aborts the request with the signal's reason. Default: none. */
  signal?: UnlessErased<Opaque, SignalInput>
  /** Callback for each informational (1xx) response, such as 103 Early Hints. Default: none. */
  onInfo?: ((info: InformationalResponse) => void) | null
  /** `raw` returns the headers as a flat array: name, value, name, value, … Default: an object. */
  responseHeaders?: 'raw' | null
  /** Bytes of the response body to buffer before reading from the socket stops. Default: 65 536. */
  highWaterMark?: number | null
}

/** Checks the options of `request`, `stream` and `pipeline`. @throws {InvalidArgumentError} an option is invalid */
export function checkRequestOptions(options: RequestOptions<unknown>): void {
  requireObject('options', options)
  const { method, onInfo, highWaterMark, responseHeaders } = options
  const { throwOnError } = options as { throwOnError?: unknown }
  if (method === 'CONNECT') throw invalidArgument('method must not be CONNECT: use connect() instead')
  if (onInfo !== undefined && onInfo !== null && typeof onInfo !== 'function') {
    throw invalidOption('onInfo', 'a function', onInfo)
  }
  nonNegativeInteger('highWaterMark', highWaterMark, 0)
  if (responseHeaders !== undefined && responseHeaders !== null && responseHeaders !== 'raw') {
    throw invalidChoice('responseHeaders', "'raw' or null", responseHeaders)
  }
  if (throwOnError !== undefined && throwOnError !== null && throwOnError !== false) {
    throw invalidArgument('throwOnError is not a request option: use interceptors.responseError()')
  }
}

/** Returns the headers in the form that the option `responseHeaders` selects. */
export function headersFor(
  options: { responseHeaders?: 'raw' | null },
  controller: DispatchController,
  headers: IncomingHeaders,
): IncomingHeaders {
  return options.responseHeaders === 'raw' ? (controller.rawHeaders as unknown as IncomingHeaders) : headers
}

class RequestHandler<Opaque> extends ZeroCopyHandler implements DispatchHandler, BodySource {
  readonly #options: RequestOptions<Opaque>
  readonly #outcome: Outcome<ResponseData<Opaque>>
  readonly #link: AbortLink | null
  readonly #trailers: Record<string, string> = {}
  /** Set with a signal only: nothing else can abort a queued request. */
  readonly onRequestQueued: ((controller: DispatchController) => void) | undefined
  #controller: DispatchController | null = null
  #context: object = {}
  #body: BodyReadable | null = null
  /** Replaces {@link #body} while that is full and unread, so that a body which the caller dropped is garbage collected. */
  #droppedBody: WeakRef<BodyReadable> | null = null

  constructor(options: RequestOptions<Opaque>, outcome: Outcome<ResponseData<Opaque>>) {
    super()
    checkRequestOptions(options)
    this.#options = options
    this.#outcome = outcome
    const link = AbortLink.to(options.signal)
    this.#link = link
    if (link !== null && link.reason === null) link.bind(this)
    this.onRequestQueued = link === null ? undefined : (controller) => this.onRequestStart(controller, null)
  }

  get abortReason(): unknown {
    return this.#link?.reason ?? null
  }

  /** Removes the listener from the signal: no callback will follow. */
  release(): void {
    this.#link?.unbind()
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller = controller
    if (typeof context === 'object' && context !== null) this.#context = context
    this.#link?.bind(this)
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage = '',
  ): void {
    const options = this.#options
    const formatted = headersFor(options, controller, headers)
    if (statusCode < 200) {
      options.onInfo?.({ statusCode, headers: formatted })
      return
    }
    const body = new BodyReadable(this, headers, options.highWaterMark)
    this.#body = body
    const data: ResponseData<Opaque> = {
      statusCode,
      statusText: statusMessage,
      headers: formatted,
      body,
      trailers: this.#trailers,
      opaque: (options.opaque ?? null) as Opaque,
      context: this.#context,
    }
    const timings = options.timings || controller.timings
    if (timings) data.timings = timings as Timings
    this.#outcome.succeed(data)
  }

  override onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#currentBody?.feed(chunk)
  }

  override get keepsChunks(): boolean {
    return this.#currentBody?.keepsChunks === true
  }

  override onZeroCopyData(chunk: Buffer): void {
    this.#currentBody?.feedCopy(chunk)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    addTrailers(this.#trailers, trailers)
    const body = this.#currentBody
    body?.finish()
    // The signal may outlive an unread body, and must not keep it in memory.
    if (this.#link !== null && body !== null && !body.used) this.onStalled(body)
  }

  override onResponseError(_controller: DispatchController, error: Error): void {
    this.#link?.unbind()
    const reason = this.abortReason ?? error
    if (!this.#outcome.fail(reason) && !this.#currentBody?.fail(reason)) reportThrown(error)
  }

  // BodySource

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(reason: unknown): void {
    this.#controller?.abort(reason as Error)
    // There is no controller while an interceptor waits, and one of another library may report no error.
    this.#outcome.fail(reason)
    // An unread body fails as well, even if the response is complete.
    this.#currentBody?.cancel(reason)
  }

  onEnd(): void {
    this.#link?.unbind()
  }

  onStalled(body: BodyReadable): void {
    if (this.#droppedBody !== null) return
    this.#droppedBody = new WeakRef(body)
    this.#body = null
    droppedBodies().register(body, this, body)
  }

  onUsed(body: BodyReadable): void {
    if (this.#droppedBody === null) return
    this.#droppedBody = null
    this.#body = body
    droppedBodies().unregister(body)
  }

  get #currentBody(): BodyReadable | null {
    return this.#body ?? this.#droppedBody?.deref() ?? null
  }
}

/** Adds trailers to those of a result. */
function addTrailers(target: Record<string, string>, trailers: IncomingHeaders): void {
  for (const _ in trailers) {
    // Not by assignment, because `__proto__` is a valid trailer name.
    Object.defineProperties(target, Object.getOwnPropertyDescriptors(trailers))
    return
  }
}

let registry: FinalizationRegistry<BodySource> | null = null

/** Aborts the requests whose unread bodies were garbage collected, so that their connections are released. */
function droppedBodies(): FinalizationRegistry<BodySource> {
  registry ??= new FinalizationRegistry((handler) => {
    handler.abort(
      new InvalidArgumentError('The response body was garbage collected before it was read: read it or call dump()'),
    )
    handler.onEnd()
  })
  return registry
}

/** Sends a request and resolves when the response headers are received. */
export function request<Opaque = null>(
  target: DispatchTarget,
  options: RequestOptions<Opaque>,
): Promise<ResponseData<Opaque>>
export function request<Opaque = null>(
  target: DispatchTarget,
  options: RequestOptions<Opaque>,
  callback: Callback<ResponseData<Opaque>>,
): void
export function request<Opaque = null>(
  target: DispatchTarget,
  options: RequestOptions<Opaque>,
  callback?: Callback<ResponseData<Opaque>>,
): Promise<ResponseData<Opaque>> | void {
  if (callback === undefined) {
    return new Promise((resolve, reject) => send(target, options, new Outcome(resolve, reject)))
  }
  requireCallback(callback, options)
  send(
    target,
    options,
    Outcome.ofCallback(callback, options, ({ body }) => void body.destroy()),
  )
}

function send<Opaque>(
  target: DispatchTarget,
  given: RequestOptions<Opaque>,
  outcome: Outcome<ResponseData<Opaque>>,
): void {
  let handler: RequestHandler<Opaque> | null = null
  let own: RequestOptions<Opaque> | null = null
  try {
    own = unpollutedRequest(given)
    // Created here, so that all attempts of interceptors share it.
    const options = own?.timings === true ? { ...own, timings: {} } : own
    handler = new RequestHandler(options, outcome)
    refuseOtherDispatcher(target, options)
    if (handler.abortReason !== null) throw handler.abortReason
    target.dispatch(options, handler)
  } catch (error) {
    handler?.release()
    closeUnsentBody(own, error as Error)
    // An interceptor may throw after it has answered the request.
    if (!outcome.fail(handler?.abortReason ?? error)) reportUncaught(error)
  }
}
