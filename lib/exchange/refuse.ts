import { reportUncaught } from '../base/gate.js'
import { presentError } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from './handler.js'
import { adaptHandler } from './legacy-handler.js'

/**
 * Fails a request that no dispatcher accepted. Returns true: no `drain` follows.
 * @param report receives what the handler throws. Default: it is an uncaught exception.
 * @throws {InvalidArgumentError} the handler has no callback for errors
 */
export function refuse(
  given: Error,
  handler: DispatchHandler | LegacyDispatchHandler,
  report: (thrown: unknown) => void = reportUncaught,
): boolean {
  const adapted = adaptHandler(handler, false)
  const error = presentError(given)
  try {
    adapted.onResponseError?.(refusedController(error), error)
  } catch (thrown) {
    report(thrown)
  }
  return true
}

/** For a handler whose request was never accepted. */
function refusedController(reason: Error) {
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
