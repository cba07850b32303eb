import type { Dispatcher } from './dispatcher.js'
import { originOf } from './dispatcher-core.js'

/** Object that may describe its state as text. */
export type Inspectable = object & { inspect?(): string }

/** Describes a dispatcher in one line with its counters, and its children in indented lines below. */
export function describeDispatcher(
  dispatcher: Dispatcher & { readonly stats?: object },
  children: Iterable<Inspectable>,
): string {
  const { stats = {} } = dispatcher
  const origin = originOf(dispatcher)
  let text = dispatcher.constructor.name
  if (origin !== null) text += ` ${origin}`
  // The `stats` of an Agent are by origin: its children show them.
  for (const [name, count] of Object.entries(stats)) if (typeof count !== 'object') text += `, ${name}: ${count}`
  for (const child of children) text += `\n${child.inspect?.() ?? child.constructor.name}`.replaceAll('\n', '\n  ')
  return text
}
