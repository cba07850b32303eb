import { Dispatcher } from '../dispatcher/dispatcher.js'
import { invalidOption, NotSupportedError } from '../errors.js'
import { fetchTakesDispatchers, HOOKS, hooked, hookIn, installations, put, superseded } from './fetch-hooks.js'
import { getGlobalDispatcher } from './global-dispatcher.js'

/** Sends by the global dispatcher of the moment. */
class GlobalFollower extends Dispatcher {
  override dispatch(...request: Parameters<Dispatcher['dispatch']>): boolean {
    return getGlobalDispatcher().dispatch(...request)
  }
}

/**
 * Routes the runtime's built-in `fetch` through `dispatcher`, until {@link uninstall}; without one through whatever
 * {@link getGlobalDispatcher} returns at the time of each request. A `dispatcher` given to `fetch` itself goes first. A second
 * call changes the dispatcher. Source: undici's `index.md`.
 * @throws {InvalidArgumentError} no dispatcher
 * @throws {NotSupportedError} a runtime whose `fetch` is not built on dispatchers
 */
export function install(dispatcher: Dispatcher = new GlobalFollower()): void {
  if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
  // Asking for Headers loads what is behind fetch: only then has the runtime a dispatcher to be given back.
  if (!fetchTakesDispatchers() || typeof Headers !== 'function') {
    throw new NotSupportedError('install() requires a runtime whose fetch uses a dispatcher: Node.js 20 or newer')
  }
  for (const hook of HOOKS) {
    const found = hooked(hook)
    const own = installations.get(hook)
    const onTop = own !== undefined && own.dispatcher === found
    // Another copy of the package restores what this one had installed before.
    if (own !== undefined && !onTop) supersede(hook, own)
    const replaced = onTop ? own.replaced : found
    installations.set(hook, { dispatcher: hookIn(hook, dispatcher), replaced })
  }
}

/**
 * Gives the runtime's `fetch` back the dispatcher that it had, unless another one was installed or set since: that one
 * stays. Without {@link install} before, it does nothing. Ours.
 */
export function uninstall(): void {
  for (const [hook, own] of installations) {
    if (hooked(hook) === own.dispatcher) put(hook, current(own.replaced, hook))
    else supersede(hook, own)
  }
  installations.clear()
}

/** Records what to restore in place of a dispatcher that is no longer installed, but that another one replaced. */
function supersede(hook: symbol, { dispatcher, replaced }: { dispatcher: unknown; replaced: unknown }): void {
  if (typeof dispatcher !== 'object' || dispatcher === null) return
  const before = superseded().get(dispatcher) ?? new Map()
  superseded().set(dispatcher, before.set(hook, replaced))
}

/** What stands for `dispatcher`, if that was uninstalled since. */
function current(dispatcher: unknown, hook: symbol): unknown {
  let found = dispatcher
  for (let by = superseded().get(found as object); by?.has(hook); by = superseded().get(found as object)) {
    found = by.get(hook)
  }
  return found
}
