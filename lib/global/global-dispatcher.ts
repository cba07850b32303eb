import { Agent } from '../dispatcher/agent.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { invalidOption } from '../errors.js'
import { fetchTakesDispatchers, HOOKS, hookIn, installations } from './fetch-hooks.js'

let current: Dispatcher | null = null

/**
 * The dispatcher of all functions here that are given none: an Agent with default options, made when it is first
 * asked for, until {@link setGlobalDispatcher} names another. It is this package's alone. Source: undici's `index.md`.
 */
export function getGlobalDispatcher(): Dispatcher {
  current ??= new Agent()
  return current
}

/**
 * Names the dispatcher that {@link getGlobalDispatcher} returns, and that the runtime's own `fetch` sends through from
 * now on where it takes dispatchers: in Node, in the place of what was installed or set before. Source: undici's
 * `index.md`.
 * @throws {InvalidArgumentError} no dispatcher
 */
export function setGlobalDispatcher<Implementation extends Dispatcher>(dispatcher: Implementation): void {
  if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
  current = dispatcher
  if (!fetchTakesDispatchers()) return
  // What was installed before it is not to be restored.
  installations.clear()
  for (const hook of HOOKS) hookIn(hook, dispatcher)
}
