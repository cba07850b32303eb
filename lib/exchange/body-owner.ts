import { type BodyStream, checkStream, holdStream, isStream } from './body-stream.js'
import { DecoratorHandler } from './decorator-handler.js'
import type { DispatchController, DispatchHandler, LegacyDispatchHandler } from './handler.js'
import type { DispatchInput } from './request.js'

type Dispatch = (handler: DispatchHandler | LegacyDispatchHandler) => boolean

/**
 * Calls `dispatch`, during which and after which a stream that is the body rests until it is sent. The outermost layer
 * to see the stream destroys it if the request fails for good: interceptors further in may send it again.
 */
export function dispatchStream(
  options: DispatchInput,
  handler: DispatchHandler | LegacyDispatchHandler,
  dispatch: Dispatch,
): boolean {
  const stream = hold(options.body)
  if (stream === null) return dispatch(handler)
  try {
    // What a handler of upgrades must have is checked on the handler itself.
    return dispatch(options.upgrade ? handler : new BodyOwner(handler, stream))
  } catch (error) {
    stream.stop(error as Error)
    throw error
  }
}

function hold(body: unknown): BodyStream | null {
  if (!isStream(body)) return null
  try {
    checkStream(body)
  } catch {
    // The request that it is for refuses it.
    return null
  }
  return holdStream(body)
}

class BodyOwner extends DecoratorHandler {
  /** As of the handler. */
  readonly borrowsChunks: boolean
  readonly #stream: BodyStream

  constructor(handler: DispatchHandler | LegacyDispatchHandler, stream: BodyStream) {
    super(handler)
    this.borrowsChunks = (handler as DispatchHandler)?.borrowsChunks === true
    this.#stream = stream
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    this.#stream.stop(error)
    super.onResponseError(controller, error)
  }
}
