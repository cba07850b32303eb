import {
  DecoratorHandler,
  type DispatchController,
  type Dispatcher,
  type DispatchInterceptor,
} from '../../lib/index.js'
import { THROWN } from './caller-code.js'
import { GATHER } from './gather.js'
import type { Random } from './random.js'

type Handler = Dispatcher.DispatchHandler
type Dispatch = Dispatcher['dispatch']

/** Sends a request once more when it failed before its response began. */
class Again extends DecoratorHandler {
  readonly #send: (handler: Handler) => void
  #begun = false
  #sent = false

  constructor(handler: Handler, send: (handler: Handler) => void) {
    super(handler)
    this.#send = send
  }

  override onResponseStart(...given: Parameters<DecoratorHandler['onResponseStart']>): void {
    this.#begun = true
    super.onResponseStart(...given)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    if (this.#begun || this.#sent || controller.aborted) return super.onResponseError(controller, error)
    this.#sent = true
    this.#send(this)
  }
}

/** Answers `GET /id/…` without a server. */
function answer(handler: Handler, number: string): boolean {
  const controller = { aborted: false, paused: false, reason: null, rawHeaders: [], rawTrailers: [] }
  const still = { ...controller, abort() {}, pause() {}, resume() {} }
  handler.onRequestStart?.(still, null)
  handler.onResponseStart?.(still, 200, {}, 'OK')
  handler.onResponseData?.(still, Buffer.from(number))
  handler.onResponseEnd?.(still, {})
  return true
}

/** Sends a copy of the request and ignores its response, as a traffic mirror does. */
function mirror(dispatch: Dispatch, options: Dispatcher.DispatchOptions): void {
  dispatch({ ...options }, { onResponseError() {} })
}

/** An interceptor of a caller: dispatches at once, later, twice or again after a failure, throws, or answers by itself. */
export const careless =
  (random: Random): DispatchInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const path = String(options.path)
    const chance = path.startsWith(GATHER) ? 0 : random()
    const repeatable = options.method === 'GET' && options.body == null && options.upgrade == null
    if (chance < 0.4) return dispatch(options, handler)
    if (chance < 0.45) throw Object.assign(new Error('thrown by an interceptor'), { code: THROWN })
    const number = /^\/id\/(\d+)$/.exec(path)?.[1]
    if (chance < 0.55 && number !== undefined) return answer(handler, number)
    if (chance < 0.65 && repeatable) {
      mirror(dispatch, options)
      return dispatch(options, handler)
    }
    if (chance < 0.75 && repeatable) {
      return dispatch(options, new Again(handler, (again) => void dispatch(options, again)))
    }
    if (chance < 0.87) setImmediate(() => dispatch(options, handler))
    else queueMicrotask(() => dispatch(options, handler))
    return true
  }
