/** An object without own properties: every property found on it is inherited from `Object.prototype`. */
const EMPTY = {}

/** Properties of an unpolluted `Object.prototype`. */
const STANDARD_PROPERTIES = new Set([
  '__proto__',
  '__defineGetter__',
  '__defineSetter__',
  '__lookupGetter__',
  '__lookupSetter__',
  'constructor',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toLocaleString',
  'toString',
  'valueOf',
])

/**
 * Returns options without properties that were added to `Object.prototype`, which would look like options of the caller.
 * Own properties and those of the caller's classes are copied into one object, because layers and interceptors extend
 * options by `{ ...options, name: value }`. A plain object is returned itself if the prototype is unpolluted.
 */
export function unpolluted<Options>(options: Options): Options {
  if (typeof options !== 'object' || options === null) return options
  const added = Object.getOwnPropertyNames(Object.prototype)
  const polluted = added.length !== STANDARD_PROPERTIES.size
  if (!polluted && !hasClassPrototype(options)) return options
  const own: Record<PropertyKey, unknown> = {}
  const copy = (name: PropertyKey, value: unknown) =>
    Object.defineProperty(own, name, { value, enumerable: true, configurable: true, writable: true })
  for (let one: object | null = options; one !== null && !isObjectPrototype(one); one = Object.getPrototypeOf(one)) {
    for (const name of Reflect.ownKeys(one)) {
      if (name !== 'constructor' && !Object.hasOwn(own, name)) copy(name, options[name as keyof Options])
    }
  }
  // Set to undefined by name, so that `{ ...own }` hides the polluted properties too.
  for (const name of added) if (!STANDARD_PROPERTIES.has(name) && !Object.hasOwn(own, name)) copy(name, undefined)
  return own as Options
}

/** Applies {@link unpolluted} to request options, with a check that is cheap enough for every request. */
export function unpollutedRequest<Options>(options: Options): Options {
  return hasClassPrototype(options) || isPolluted() ? unpolluted(options) : options
}

/** Whether an object inherits from a class of the caller, whose properties `{ ...options }` would lose. */
function hasClassPrototype(options: unknown): boolean {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return false
  const prototype: object | null = Object.getPrototypeOf(options)
  return prototype !== Object.prototype && prototype !== null && !isObjectPrototype(prototype)
}

/** Whether `prototype` is the `Object.prototype` of this realm or of another one. */
function isObjectPrototype(prototype: object): boolean {
  if (prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Whether `Object.prototype` has an enumerable property, or a non-enumerable one named like a request option. */
function isPolluted(): boolean {
  for (const _ in EMPTY) return true
  return (
    'method' in EMPTY ||
    'path' in EMPTY ||
    'origin' in EMPTY ||
    'headers' in EMPTY ||
    'body' in EMPTY ||
    'query' in EMPTY ||
    'upgrade' in EMPTY ||
    'protocol' in EMPTY ||
    'signal' in EMPTY ||
    'idempotent' in EMPTY ||
    'blocking' in EMPTY ||
    'reset' in EMPTY ||
    'expectContinue' in EMPTY ||
    'headersTimeout' in EMPTY ||
    'bodyTimeout' in EMPTY ||
    'timeouts' in EMPTY ||
    'timings' in EMPTY ||
    'tried' in EMPTY ||
    'typeOfService' in EMPTY ||
    'opaque' in EMPTY ||
    'onInfo' in EMPTY ||
    'responseHeaders' in EMPTY ||
    'highWaterMark' in EMPTY ||
    'throwOnError' in EMPTY ||
    'objectMode' in EMPTY ||
    'dispatcher' in EMPTY ||
    'servername' in EMPTY ||
    'dumpMaxSize' in EMPTY ||
    'maxRedirections' in EMPTY ||
    'retryOptions' in EMPTY
  )
}

type Iteration = typeof Symbol.iterator | typeof Symbol.asyncIterator

/** Whether an object has an iterator method that is not inherited from a polluted `Object.prototype`. */
export function isIterable(value: object, iteration: Iteration = Symbol.iterator): boolean {
  const method = (value as { [name in Iteration]?: unknown })[iteration]
  return typeof method === 'function' && method !== (EMPTY as { [name in Iteration]?: unknown })[iteration]
}
