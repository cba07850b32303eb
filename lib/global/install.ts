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

/** What stood there before, by hook; null when nothing is installed. */
let before: Map<symbol, unknown> | null = null

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
  const hooked = globalThis as unknown as Hooked
  const found = new Map(HOOKS.map((name) => [Symbol.for(name), hooked[Symbol.for(name)]]))
  before ??= found
  for (const hook of found.keys()) put(hook, dispatcher)
}

/** Gives the runtime's `fetch` back the dispatcher that it had. Without {@link install} before, it does nothing. Ours. */
export function uninstall(): void {
  if (before === null) return
  for (const [hook, value] of before) put(hook, value)
  before = null
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
