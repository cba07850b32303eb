import type { DispatchController, DispatchHandler } from '../../lib/exchange/handler.js'
import { DecoratorHandler, type DispatchInterceptor } from '../../lib/index.js'
import { FetchPlayer } from './fetch-player.js'
import type { Played } from './player.js'
import type { Random } from './random.js'
import type { UserErrors } from './user-errors.js'

/** Environment of interceptors. */
export interface Intercepted {
  readonly random: Random
  readonly errors: UserErrors
  /** Creates an exception that must be reported. */
  readonly reports: boolean
  readonly calm: () => boolean
  find(id: number): Played | undefined
  /** Called when a copy of a request is sent. */
  copied(controller: DispatchController): void
}

/** Responds to a request, unless the handler aborts it. */
function answered(handler: DispatchHandler, player: Played): boolean {
  let over = false
  const controller = {
    ...{ aborted: false, paused: false, reason: null as Error | null, rawHeaders: [], rawTrailers: [] },
    abort(reason = new Error('aborted')) {
      if (over) return
      over = true
      Object.assign(controller, { aborted: true, reason })
      // Exceptions of this callback do not belong to the request.
      queueMicrotask(() => handler.onResponseError?.(controller, reason))
    },
    pause() {},
    resume() {},
  }
  const chunk = Buffer.from(new Uint8Array(Buffer.from(player.answer)).buffer)
  player.passes?.('last bytes')
  try {
    handler.onRequestStart?.(controller, null)
    if (!over) handler.onResponseStart?.(controller, 200, {}, 'OK')
    if (!over) handler.onResponseData?.(controller, chunk)
    if (over) return true
    over = true
    handler.onResponseEnd?.(controller, {})
  } finally {
    over = true
  }
  return true
}

/** Delays some requests, responds to some, and throws at random, also after dispatching. */
export function waiting({ random, errors, reports, calm, find }: Intercepted): DispatchInterceptor {
  return (dispatch) => (options, handler) => {
    if (calm()) return dispatch(options, handler)
    const player = find(Number(/^\/(\d+)$/.exec(String(options.path))?.[1]))
    const fetched = player instanceof FetchPlayer
    // A `fetch` that was aborted before has already failed.
    if (random.once(24)) throw errors.make('an interceptor', reports && !fetched)
    if (random.once(12) && player !== undefined) return answered(handler, player)
    // Node's `fetch` fails when dispatch throws, and does not abort the request.
    if (!fetched && random.once(24)) {
      dispatch(options, handler)
      // The request may have ended within the call.
      throw errors.make('an interceptor that has dispatched', false)
    }
    if (random.once(2)) return dispatch(options, handler)
    setImmediate(() => dispatch(options, handler))
    return true
  }
}

/** Sends a copy of some requests, whose response is ignored, and retries some that failed before their response. */
export function repeating({ random, errors, calm, copied }: Intercepted): DispatchInterceptor {
  return (dispatch) => (options, handler) => {
    const repeatable = options.method === 'GET' && options.body == null
    if (!repeatable || calm()) return dispatch(options, handler)
    const copy = {
      onRequestStart: copied,
      onResponseError: (_controller: unknown, error: Error) => void errors.report(error),
    }
    if (random.once(6)) dispatch({ ...options }, copy)
    if (!random.once(3)) return dispatch(options, handler)
    return dispatch(options, new Again(handler as DispatchHandler, (again) => void dispatch({ ...options }, again)))
  }
}

class Again extends DecoratorHandler {
  readonly #send: (handler: DispatchHandler) => void
  #final = false

  constructor(handler: DispatchHandler, send: (handler: DispatchHandler) => void) {
    super(handler)
    this.#send = send
  }

  override onResponseStart(...given: Parameters<DecoratorHandler['onResponseStart']>): void {
    this.#final = true
    super.onResponseStart(...given)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    if (this.#final || controller.aborted) return super.onResponseError(controller, error)
    this.#final = true
    this.#send(this)
  }
}
