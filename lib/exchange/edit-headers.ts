import { isIterable } from '../base/prototype-pollution.js'
import { flattenHeaders, type HeadersInput } from '../wire/headers.js'

/**
 * Edits request headers and keeps their form: an object, a flat array, or pairs. Interceptors of users add a header by
 * `{ ...headers, name: value }`, which is only correct if the headers still have the form that the caller chose.
 * Headers given as another iterable become an object.
 */

/** Returns whether to remove a header. `name` is in lower case. */
type ShouldRemove = (name: string) => boolean
type Entry = readonly [name: unknown, value: unknown]
type HeadersForm = 'object' | 'flat' | 'pairs'

/** Returns headers that can be read more than once: an iterator becomes an object. */
export function rereadableHeaders(headers: HeadersInput): HeadersInput {
  const once = isObject(headers) && isIterable(headers) && 'next' in headers && typeof headers.next === 'function'
  return once ? build(entriesOf(headers), 'object') : headers
}

/** Whether a header would be sent. `name` is in lower case. */
export function hasHeader(headers: HeadersInput, name: string): boolean {
  return isObject(headers) && entriesOf(headers).some(([own, value]) => hasName(own, name) && hasValue(value))
}

/** Returns the headers without those that `shouldRemove` selects. */
export function withoutHeaders(headers: HeadersInput, dropped: ShouldRemove): HeadersInput {
  if (!isObject(headers)) return headers
  const kept = entriesOf(headers).filter(([name]) => typeof name !== 'string' || !dropped(name.toLowerCase()))
  return build(kept, formOf(headers))
}

/** Returns the headers with `fields` (name, value, …) in front, which replace headers of the same name. */
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
    // Reports an invalid pair now, with the same error as later.
    if (!headers.every(Array.isArray)) flattenHeaders(headers)
    return headers as Entry[]
  }
  return isIterable(headers) ? toPairs(flattenHeaders(headers)) : Object.entries(headers)
}

function toPairs(flat: readonly unknown[]): Entry[] {
  const entries: Entry[] = []
  // An odd number of elements stays odd, and is rejected later.
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
  // An assignment would not create a property named `__proto__`.
  return Object.fromEntries(fields) as Record<string, string>
}
