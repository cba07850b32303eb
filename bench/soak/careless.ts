import type { DispatchInterceptor } from '../../lib/index.js'
import { THROWN } from './caller-code.js'

/** An interceptor of a caller: dispatches at once or later, throws, or answers by itself. */
export const careless: DispatchInterceptor = (dispatch) => (options, handler) => {
  const chance = Math.random()
  if (chance < 0.5) return dispatch(options, handler)
  if (chance < 0.55) throw Object.assign(new Error('thrown by an interceptor'), { code: THROWN })
  const number = /^\/id\/(\d+)$/.exec(String(options.path))?.[1]
  if (chance < 0.65 && number !== undefined) {
    const controller = { aborted: false, paused: false, reason: null, rawHeaders: [], rawTrailers: [] }
    const still = { ...controller, abort() {}, pause() {}, resume() {} }
    handler.onRequestStart?.(still, null)
    handler.onResponseStart?.(still, 200, {}, 'OK')
    handler.onResponseData?.(still, Buffer.from(number))
    handler.onResponseEnd?.(still, {})
    return true
  }
  if (chance < 0.8) setImmediate(() => dispatch(options, handler))
  else queueMicrotask(() => dispatch(options, handler))
  return true
}
