import { queueMicrotask } from '../base/clock.js'
import { callUserCode } from '../base/user-code.js'
import type { DispatcherCore } from './dispatcher-core.js'

/** Receives the error that a dispatcher was destroyed with. */
export type DestroyCallback = (error: Error) => void

/** Callbacks of each dispatcher or, after it was destroyed, its error. */
const callbacks = new WeakMap<DispatcherCore, Set<DestroyCallback> | Error>()

/**
 * Registers a callback for the time a dispatcher is destroyed. If it already is, the callback is called in a microtask.
 * Interceptors that wait (before a retry, for a lookup) fail their request in it: the dispatcher does not know of the
 * request then.
 */
export function addDestroyCallback(core: DispatcherCore, callback: DestroyCallback): void {
  const known = callbacks.get(core)
  if (known instanceof Set) known.add(callback)
  else if (known === undefined) callbacks.set(core, new Set([callback]))
  else queueMicrotask(() => callback(known))
}

/** Unregisters a callback. */
export function removeDestroyCallback(core: DispatcherCore, callback: DestroyCallback): void {
  const known = callbacks.get(core)
  if (known instanceof Set) known.delete(callback)
}

/** Calls all callbacks of a destroyed dispatcher, and remembers `error` for later ones. */
export function runDestroyCallbacks(core: DispatcherCore, error: Error): void {
  const known = callbacks.get(core)
  callbacks.set(core, error)
  if (known instanceof Set) for (const callback of known) callUserCode(callback, error)
}
