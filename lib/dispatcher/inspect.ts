import { type InspectArguments, inspectSymbol } from '../base/inspect-symbol.js'
import { resolveClientOptions } from './client-options.js'
import type { Dispatcher } from './dispatcher.js'
import type { DispatcherCore } from './dispatcher-core.js'

/** Object that may describe its state as text, and as a value for `util.inspect`. */
export type Inspectable = object & { inspect?(): string; [inspectSymbol]?: unknown }

type Described = Dispatcher & { readonly stats?: object; readonly closed?: boolean; readonly destroyed?: boolean }

/** Options with text that is no secret. */
const SHOWN_TEXTS = /^(parser|reuse|strategy|authority|socketPath|localAddress)$/
/** Defaults that {@link resolveClientOptions} does not return under the name of the option. */
const MORE_DEFAULTS = { connectTimeout: 10_000, maxCachedSessions: 100, maxWeightPerServer: 100, errorPenalty: 15 }

/** Describes a dispatcher in one line: its origin, options that differ from the defaults, counters, and its end. */
export function lineOf(dispatcher: Described, core: DispatcherCore): string {
  const { stats = {}, closed, destroyed } = dispatcher
  const counts = 'size' in stats ? stats : { origins: Object.keys(stats).length }
  const origin = core.origin === null ? '' : ` ${core.origin}`
  const pairs = [...changedOptions(core.options ?? {}), ...Object.entries(counts)]
  const end = destroyed ? ', destroyed' : closed ? ', closed' : ''
  return `${dispatcher.constructor.name}${origin}${pairs.map(([name, value]) => `, ${name}: ${value}`).join('')}${end}`
}

/** Returns numbers, booleans and some texts: others may contain credentials or keys. */
function changedOptions(options: object & { timeouts?: object | null }): [string, unknown][] {
  const defaults: Record<string, unknown> = { ...resolveClientOptions({}), ...MORE_DEFAULTS }
  const limits = Object.entries(options.timeouts ?? {}).map(([name, value]): [string, unknown] => [
    `timeouts.${name}`,
    value,
  ])
  return [...Object.entries(options), ...limits].filter(
    ([name, value]) =>
      (/number|boolean/.test(typeof value) || (typeof value === 'string' && SHOWN_TEXTS.test(name))) &&
      value !== (defaults[name] ?? false),
  )
}

/** Describes an object by `line`, and its parts in indented lines below. */
export function describeTree(line: string, parts: Iterable<Inspectable>): string {
  let text = line
  for (const part of parts) text += `\n${describePart(part)}`.replaceAll('\n', '\n  ')
  return text
}

/** Describes an object by `line`, and its parts in brackets while `depth` allows. */
export function inspectTree(
  line: string,
  parts: Iterable<Inspectable>,
  [depth, options, inspect]: InspectArguments,
): string {
  const shown = [...parts].map((part) => (part.inspect && inspectSymbol in part ? part : describePart(part)))
  const text = options.stylize(line, 'special')
  return shown.length === 0 || (depth !== null && depth < 0) ? text : `${text} ${inspect(shown, { ...options, depth })}`
}

function describePart(part: Inspectable): string {
  return part.inspect?.() ?? part.constructor.name
}
