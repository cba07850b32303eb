import { Dispatcher } from '../dispatcher/dispatcher.js'
import { invalidOption, NotSupportedError } from '../errors.js'
import { getGlobalDispatcher } from './global-dispatcher.js'

/**
 * Where the undici inside Node looks for the dispatcher of its `fetch`; documented in undici's `index.md`. Up to
 * Node 25 the first, from then on the second.
 */
const HOOKS = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'] as const

type Hooked = Record<symbol, unknown>

/** Sends by the global dispatcher of the moment. */
class GlobalFollower extends Dispatcher {
  override dispatch(...request: Parameters<Dispatcher['dispatch']>): boolean {
    return getGlobalDispatcher().dispatch(...request)
  }
}

/** What this copy of the package put into a hook, and what it replaced there. */
interface Installation {
  readonly dispatcher: unknown
  readonly replaced: unknown
}

const installations = new Map<symbol, Installation>()

/**
 * Dispatchers that were uninstalled while another one stood over them, with what they had replaced: who restores one
 * of them restores that instead. All copies of the package share it.
 */
const SUPERSEDED = 'sluice.superseded'

/**
 * Routes the runtime's built-in `fetch` through `dispatcher`, until {@link uninstall}; without one through whatever
 * {@link getGlobalDispatcher} returns at the time of each request. A `dispatcher` given to `fetch` itself goes first. A second
 * call changes the dispatcher. Source: undici's `index.md`.
 * @throws {InvalidArgumentError} no dispatcher
 * @throws {NotSupportedError} a runtime whose `fetch` is not built on dispatchers
 */
export function install(dispatcher: Dispatcher = new GlobalFollower()): void {
  if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
  if (!fetchTakesDispatchers()) {
    throw new NotSupportedError('install() needs a runtime whose fetch sends through a dispatcher: Node 20 or newer')
  }
  for (const name of HOOKS) {
    const hook = Symbol.for(name)
    const found = (globalThis as unknown as Hooked)[hook]
    const own = installations.get(hook)
    const replaced = own !== undefined && own.dispatcher === found ? own.replaced : found
    superseded().delete(dispatcher)
    installations.set(hook, { dispatcher, replaced })
    put(hook, dispatcher)
  }
}

/**
 * Gives the runtime's `fetch` back the dispatcher that it had, unless another one was installed or set since: that one
 * stays. Without {@link install} before, it does nothing. Ours.
 */
export function uninstall(): void {
  for (const [hook, { dispatcher, replaced }] of installations) {
    if ((globalThis as unknown as Hooked)[hook] === dispatcher) put(hook, current(replaced, hook))
    else if (typeof dispatcher === 'object' && dispatcher !== null) {
      const before = superseded().get(dispatcher) ?? new Map()
      superseded().set(dispatcher, before.set(hook, replaced))
    }
  }
  installations.clear()
}

/** What stands for `dispatcher`, if that was uninstalled since. */
function current(dispatcher: unknown, hook: symbol): unknown {
  let found = dispatcher
  for (let by = superseded().get(found as object); by?.has(hook); by = superseded().get(found as object)) {
    found = by.get(hook)
  }
  return found
}

function superseded(): WeakMap<object, Map<symbol, unknown>> {
  const shared = globalThis as unknown as Record<symbol, WeakMap<object, Map<symbol, unknown>> | undefined>
  const key = Symbol.for(SUPERSEDED)
  if (shared[key] === undefined) {
    Object.defineProperty(globalThis, key, { value: new WeakMap(), enumerable: false, configurable: true })
  }
  return shared[key] as WeakMap<object, Map<symbol, unknown>>
}

function put(hook: symbol, value: unknown): void {
  Object.defineProperty(globalThis, hook, { value, writable: true, enumerable: false, configurable: false })
}

function fetchTakesDispatchers(): boolean {
  const { versions } = process as { versions: Record<string, string | undefined> }
  // Asking for Headers loads what is behind fetch: only then has the runtime a dispatcher to be given back.
  // workerd names undici, without a version; Bun names one and has none.
  return Boolean(versions.undici) && versions.bun === undefined && typeof Headers === 'function'
}
