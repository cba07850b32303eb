/** Without a property of its own: what it has stands in `Object.prototype`. */
const EMPTY = {}

/** What `Object.prototype` has by the language. */
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
 * Options without what was put into `Object.prototype`, which looks like an option that was given. Properties of the
 * object and of classes of the caller count: they become properties of one object, as layers and interceptors add to
 * options by `{ ...options, name: value }`. A plain object is returned itself where nothing was put there.
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
  // By name: copies that are made of this one are not taken in either.
  for (const name of added) if (!STANDARD_PROPERTIES.has(name) && !Object.hasOwn(own, name)) copy(name, undefined)
  return own as Options
}

/** The same for the options of a request, at a cost that each request can bear. */
export function unpollutedRequest<Options>(options: Options): Options {
  return hasClassPrototype(options) || isPolluted() ? unpolluted(options) : options
}

/** Whether an object may have properties of a prototype: `{ ...options }` would lose them. */
function hasClassPrototype(options: unknown): boolean {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return false
  const prototype: object | null = Object.getPrototypeOf(options)
  return prototype !== Object.prototype && prototype !== null && !isObjectPrototype(prototype)
}

/** Whether `prototype` is the `Object.prototype` of this or another realm. */
function isObjectPrototype(prototype: object): boolean {
  if (prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Looks for enumerable properties, and for hidden ones that have the name of an option of a request. */
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

/** Whether an object can be iterated by a method of its own or of its class, not of `Object.prototype`. */
export function isIterable(value: object, iteration: Iteration = Symbol.iterator): boolean {
  const method = (value as { [name in Iteration]?: unknown })[iteration]
  return typeof method === 'function' && method !== (EMPTY as { [name in Iteration]?: unknown })[iteration]
}
