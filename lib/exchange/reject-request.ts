import { reportUncaught } from '../base/user-code.js'
import { readSafely } from '../errors/safe-read.js'
import { addErrorContext, type ErrorContext, nonNullError, UNSENT_CONTEXT } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'
import { passError } from './thrown-errors.js'

/**
 * Fails a request that no dispatcher has accepted. Returns `true`, because no `drain` event follows.
 * @param report receives an error that the handler throws. Default: reports an uncaught exception.
 * @throws {InvalidArgumentError} the handler has no callback for errors
 */
export function rejectRequest(
  given: Error,
  handler: DispatchHandler | LegacyDispatchHandler,
  report: (thrown: unknown) => void = reportUncaught,
): boolean {
  reject(handler, { error: nonNullError(given), thrown: false, report })
  return true
}

/**
 * Fails a request with the error that an interceptor threw before it dispatched the request. Returns `true`, because no
 * `drain` event follows.
 */
export function refuseThrown(thrown: unknown, handler: DispatchHandler): boolean {
  reject(handler, { error: nonNullError(thrown as Error), thrown: true, report: reportUncaught })
  return true
}

function reject(
  handler: DispatchHandler | LegacyDispatchHandler,
  failure: { error: Error; thrown: boolean; report: (thrown: unknown) => void },
): void {
  const adapted = adaptHandler(handler, false)
  const { error, thrown, report } = failure
  try {
    passError(error, thrown, () => adapted.onResponseError?.(createRejectedController(error), error))
  } catch (problem) {
    report(problem)
  }
}

/**
 * Adds origin, method and path of an unsent request to an error of sluice. Getters of the options are not called,
 * because their errors would be lost. `origin`: the only origin of the dispatcher.
 */
export function addUnsentContext(error: Error, options: unknown, origin: string | null | undefined): Error {
  const [given, method, path] = ['origin', 'method', 'path'].map((name) => ownDataValue(options, name))
  return addErrorContext(error, { ...UNSENT_CONTEXT, ...safeContextOf({ origin: origin ?? given, method, path }) })
}

/** Returns the value of an own data property. */
function ownDataValue(options: unknown, name: string): unknown {
  return readSafely(() => Object.getOwnPropertyDescriptor(options, name)?.value, undefined)
}

/**
 * Returns the origin, method and path of an unchecked request for errors. The origin has no credentials, and an invalid
 * path is omitted, because it may contain a password.
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

/** Creates the controller of a request that was never accepted. */
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
