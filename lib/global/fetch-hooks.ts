import { withDispatch } from '../dispatcher/composed.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { coreOf } from '../dispatcher/dispatcher-core.js'
import { adaptLegacyHandler } from '../dispatcher/interceptor-chain.js'

/**
 * Global symbols from which the undici inside Node reads the dispatcher of `fetch` (undici's `index.md`): the first up to
 * Node 25, with legacy handlers, the second since then.
 */
export const HOOKS = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map((name) => Symbol.for(name))

/** Symbol of the global map from a dispatcher to its replacement in each hook. All copies of the package share it. */
const SUPERSEDED = Symbol.for('sluice.superseded')

type Superseded = WeakMap<object, Map<symbol, unknown>>

/** Dispatcher that this copy of the package installed in each hook, and the value it replaced. */
export const installations = new Map<symbol, { readonly dispatcher: unknown; readonly replaced: unknown }>()

/** Whether the built-in `fetch` of this runtime sends through a dispatcher. */
export function fetchTakesDispatchers(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  // workerd has an empty version of undici; Bun has a version, but not undici.
  return Boolean(versions.undici) && versions.bun === undefined
}

/** Returns the value of a global hook. */
export function hooked(hook: symbol): unknown {
  return (globalThis as unknown as Record<symbol, unknown>)[hook]
}

/** Makes `fetch` send through `dispatcher`. Returns the value that the hook then has. */
export function hookIn(hook: symbol, dispatcher: Dispatcher): unknown {
  // Dispatchers of other libraries may not support legacy handlers.
  const adapted = hook === HOOKS[0] && coreOf(dispatcher) === null
  const value = adapted
    ? withDispatch(dispatcher, (o, h) => dispatcher.dispatch(o, adaptLegacyHandler(h, o)))
    : dispatcher
  superseded().delete(value)
  put(hook, value)
  return value
}

/** Sets a global hook: writable, not enumerable, not configurable. */
export function put(hook: symbol, value: unknown): void {
  Object.defineProperty(globalThis, hook, { value, writable: true, enumerable: false, configurable: false })
}

/**
 * Returns the map of dispatchers that were uninstalled after another one had replaced them, each with the value to restore
 * instead of it.
 */
export function superseded(): Superseded {
  const shared = globalThis as unknown as Record<symbol, Superseded | undefined>
  if (shared[SUPERSEDED] === undefined) {
    Object.defineProperty(globalThis, SUPERSEDED, { value: new WeakMap(), enumerable: false, configurable: true })
  }
  return shared[SUPERSEDED] as Superseded
}
