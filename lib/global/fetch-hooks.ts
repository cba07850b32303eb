import { withDispatch } from '../dispatcher/composed.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { coreOf } from '../dispatcher/dispatcher-core.js'
import { adaptLegacyHandler } from '../dispatcher/interceptor-chain.js'

/**
 * Where the undici inside Node looks for the dispatcher of its `fetch`; documented in undici's `index.md`. Up to
 * Node 25 the first, whose handlers are of the older generation, from then on the second.
 */
export const HOOKS = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map((name) => Symbol.for(name))

/** By dispatcher: what stands for it in each hook where it was replaced. All copies of the package share it. */
const SUPERSEDED = Symbol.for('sluice.superseded')

type Superseded = WeakMap<object, Map<symbol, unknown>>

/** What this copy of the package installed in each hook, and what it replaced there. */
export const installations = new Map<symbol, { readonly dispatcher: unknown; readonly replaced: unknown }>()

/** Whether the `fetch` of this runtime sends through a dispatcher. */
export function fetchTakesDispatchers(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  // workerd names undici, without a version; Bun names one and has none.
  return Boolean(versions.undici) && versions.bun === undefined
}

export function hooked(hook: symbol): unknown {
  return (globalThis as unknown as Record<symbol, unknown>)[hook]
}

/** Has `fetch` send through `dispatcher`. Returns what is in the hook then. */
export function hookIn(hook: symbol, dispatcher: Dispatcher): unknown {
  // Other libraries' dispatchers need not know the older handlers.
  const adapted = hook === HOOKS[0] && coreOf(dispatcher) === null
  const value = adapted
    ? withDispatch(dispatcher, (o, h) => dispatcher.dispatch(o, adaptLegacyHandler(h, o)))
    : dispatcher
  superseded().delete(value)
  put(hook, value)
  return value
}

export function put(hook: symbol, value: unknown): void {
  Object.defineProperty(globalThis, hook, { value, writable: true, enumerable: false, configurable: false })
}

/**
 * Dispatchers that were uninstalled while another one stood over them, with what they had replaced: who restores one
 * of them restores that instead.
 */
export function superseded(): Superseded {
  const shared = globalThis as unknown as Record<symbol, Superseded | undefined>
  if (shared[SUPERSEDED] === undefined) {
    Object.defineProperty(globalThis, SUPERSEDED, { value: new WeakMap(), enumerable: false, configurable: true })
  }
  return shared[SUPERSEDED] as Superseded
}
