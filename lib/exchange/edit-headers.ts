import { isIterable } from '../base/prototype-pollution.js'
import { flattenHeaders, type HeadersInput } from '../wire/headers.js'

/**
 * Changes to request headers that keep their form: an object stays an object, a flat array a flat array, pairs stay
 * pairs. Interceptors beneath add a field by `{ ...headers, name: value }`, which is wrong for any other form than the
 * one that the caller chose. Headers of another iterable become an object.
 */

/** Header names in lower case that are to be removed. */
type ShouldRemove = (name: string) => boolean
type Entry = readonly [name: unknown, value: unknown]
type HeadersForm = 'object' | 'flat' | 'pairs'

/** Headers that can be read more than once: those of an iterator become an object. */
export function rereadableHeaders(headers: HeadersInput): HeadersInput {
  const once = isObject(headers) && isIterable(headers) && 'next' in headers && typeof headers.next === 'function'
  return once ? build(entriesOf(headers), 'object') : headers
}

/** Whether a header of this name, in lower case, would be sent. */
export function hasHeader(headers: HeadersInput, name: string): boolean {
  return isObject(headers) && entriesOf(headers).some(([own, value]) => hasName(own, name) && hasValue(value))
}

/** Headers without those of certain names. */
export function withoutHeaders(headers: HeadersInput, dropped: ShouldRemove): HeadersInput {
  if (!isObject(headers)) return headers
  const kept = entriesOf(headers).filter(([name]) => typeof name !== 'string' || !dropped(name.toLowerCase()))
  return build(kept, formOf(headers))
}

/** Headers with these `fields` (name, value, …) before them, instead of those of the same names. */
export function withHeaders(headers: HeadersInput, fields: readonly string[]): HeadersInput {
  const added: Entry[] = []
  const names = new Set<string>()
  for (let i = 0; i < fields.length; i += 2) {
    added.push([fields[i], fields[i + 1]])
    names.add((fields[i] as string).toLowerCase())
  }
  if (headers === null || headers === undefined) return build(added, 'object')
  if (!isObject(headers)) return headers
  const kept = entriesOf(headers).filter(([name]) => typeof name !== 'string' || !names.has(name.toLowerCase()))
  return build([...added, ...kept], formOf(headers))
}

function isObject(headers: HeadersInput): headers is NonNullable<HeadersInput> {
  return typeof headers === 'object' && headers !== null
}

function hasName(own: unknown, name: string): boolean {
  return typeof own === 'string' && own.length === name.length && own.toLowerCase() === name
}

function hasValue(value: unknown): boolean {
  return value !== undefined && !(Array.isArray(value) && value.length === 0)
}

function formOf(headers: NonNullable<HeadersInput>): HeadersForm {
  if (!Array.isArray(headers)) return 'object'
  return Array.isArray(headers[0]) ? 'pairs' : 'flat'
}

function entriesOf(headers: NonNullable<HeadersInput>): Entry[] {
  if (Array.isArray(headers)) {
    if (formOf(headers) === 'flat') return toPairs(headers)
    // What is no pair is refused here as it would be later.
    if (!headers.every(Array.isArray)) flattenHeaders(headers)
    return headers as Entry[]
  }
  return isIterable(headers) ? toPairs(flattenHeaders(headers)) : Object.entries(headers)
}

function toPairs(flat: readonly unknown[]): Entry[] {
  const entries: Entry[] = []
  // An odd number of elements stays odd, and is refused later.
  for (let i = 0; i < flat.length; i += 2) entries.push(flat.slice(i, i + 2) as unknown as Entry)
  return entries
}

function build(entries: Entry[], form: HeadersForm): HeadersInput {
  if (form === 'flat') return entries.flat() as string[]
  if (form === 'pairs') return entries as Iterable<[string, string]>
  const fields = new Map<string, unknown>()
  for (const [name, value] of entries as [string, unknown][]) {
    fields.set(name, fields.has(name) ? [fields.get(name), value].flat() : value)
  }
  // Not by assignment: `__proto__` is a name as any other.
  return Object.fromEntries(fields) as Record<string, string>
}
