import { callUserCode } from '../../lib/base/user-code.js'
import {
  DecoratorHandler,
  type DispatchController,
  type Dispatcher,
  type DispatchHandler,
  interceptors,
  type LegacyDispatchHandler,
} from '../../lib/index.js'
import type { Random } from './random.js'
import { type UserCode, userErrorIn } from './user-code.js'

type Dispatch = Dispatcher['dispatch']
type Interceptor = (dispatch: Dispatch) => Dispatch

export interface ChainParts {
  readonly random: Random
  readonly userCode: UserCode
  readonly wild: boolean
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
  /** Called when a copy of a request is sent (1) or has ended (-1). */
  mirrored(change: 1 | -1): void
}

export interface Chain {
  readonly interceptors: Interceptor[]
  /** Methods that an interceptor may send again. */
  readonly repeats: readonly string[]
}

const OWN = ['wait', 'throw', 'decorate', 'fail', 'mirror', 'again', 'legacy'] as const

/** Interceptors of users and of the library. */
export function drawChain(parts: ChainParts): Chain {
  const { random } = parts
  const chosen: Interceptor[] = []
  const repeats = new Set<string>()
  const kinds: string[] = []
  for (let count = random.between(1, 3); count > 0; count--) {
    const kind = random.pick([...OWN, 'retry', 'redirect', 'decompress', 'error'] as const)
    kinds.push(kind)
    if (kind === 'wait') chosen.push(wait(parts))
    else if (kind === 'throw') chosen.push(throwing(parts))
    else if (kind === 'decorate') chosen.push(decorate(parts))
    else if (kind === 'fail') chosen.push(fail(parts))
    else if (kind === 'mirror') chosen.push(mirror(parts))
    else if (kind === 'again') chosen.push(again)
    else if (kind === 'legacy') chosen.push(legacy)
    else if (kind === 'redirect') chosen.push(interceptors.redirect({ maxRedirections: 2 }) as Interceptor)
    else if (kind === 'decompress') chosen.push(interceptors.decompress() as Interceptor)
    else if (kind === 'error') chosen.push(interceptors.responseError() as Interceptor)
    else {
      chosen.push(interceptors.retry({ maxRetries: 2, minTimeout: 10, maxTimeout: 500 }) as Interceptor)
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) repeats.add(method)
    }
  }
  parts.trace(() => `interceptors: ${kinds.join(', ')}`)
  return { interceptors: chosen, repeats: [...repeats] }
}

function wait({ random, arrive }: ChainParts): Interceptor {
  return (dispatch) => (options, handler) => {
    const send = () => dispatch(options, handler)
    const when = random.pick(['now', 'job', 'later'] as const)
    if (when === 'now') return send()
    if (when === 'job') queueMicrotask(send)
    else arrive(random.spread(0, 300), send)
    return true
  }
}

function throwing({ userCode }: ChainParts): Interceptor {
  return (dispatch) => (options, handler) => {
    userCode.run('interceptor', options)
    return dispatch(options, handler)
  }
}

function decorate({ userCode, random }: ChainParts): Interceptor {
  class Decorated extends DecoratorHandler {
    override onResponseStart(...given: Parameters<DecoratorHandler['onResponseStart']>): void {
      if (random.chance(0.1)) userCode.run('handler')
      // The callback may have aborted the request; then its handler has received the error.
      if (given[0].aborted) return
      return super.onResponseStart(...given)
    }
  }
  return (dispatch) => (options, handler) => dispatch(options, new Decorated(handler))
}

/** Responds to some requests itself. */
function fail({ random, userCode, wild }: ChainParts): Interceptor {
  return (dispatch) => (options, handler) => {
    if (!wild || !userCode.active || !random.chance(0.1)) return dispatch(options, handler)
    const error = userCode.error('answer', options)
    const controller = { aborted: true, paused: false, reason: error, abort() {}, pause() {}, resume() {} }
    callUserCode(() => handler.onResponseError?.(controller as unknown as DispatchController, error))
    return true
  }
}

/** Returns whether a request may be sent twice. */
function repeatable({ method, body, upgrade }: Dispatcher.DispatchOptions): boolean {
  return (method === 'GET' || method === 'HEAD') && body == null && upgrade == null
}

/** Sends a copy of some requests and ignores its response. */
function mirror({ random, userCode, mirrored }: ChainParts): Interceptor {
  return (dispatch) => (options, handler) => {
    if (repeatable(options) && random.chance(0.3)) {
      // A getter of the user may throw.
      const copy = { ...options }
      mirrored(1)
      const failed = (_controller: DispatchController, error: Error): void => {
        userCode.report(error, 'a copy')
        mirrored(-1)
      }
      dispatch(copy, { onResponseEnd: () => mirrored(-1), onResponseError: failed })
    }
    return dispatch(options, handler)
  }
}

/** Retries requests once that failed before their response began. */
const again: Interceptor = (dispatch) => (options, handler) => {
  if (!repeatable(options)) return dispatch(options, handler)
  return dispatch(options, new Again(handler, (twice) => void dispatch(options, twice)))
}

/** Wraps legacy callbacks of handlers that have them, like interceptors for undici 6. */
const legacy: Interceptor = (dispatch) => (options, handler) => {
  const inner = handler as LegacyDispatchHandler
  if (typeof inner.onHeaders !== 'function') return dispatch(options, handler)
  const outer: LegacyDispatchHandler = {
    onConnect: (...given) => inner.onConnect?.(...given),
    onHeaders: (...given) => inner.onHeaders?.(...given),
    onData: (...given) => inner.onData?.(...given),
    onComplete: (...given) => inner.onComplete?.(...given),
    onError: (...given) => inner.onError?.(...given),
    onUpgrade: (...given) => inner.onUpgrade?.(...given),
    onBodySent: (...given) => inner.onBodySent?.(...given),
    onRequestSent: () => inner.onRequestSent?.(),
  }
  return dispatch(options, outer as DispatchHandler)
}

class Again extends DecoratorHandler {
  readonly #send: (handler: DispatchHandler) => void
  #queued = false
  #begun = false
  #sent = false

  constructor(handler: DispatchHandler, send: (handler: DispatchHandler) => void) {
    super(handler)
    this.#send = send
  }

  override onRequestQueued(controller: DispatchController): void {
    if (this.#queued) return
    this.#queued = true
    super.onRequestQueued(controller)
  }

  override onResponseStart(...given: Parameters<DecoratorHandler['onResponseStart']>): void {
    this.#begun = true
    super.onResponseStart(...given)
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    // Exceptions of user code are reported once, so they are not dropped here.
    const final = this.#begun || this.#sent || controller.aborted || userErrorIn(error, 0) !== null
    if (final) return super.onResponseError(controller, error)
    this.#sent = true
    this.#send(this)
  }
}
