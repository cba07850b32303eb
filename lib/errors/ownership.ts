/**
 * Ownership of error objects. Sluice adds context of the request to errors that it creates. Errors of the caller (a
 * signal's reason, a body stream, `destroy(error)`, a connector) may be shared by many requests, frozen or of any class,
 * so they are never modified: they are passed on unchanged, or copied.
 */
import { type ErrorContext, type Fault, staticCodeOf } from './error-class.js'
import { faultOf } from './faults.js'
import { readProperty, readSafely } from './safe-read.js'

/** Errors that belong to the caller. */
const callerOwned = new WeakSet<object>()

/** Errors made by {@link markSluiceOwned} that no request has failed with yet. */
const unlocated = new WeakSet<object>()

/** Marks an error as the caller's: it is passed on and never modified. Returns the error. */
export function markCallerOwned<E>(error: E): E {
  if (typeof error === 'object' && error !== null && !unlocated.has(error)) callerOwned.add(error)
  return error
}

/**
 * Marks an error as created by sluice, for handlers of sluice that abort a request with it or throw it: the request adds
 * its context. Without the mark, it would be treated as the caller's error. Returns the error.
 */
export function markSluiceOwned<E extends Error>(error: E): E {
  unlocated.add(error)
  return error
}

/** Whether `error` was marked by {@link markSluiceOwned}, and no request has failed with it yet. */
export function isSluiceOwned(error: unknown): error is Error {
  return unlocated.has(error as object)
}

/**
 * Returns a copy of an error that a connector or socket reported, so that it can be modified: of the same class, with the
 * original as its `cause`. An error of a class that cannot be copied is returned unchanged and marked as the caller's.
 */
export function copyForeignError(error: unknown): Error {
  if (!isCopyable(error)) return markCallerOwned(error) as Error
  return copyOf(error, error)
}

/**
 * Returns a copy of an error for another request that the same failure ended: same class, message and properties,
 * without the context of the first request.
 */
export function copyForRequest(error: Error): Error {
  if (callerOwned.has(error) || !isCopyable(error)) return error
  const copy = copyOf(error, Object.hasOwn(error, 'cause') ? readProperty(error, 'cause') : error)
  for (const name of CONTEXT) Reflect.deleteProperty(copy, name)
  return copy
}

/** Properties of {@link ErrorContext} that differ between requests. */
const CONTEXT = ['origin', 'method', 'path', 'phase', 'reusedSocket', 'bytesWritten', 'replaySafe', 'timings'] as const

/**
 * Adds the context of the failed request to an error that sluice owns. Properties that are already set are kept, because
 * the innermost layer knows most. An error of the caller is returned unchanged.
 */
export function addErrorContext<E extends Error>(error: E, context: ErrorContext & { fault?: Fault }): E {
  if (callerOwned.has(error) || !isExtensible(error)) return error
  unlocated.delete(error)
  const known = 'fault' in error ? context : { fault: faultOf(error), ...context }
  for (const [name, value] of Object.entries(known)) {
    if (value === undefined || (Object.hasOwn(error, name) && error[name as keyof E] !== undefined)) continue
    // Not an assignment, because the class may have an accessor of that name.
    Object.defineProperty(error, name, { value, writable: true, enumerable: true, configurable: true })
  }
  return error
}

/** Whether properties can be added; false for a revoked Proxy. */
function isExtensible(error: unknown): boolean {
  return readSafely(() => Object.isExtensible(error), false)
}

/**
 * Replaces the context of an error of sluice whose origin is `from`, for a request that was sent on behalf of another
 * one, such as to a proxy.
 */
export function replaceErrorContext<E extends Error>(
  error: E,
  from: string,
  context: { [name in keyof ErrorContext]: unknown },
): E {
  if (isLocated(error, from) && !callerOwned.has(error) && isExtensible(error)) Object.assign(error, context)
  return error
}

/** Sets `replaySafe` of an error of sluice to false, because an earlier attempt may have been executed. */
export function clearReplaySafe(error: Error): void {
  if (callerOwned.has(error) || !isExtensible(error) || !Object.hasOwn(error, 'replaySafe')) return
  Object.assign(error, { replaySafe: false })
}

/**
 * Copies an error that a dispatcher for the origin `from` reported or threw, unless it belongs to sluice or the caller: a
 * dispatcher of another library may share one error between requests.
 */
export function copyIfForeign(error: Error, from: string): Error {
  return callerOwned.has(error) || isLocated(error, from) ? error : copyForeignError(error)
}

/** Whether sluice has created `error` after the call that sent the request: its stack does not contain the caller. */
export function occursLater(error: unknown): error is Error {
  return !callerOwned.has(error as object) && /^(network|timeout|peer)$/.test(readProperty(error, 'fault') as string)
}

function isLocated(error: unknown, origin: string): boolean {
  if (typeof error !== 'object' || error === null) return false
  return readSafely(() => Object.hasOwn(error, 'origin') && (error as ErrorContext).origin === origin, false)
}

const BUILTIN = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError]

/** Whether an error can be copied. The caller's classes may have private fields, which a copy lacks. */
function isCopyable(error: unknown): error is Error {
  try {
    if (!(error instanceof Error)) return false
    const Class = error.constructor
    if (staticCodeOf(Class) !== null) return true
    // Node does not export the classes of its errors; they have no private fields.
    return BUILTIN.includes(Class as ErrorConstructor) || Class.name === 'NodeError'
  } catch {
    return false
  }
}

/** Returns an error of the same class and own properties. Getters are read once; those that throw are omitted. */
function copyOf(error: Error, cause: unknown): Error {
  const copy = new Error(readSafely(() => error.message, ''))
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error))
  for (const key of Reflect.ownKeys(error)) {
    if (key === 'message') continue
    try {
      const value = (error as unknown as Record<PropertyKey, unknown>)[key]
      const enumerable = Object.prototype.propertyIsEnumerable.call(error, key)
      Object.defineProperty(copy, key, { value, writable: true, enumerable, configurable: true })
    } catch {}
  }
  if (cause !== undefined) {
    Object.defineProperty(copy, 'cause', { value: cause, writable: true, enumerable: false, configurable: true })
  }
  return copy
}
