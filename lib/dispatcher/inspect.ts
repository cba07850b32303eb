import type { Dispatcher } from './dispatcher.js'
import { originOf } from './dispatcher-core.js'

/** What can tell of itself in words, and what can not. */
export type Inspectable = object & { inspect?(): string }

/** A line for itself, and lines for its parts, further in. */
export function describeDispatcher(
  dispatcher: Dispatcher & { readonly stats?: object },
  parts: Iterable<Inspectable>,
): string {
  const { stats = {} } = dispatcher
  const origin = originOf(dispatcher)
  let text = dispatcher.constructor.name
  if (origin !== null) text += ` ${origin}`
  // Those of an Agent are by origin: its parts have them.
  for (const [name, count] of Object.entries(stats)) if (typeof count !== 'object') text += `, ${name}: ${count}`
  for (const part of parts) text += `\n${part.inspect?.() ?? part.constructor.name}`.replaceAll('\n', '\n  ')
  return text
}
