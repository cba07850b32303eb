import { unpollutedRequest } from '../base/prototype-pollution.js'
import { nonNegativeInteger, requireFunction, requireObject } from '../errors/option-checks.js'
import type { Timings } from '../errors/timings.js'
import { InvalidArgumentError, invalidArgument, invalidChoice, invalidOption } from '../errors.js'
import { closeUnsentBody } from '../exchange/body-owner.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { ZeroCopyHandler } from '../exchange/zero-copy-handler.js'
import { type BodyReadable, bodyFor } from './body.js'
import type { BodySource } from './body-source.js'
import type { ResponseData } from './documented.js'
import { AbortLink, type SignalInput } from './signal.js'
import { type Callback, type DispatchTarget, Outcome, refuseOtherDispatcher } from './target.js'

export interface InformationalResponse {
  statusCode: number
  headers: IncomingHeaders
}

/** Options of `request`. Source: undici's `Dispatcher.md`. */
export interface RequestOptions<Opaque = null> extends DispatchInput {
  /** Handed through to the result. */
  opaque?: Opaque
  /** Aborts the request. */
  signal?: SignalInput
  /** Called for each 1xx response. */
  onInfo?: ((info: InformationalResponse) => void) | null
  /** `raw`: the result's headers are name, value, name, value, … */
  responseHeaders?: 'raw' | null
  /** Bytes of the body held before the server is made to wait. Default: 65 536. */
  highWaterMark?: number | null
}

/** @throws {InvalidArgumentError} an option is not what is documented */
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

/** Headers in the form that the caller asked for. */
export function headersFor(
  options: { responseHeaders?: 'raw' | null },
  controller: DispatchController,
  headers: IncomingHeaders,
): IncomingHeaders {
  return options.responseHeaders === 'raw' ? (controller.rawHeaders as unknown as IncomingHeaders) : headers
}

/** A result with the option `timings`. Ours. */
export interface Timed {
  timings?: Timings
}

class RequestHandler<Opaque> extends ZeroCopyHandler implements DispatchHandler, BodySource {
  readonly #options: RequestOptions<Opaque>
  readonly #outcome: Outcome<ResponseData<Opaque>>
  readonly #link: AbortLink | null
  readonly #trailers: Record<string, string> = {}
  /** Only a signal can end a request that waits: without one nobody needs to be told. */
  readonly onRequestQueued: ((controller: DispatchController) => void) | undefined
  #controller: DispatchController | null = null
  #context: object = {}
  #body: BodyReadable | null = null
  /** Stands in for {@link #body} while it is full and unread: then the garbage collector may find it forgotten. */
  #forgotten: WeakRef<BodyReadable> | null = null

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

  /** It will hear nothing more. */
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
    const shown = headersFor(options, controller, headers)
    if (statusCode < 200) {
      options.onInfo?.({ statusCode, headers: shown })
      return
    }
    const body = bodyFor(options, headers, this)
    this.#body = body
    const data: ResponseData<Opaque> & Timed = {
      statusCode,
      statusText: statusMessage,
      headers: shown,
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
    this.#held?.feed(chunk)
  }

  override get keepsChunks(): boolean {
    return this.#held?.keepsChunks === true
  }

  override onZeroCopyData(chunk: Buffer): void {
    this.#held?.feedCopy(chunk)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    // Not by assignment: `__proto__` is a name as good as any other.
    Object.defineProperties(this.#trailers, Object.getOwnPropertyDescriptors(trailers))
    const body = this.#held
    body?.finish()
    // The signal may outlive a body that nobody reads: it must not keep it.
    if (this.#link !== null && body !== null && !body.used) this.onStalled(body)
  }

  override onResponseError(_controller: DispatchController, error: Error): void {
    this.#link?.unbind()
    const reason = this.#link?.reason ?? error
    this.#outcome.fail(reason)
    this.#held?.fail(reason)
  }

  // What the body asks for

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(reason: unknown): void {
    this.#controller?.abort(reason as Error)
    // While an interceptor waits there is no controller yet, and one of another library may report nothing.
    this.#outcome.fail(reason)
    // A response that came whole is withdrawn from a caller that has not read it.
    this.#held?.cancel(reason)
  }

  onOver(): void {
    this.#link?.unbind()
  }

  onStalled(body: BodyReadable): void {
    if (this.#forgotten !== null) return
    this.#forgotten = new WeakRef(body)
    this.#body = null
    forgottenBodies().register(body, this, body)
  }

  onUsed(body: BodyReadable): void {
    if (this.#forgotten === null) return
    this.#forgotten = null
    this.#body = body
    forgottenBodies().unregister(body)
  }

  get #held(): BodyReadable | null {
    return this.#body ?? this.#forgotten?.deref() ?? null
  }
}

let registry: FinalizationRegistry<BodySource> | null = null

/** A body that nobody holds any more will never be read: its connection is freed. */
function forgottenBodies(): FinalizationRegistry<BodySource> {
  registry ??= new FinalizationRegistry((handler) => {
    handler.abort(
      new InvalidArgumentError('The response body was garbage collected before it was read: read it or call dump()'),
    )
    handler.onOver()
  })
  return registry
}

/** Sends a request. Without a callback it returns a promise. */
export function request<Opaque = null>(
  target: DispatchTarget,
  options: RequestOptions<Opaque>,
): Promise<ResponseData<Opaque> & Timed>
export function request<Opaque = null>(
  target: DispatchTarget,
  options: RequestOptions<Opaque>,
  callback: Callback<ResponseData<Opaque>>,
): void
export function request<Opaque = null>(
  target: DispatchTarget,
  options: RequestOptions<Opaque>,
  callback?: Callback<ResponseData<Opaque>>,
): Promise<ResponseData<Opaque> & Timed> | void {
  if (callback === undefined) {
    return new Promise((resolve, reject) => send(target, options, new Outcome(resolve, reject)))
  }
  requireFunction('callback', callback)
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
    // Made here and not beneath: tries by interceptors share it.
    const options = own?.timings === true ? { ...own, timings: {} } : own
    handler = new RequestHandler(options, outcome)
    refuseOtherDispatcher(target, options)
    if (handler.abortReason !== null) throw handler.abortReason
    target.dispatch(options, handler)
  } catch (error) {
    handler?.release()
    closeUnsentBody(own, error as Error)
    outcome.fail(error as Error)
  }
}
