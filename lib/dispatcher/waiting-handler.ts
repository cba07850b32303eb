import { innerHandlerOf, WrappingHandler } from '../exchange/wrapping-handler.js'
import type { Dispatch } from './dispatcher.js'
import { coreOf, type DispatcherCore } from './dispatcher-core.js'

let learnCore: (handler: WaitingHandler, core: DispatcherCore | null) => void
let readCore: (handler: WaitingHandler) => DispatcherCore | null

/** Handler that waits between the attempts of a request, and fails when its dispatcher is destroyed meanwhile. */
export class WaitingHandler extends WrappingHandler {
  #core: DispatcherCore | null

  static {
    // `instanceof` is also true for objects that were not made by the constructor: they have no such field.
    learnCore = (handler, core) => {
      if (#core in handler) handler.#core ??= core
    }
    readCore = (handler) => handler.#core
  }

  constructor(dispatch: Dispatch, inner: object) {
    super(inner)
    this.#core = coreOf(dispatch)
  }
}

/**
 * Records that the dispatcher of `core` received a request with `handler`. A WaitingHandler that wraps or is wrapped by
 * it and was created without interceptor learns its dispatcher only from this.
 */
export function noteDispatcher(handler: object, core: DispatcherCore | null): void {
  for (let one: object | null = handler; one !== null; one = innerHandlerOf(one)) {
    if (one instanceof WaitingHandler) learnCore(one, core)
  }
}

/** Returns the core of the dispatcher that `handler` sends through; null while it is unknown. */
export function coreOfHandler(handler: WaitingHandler): DispatcherCore | null {
  return readCore(handler)
}
