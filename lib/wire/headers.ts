import { isIterable } from '../base/prototype-pollution.js'
import { invalidArgument, invalidType } from '../errors.js'

/** Value of a request header. */
export type HeaderValue = string | number | boolean | readonly string[] | null | undefined
/** Accepted forms of request headers: an object, a flat array of names and values, or an iterable of pairs. */
export type HeadersInput =
  | Record<string, HeaderValue>
  | readonly string[]
  | Iterable<readonly [string, string | readonly string[] | undefined]>
  | null
  | undefined

/** A `token` (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** A field value: visible characters, obs-text, space and tab (RFC 9110 §5.5). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whether `text` is a `token`, the syntax of methods and header names (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** Whether `text` contains only characters that a header value can have (RFC 9110 §5.5). */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text)
}

/**
 * Converts request headers to name, value, name, value, … An array of values becomes one header per element. `null` is an
 * empty value, as in undici.
 * @throws {InvalidArgumentError} a name is not a token, or a value contains a character that is not allowed
 */
export function flattenHeaders(input: HeadersInput): string[] {
  const flat: string[] = []
  if (input === null || input === undefined) return flat
  if (typeof input !== 'object') throw invalidType('headers', 'an object, an array or an iterable', input)
  if (Array.isArray(input) && typeof input[0] === 'string') {
    if (input.length % 2 !== 0)
      throw invalidArgument('headers array must contain name, value, name, value, …: it has an odd number of elements')
    for (let i = 0; i < input.length; i += 2) append(flat, input[i], input[i + 1])
    return flat
  }
  if (isIterable(input)) {
    for (const pair of input as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2)
        throw invalidArgument('headers must be an iterable of [name, value] pairs')
      append(flat, pair[0], pair[1])
    }
    return flat
  }
  for (const name of Object.keys(input)) append(flat, name, (input as Record<string, unknown>)[name])
  return flat
}

function append(flat: string[], name: unknown, value: unknown): void {
  if (typeof name !== 'string' || !TOKEN.test(name))
    throw invalidType('each header name', 'a token (RFC 9110 §5.6.2)', name)
  if (value === undefined) return
  if (Array.isArray(value)) {
    for (const one of value) {
      if (Array.isArray(one)) throw invalidType(`header ${name}`, 'a string or an array of strings', one)
      append(flat, name, one)
    }
    return
  }
  if ((typeof value === 'object' && value !== null) || typeof value === 'function' || typeof value === 'symbol') {
    throw invalidType(`header ${name}`, 'a string or an array of strings', value)
  }
  const text = typeof value === 'string' ? value : String(value ?? '')
  if (!FIELD_VALUE.test(text)) {
    throw invalidArgument(`header ${name} contains a character that is not allowed in a header value (RFC 9110 §5.5)`)
  }
  flat.push(name, text)
}

/** Returns response headers by lower-case name. A header that occurs several times is an array. */
export function headersToObject(raw: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    const value = raw[i + 1] as string
    const known = headers[name]
    if (known === undefined) headers[name] = value
    else if (name in Object.prototype) addPrototypeName(headers, name, value)
    else if (typeof known === 'string') headers[name] = [known, value]
    else known.push(value)
  }
  return headers
}

/** Adds a header named like a property of `Object.prototype`, such as `__proto__` or `constructor`. */
function addPrototypeName(headers: Record<string, string | string[]>, name: string, value: string): void {
  const own = Object.getOwnPropertyDescriptor(headers, name)?.value as string | string[] | undefined
  const next = own === undefined ? value : Array.isArray(own) ? [...own, value] : [own, value]
  Object.defineProperty(headers, name, { value: next, enumerable: true, configurable: true, writable: true })
}
