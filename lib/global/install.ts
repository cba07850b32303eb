import { Dispatcher } from '../dispatcher/dispatcher.js'
import { pointAtCaller } from '../errors/caller.js'
import { invalidOption, NotSupportedError } from '../errors.js'
import { fetchTakesDispatchers, HOOKS, hooked, hookIn, installations, put, superseded } from './fetch-hooks.js'
import { getGlobalDispatcher } from './global-dispatcher.js'

/** Sends each request through the current global dispatcher. */
class GlobalFollower extends Dispatcher {
  override dispatch(...request: Parameters<Dispatcher['dispatch']>): boolean {
    return getGlobalDispatcher().dispatch(...request)
  }
}

/**
 * Makes the built-in `fetch` of the runtime send through `dispatcher` until {@link uninstall} is called. Default: the
 * dispatcher that {@link getGlobalDispatcher} returns at the time of each request. The `dispatcher` option of a `fetch`
 * call takes precedence. A second call replaces the dispatcher. Source: undici's `index.md`.
 *
 * @example
 * install(new Agent({ connections: 10 }))
 * const response = await fetch('https://example.com')
 *
 * @throws {InvalidArgumentError} `dispatcher` is not a dispatcher
 * @throws {NotSupportedError} the runtime has a `fetch` that uses no dispatcher
 */
export function install(dispatcher: Dispatcher = new GlobalFollower()): void {
  if (typeof dispatcher?.dispatch !== 'function')
    throw pointAtCaller(invalidOption('dispatcher', 'a Dispatcher', dispatcher), install)
  // Reading Headers loads the implementation of fetch, and with it the dispatcher that uninstall() restores.
  if (!fetchTakesDispatchers() || typeof Headers !== 'function') {
    throw new NotSupportedError('install() requires a runtime whose fetch uses a dispatcher: Node.js 20 or newer')
  }
  for (const hook of HOOKS) {
    const found = hooked(hook)
    const own = installations.get(hook)
    const onTop = own !== undefined && own.dispatcher === found
    // Another copy of the package restores the dispatcher that this one installed before.
    if (own !== undefined && !onTop) supersede(hook, own)
    const replaced = onTop ? own.replaced : found
    installations.set(hook, { dispatcher: hookIn(hook, dispatcher), replaced })
  }
}

/**
 * Restores the dispatcher that the built-in `fetch` used before {@link install}. A dispatcher that was installed or set
 * since stays. Does nothing without a previous `install`. Specific to sluice.
 */
export function uninstall(): void {
  for (const [hook, own] of installations) {
    if (hooked(hook) === own.dispatcher) put(hook, current(own.replaced, hook))
    else supersede(hook, own)
  }
  installations.clear()
}

/** Records what to restore instead of a dispatcher that was uninstalled after another one had replaced it. */
function supersede(hook: symbol, { dispatcher, replaced }: { dispatcher: unknown; replaced: unknown }): void {
  if (typeof dispatcher !== 'object' || dispatcher === null) return
  const before = superseded().get(dispatcher) ?? new Map()
  superseded().set(dispatcher, before.set(hook, replaced))
}

/** Returns `dispatcher`, or what to restore instead if it was uninstalled since. */
function current(dispatcher: unknown, hook: symbol): unknown {
  let found = dispatcher
  for (let by = superseded().get(found as object); by?.has(hook); by = superseded().get(found as object)) {
    found = by.get(hook)
  }
  return found
}
