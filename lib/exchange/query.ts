import { isIterable } from '../base/prototype-pollution.js'
import { requireObject } from '../errors/option-checks.js'
import { invalidArgument, invalidOption } from '../errors.js'

/**
 * Returns the path with an encoded query.
 * @throws {InvalidArgumentError} the path has a query, or the query can not be encoded
 */
export function withQuery(path: string, query: unknown): string {
  requireObject('query', query)
  if (path.includes('?') || path.includes('#')) {
    throw invalidArgument('query must not be combined with a path that contains "?" or "#"')
  }
  const pairs: string[] = []
  for (const [key, value] of entriesOf(query)) {
    for (const one of Array.isArray(value) ? value : [value])
      pairs.push(`${encodeComponent(key)}=${encodeComponent(one)}`)
  }
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

/** Returns pairs of name and value, also of a URLSearchParams or a Map. */
function entriesOf(query: object): Iterable<readonly unknown[]> {
  if (!isIterable(query)) return Object.entries(query)
  const pairs = [...(query as Iterable<unknown>)]
  const wrong = pairs.find((pair) => !Array.isArray(pair) || pair.length !== 2)
  if (wrong !== undefined) throw invalidOption('query', 'an object or an iterable of [name, value] pairs', wrong)
  return pairs as unknown[][]
}

function encodeComponent(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'object' && !hasTextForm(value)) {
    throw invalidOption('query', 'an object whose values convert to strings, or arrays of such values', value)
  }
  try {
    return encodeURIComponent(String(value))
  } catch (cause) {
    throw invalidArgument('query contains text that cannot be encoded as UTF-8', { cause })
  }
}

/** Whether an object such as a URL or Date has its own `toString`. Others would be sent as `[object Object]`. */
function hasTextForm(value: object): boolean {
  return typeof value.toString === 'function' && value.toString !== Object.prototype.toString
}
