import { reportUncaught } from '../base/user-code.js'
import { readSafely } from '../errors/safe-read.js'
import { addErrorContext, type ErrorContext, nonNullError, UNSENT_CONTEXT } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'

/**
 * Fails a request that no dispatcher accepted. Returns true: no `drain` follows.
 * @param report receives what the handler throws. Default: it is an uncaught exception.
 * @throws {InvalidArgumentError} the handler has no callback for errors
 */
export function rejectRequest(
  given: Error,
  handler: DispatchHandler | LegacyDispatchHandler,
  report: (thrown: unknown) => void = reportUncaught,
): boolean {
  const adapted = adaptHandler(handler, false)
  const error = nonNullError(given)
  try {
    adapted.onResponseError?.(createRejectedController(error), error)
  } catch (thrown) {
    report(thrown)
  }
  return true
}

/** Exceptions of interceptors that {@link refuseThrown} has passed to a handler. */
const interceptorErrors = new WeakSet<object>()

/** Fails a request with the exception of an interceptor that has not dispatched it. Returns true: no `drain` follows. */
export function refuseThrown(thrown: unknown, handler: DispatchHandler): boolean {
  const error = nonNullError(thrown as Error)
  if (Object(error) === error) interceptorErrors.add(error)
  return rejectRequest(error, handler)
}

/** Whether `error` was passed to a handler by {@link refuseThrown}. True once for each exception. */
export function takeInterceptorError(error: Error): boolean {
  return interceptorErrors.delete(error)
}

/**
 * Adds to an error of sluice which request it is that nothing was done for. Getters of the options are not called: what
 * they throw would be lost here. `origin`: the only one of its dispatcher.
 */
export function addUnsentContext(error: Error, options: unknown, origin: string | null | undefined): Error {
  const [given, method, path] = ['origin', 'method', 'path'].map((name) => ownDataValue(options, name))
  return addErrorContext(error, { ...UNSENT_CONTEXT, ...safeContextOf({ origin: origin ?? given, method, path }) })
}

/** Of an own property that is no getter. */
function ownDataValue(options: unknown, name: string): unknown {
  return readSafely(() => Object.getOwnPropertyDescriptor(options, name)?.value, undefined)
}

/**
 * What errors show of a request that may not have been checked: an origin without credentials, a path that is one. What
 * stands in their place may hold a password.
 */
export function safeContextOf(request: { origin?: unknown; method?: unknown; path?: unknown }): ErrorContext {
  const { method, path } = request
  const origin = readSafely(() => new URL(request.origin as string | URL).origin, 'null')
  return {
    ...(origin !== 'null' && { origin }),
    ...(typeof method === 'string' && { method }),
    ...(typeof path === 'string' && /^[/*]/.test(path) && { path }),
  }
}

/** For a handler whose request was never accepted. */
function createRejectedController(reason: Error) {
  return {
    aborted: true,
    paused: false,
    reason,
    rawHeaders: null,
    rawTrailers: null,
    abort() {},
    pause() {},
    resume() {},
  }
}
