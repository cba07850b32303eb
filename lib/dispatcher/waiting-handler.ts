import { queueMicrotask } from '../base/clock.js'
import { callUserCode } from '../base/user-code.js'
import { innerHandlerOf, WrappingHandler } from '../exchange/wrapping-handler.js'
import type { Dispatch } from './dispatcher.js'
import { coreOf, type DispatcherCore } from './dispatcher-core.js'

/** Ends something that waits outside a dispatcher for a request to it, such as an interceptor before a retry. */
export type Waiter = (error: Error) => void

/** By dispatcher: its waiters, or the error that it was destroyed with. */
const waiters = new WeakMap<DispatcherCore, Set<Waiter> | Error>()

/** Calls `waiter` once the dispatcher is destroyed, or after this call if it already is. */
export function addWaiter(core: DispatcherCore, waiter: Waiter): void {
  const known = waiters.get(core)
  if (known instanceof Set) known.add(waiter)
  else if (known === undefined) waiters.set(core, new Set([waiter]))
  else queueMicrotask(() => waiter(known))
}

export function removeWaiter(core: DispatcherCore, waiter: Waiter): void {
  const known = waiters.get(core)
  if (known instanceof Set) known.delete(waiter)
}

/** Ends all that waits for a dispatcher, now and from now on: it is destroyed with `error`. */
export function endWaiters(core: DispatcherCore, error: Error): void {
  const known = waiters.get(core)
  waiters.set(core, error)
  if (known instanceof Set) for (const waiter of known) callUserCode(waiter, error)
}

/** A handler that waits between attempts. */
export class WaitingHandler extends WrappingHandler {
  #core: DispatcherCore | null

  constructor(dispatch: Dispatch, inner: object) {
    super(inner)
    this.#core = coreOf(dispatch)
  }

  /**
   * @internal The dispatcher of `core` received a request with this handler. A handler inside it that is used alone may
   * have no other way to learn its dispatcher.
   */
  static note(handler: object, core: DispatcherCore | null): void {
    for (let one: object | null = handler; one !== null; one = innerHandlerOf(one)) {
      if (one instanceof WaitingHandler && #core in one) one.#core ??= core
    }
  }

  /** @internal What `handler` waits for; null when it is not known. */
  static coreOf(handler: WaitingHandler): DispatcherCore | null {
    return handler.#core
  }
}
