import {
  DecoratorHandler,
  type DispatchController,
  type Dispatcher,
  type DispatchInterceptor,
} from '../../lib/index.js'
import { THROWN } from './caller-code.js'
import { GATHER } from './gather.js'
import type { Random } from './seeded-random.js'

type Handler = Dispatcher.DispatchHandler
type Dispatch = Dispatcher['dispatch']

/** Retries a request once if it fails before its response began. */
class RetryOnce extends DecoratorHandler {
  readonly #send: (handler: Handler) => void
  #responseStarted = false
  #retried = false

  constructor(handler: Handler, send: (handler: Handler) => void) {
    super(handler)
    this.#send = send
  }

  override onResponseStart(...args: Parameters<DecoratorHandler['onResponseStart']>): void {
    this.#responseStarted = true
    super.onResponseStart(...args)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    if (this.#responseStarted || this.#retried || controller.aborted) return super.onResponseError(controller, error)
    this.#retried = true
    this.#send(this)
  }
}

/** Responds to `GET /id/…` without a server. */
function respond(handler: Handler, number: string): boolean {
  const state = { aborted: false, paused: false, reason: null, rawHeaders: [], rawTrailers: [] }
  const controller = { ...state, abort() {}, pause() {}, resume() {} }
  handler.onRequestStart?.(controller, null)
  handler.onResponseStart?.(controller, 200, {}, 'OK')
  handler.onResponseData?.(controller, Buffer.from(number))
  handler.onResponseEnd?.(controller, {})
  return true
}

/** Sends a copy of the request and ignores its response, as a traffic mirror does. */
function mirror(dispatch: Dispatch, options: Dispatcher.DispatchOptions): void {
  dispatch({ ...options }, { onResponseError() {} })
}

/** Interceptor that at random dispatches at once, later, twice or again after a failure, throws, or responds itself. */
export const randomInterceptor =
  (random: Random): DispatchInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const path = String(options.path)
    const chance = path.startsWith(GATHER) ? 0 : random()
    const repeatable = options.method === 'GET' && options.body == null && options.upgrade == null
    if (chance < 0.4) return dispatch(options, handler)
    if (chance < 0.45) throw Object.assign(new Error('thrown by an interceptor'), { code: THROWN })
    const number = /^\/id\/(\d+)$/.exec(path)?.[1]
    if (chance < 0.55 && number !== undefined) return respond(handler, number)
    if (chance < 0.65 && repeatable) {
      mirror(dispatch, options)
      return dispatch(options, handler)
    }
    if (chance < 0.75 && repeatable) {
      return dispatch(options, new RetryOnce(handler, (retrying) => void dispatch(options, retrying)))
    }
    if (chance < 0.87) setImmediate(() => dispatch(options, handler))
    else queueMicrotask(() => dispatch(options, handler))
    return true
  }
