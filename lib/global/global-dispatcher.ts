import { Agent } from '../dispatcher/agent.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { invalidOption } from '../errors.js'

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
 * Names the dispatcher that {@link getGlobalDispatcher} returns. The runtime's `fetch` is not touched: `install()`
 * is for that. Source: undici's `index.md`.
 * @throws {InvalidArgumentError} no dispatcher
 */
export function setGlobalDispatcher<Implementation extends Dispatcher>(dispatcher: Implementation): void {
  if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
  current = dispatcher
}
