import { Agent } from '../dispatcher/agent.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { pointAtCaller } from '../errors/caller.js'
import { invalidOption } from '../errors.js'
import { fetchTakesDispatchers, HOOKS, hookIn, installations } from './fetch-hooks.js'

let current: Dispatcher | null = null

/**
 * Returns the dispatcher of `request`, `stream` and the other functions by URL: the one set with
 * {@link setGlobalDispatcher}, else an Agent with default options, created at the first call. Each copy of the package has
 * its own. Source: undici's `index.md`.
 *
 * @example
 * await getGlobalDispatcher().close() // lets requests in flight complete
 */
export function getGlobalDispatcher(): Dispatcher {
  current ??= new Agent()
  return current
}

/**
 * Sets the dispatcher that {@link getGlobalDispatcher} returns. In Node.js, the built-in `fetch` uses it as well, instead
 * of the one installed or set before. Source: undici's `index.md`.
 *
 * @example
 * setGlobalDispatcher(new Agent({ connections: 10 }))
 *
 * @throws {InvalidArgumentError} `dispatcher` is not a dispatcher
 */
export function setGlobalDispatcher<Implementation extends Dispatcher>(dispatcher: Implementation): void {
  if (typeof dispatcher?.dispatch !== 'function')
    throw pointAtCaller(invalidOption('dispatcher', 'a Dispatcher', dispatcher), setGlobalDispatcher)
  current = dispatcher
  if (!fetchTakesDispatchers()) return
  // uninstall() must not restore what was installed before.
  installations.clear()
  for (const hook of HOOKS) hookIn(hook, dispatcher)
}
