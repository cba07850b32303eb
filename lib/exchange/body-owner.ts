import { type BodyStreamOwner, checkStream, isStream, ownStream } from './body-stream.js'
import { DecoratorHandler } from './decorator-handler.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'
import type { OwnedBody } from './owned-body.js'
import { isClosableIterator, OwnedIterator } from './owned-iterator.js'
import { rejectRequest } from './reject-request.js'
import type { DispatchInput } from './request.js'
import { reportThrown } from './thrown-errors.js'

type Dispatch = (handler: DispatchHandler | LegacyDispatchHandler) => boolean

/** Whether `body` is a stream, iterator or web stream, which {@link dispatchOwningBody} must close. */
export function isClosableBody(body: unknown): boolean {
  return typeof body === 'object' && (isStream(body) || isClosableIterator(body))
}

/**
 * Calls `dispatch` and takes ownership of `options.body`. A stream is paused until it is sent. The outermost layer owns
 * the body and closes it when the request finally fails, because inner interceptors may send it again.
 */
export function dispatchOwningBody(
  options: DispatchInput,
  handler: DispatchHandler | LegacyDispatchHandler,
  dispatch: Dispatch,
): boolean {
  const owned = takeOwnership(options.body)
  if (owned === null) return dispatch(handler)
  let owner: BodyOwner | null = null
  try {
    // A BodyOwner has every callback, so the one that an upgrade needs is checked on the handler itself.
    if (options.upgrade) adaptHandler(handler, true)
    owner = new BodyOwner(handler, owned)
    return dispatch(owner)
  } catch (error) {
    // The request continues if an interceptor throws after it has dispatched it.
    if (!owner?.accepted) owned.stop(error as Error)
    throw error
  }
}

/** Closes the body of a request that is not dispatched. A `body` getter is not called, because it may throw again. */
export function closeUnsentBody(options: object | null, error: Error): void {
  const body = Object.getOwnPropertyDescriptor(options ?? {}, 'body')?.value
  if (isClosableBody(body)) takeOwnership(body)?.stop(error)
}

function takeOwnership(body: unknown): OwnedBody | null {
  if (!isStream(body)) return isClosableIterator(body) ? OwnedIterator.of(body) : null
  try {
    checkStream(body)
  } catch {
    // The request itself reports why the stream can not be sent.
    return null
  }
  return ownStream(body)
}

class BodyOwner extends DecoratorHandler implements BodyStreamOwner {
  /** Same value as the handler's. */
  readonly borrowsChunks: boolean
  done = false
  readonly #handler: DispatchHandler | LegacyDispatchHandler
  readonly #body: OwnedBody
  #controller: DispatchController | null = null
  /** Whether the last callback was called, or the body failed before the request had a controller. */
  #settled = false
  /** Error with which the request has failed. */
  #failure: Error | null = null

  constructor(handler: DispatchHandler | LegacyDispatchHandler, body: OwnedBody) {
    super(handler)
    this.borrowsChunks = (handler as DispatchHandler)?.borrowsChunks === true
    this.#handler = handler
    this.#body = body
    body.release(this)
  }

  /** Whether a dispatcher has queued, started or ended the request. */
  get accepted(): boolean {
    return this.#controller !== null || this.done
  }

  /** Handles a stream that fails before a request claims it, while an interceptor waits or reads it. */
  onBodyFailed(error: Error): void {
    if (this.done) return
    if (this.#controller !== null) return this.#controller.abort(error)
    this.done = true
    this.#settled = true
    rejectRequest(error, this.#handler)
  }

  override onRequestQueued(controller: DispatchController): void {
    if (this.#setController(controller)) super.onRequestQueued(controller)
  }

  override onRequestStart(controller: DispatchController, context: unknown): void {
    this.#body.onRequestStart(this)
    if (this.#setController(controller)) super.onRequestStart(controller, context)
  }

  // Further callbacks are ignored after the last one, whatever an interceptor does with the request.

  override onRequestUpgrade(...upgrade: Parameters<DecoratorHandler['onRequestUpgrade']>): void {
    if (this.#settled) return void upgrade[3].destroy()
    this.done = true
    this.#body.onRequestEnd()
    super.onRequestUpgrade(...upgrade)
  }

  override onResponseStart(...head: Parameters<DecoratorHandler['onResponseStart']>): void {
    if (!this.#settled) super.onResponseStart(...head)
  }

  override onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (!this.#settled) super.onResponseData(controller, chunk)
  }

  override onResponseStarted(): void {
    if (!this.#settled) super.onResponseStarted()
  }

  override onBodySent(chunk: Buffer): void {
    if (!this.#settled) super.onBodySent(chunk)
  }

  override onRequestSent(): void {
    if (!this.#settled) super.onRequestSent()
  }

  override onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#settled) return
    this.done = true
    this.#body.onRequestEnd()
    super.onResponseEnd(controller, trailers)
    // Set after the call: an exception of the handler comes back as onResponseError.
    this.#settled = true
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    this.#body.stop(error)
    if (this.#settled) return reportThrown(error, this.#failure)
    this.done = true
    this.#settled = true
    this.#failure = error
    super.onResponseError(controller, error)
  }

  /** Returns `false` if the request has ended already. */
  #setController(controller: DispatchController): boolean {
    this.#controller = controller
    if (this.#settled) controller.abort(this.#body.error as Error)
    return !this.#settled
  }
}
