/**
 * Who owns an error object. Errors that sluice creates for one request carry facts about that request. Errors that come
 * from outside (a signal's reason, a body stream, `destroy(error)`, a connector) may be shared by many requests, frozen
 * or of any class, so they are never written on: they are passed on as they are, or copied.
 */
import { type ErrorContext, type Fault, staticCodeOf } from './error-class.js'
import { faultOf } from './faults.js'
import { readProperty, readSafely } from './safe-read.js'

/** Errors that belong to the caller. */
const callerOwned = new WeakSet<object>()

/** Errors made by {@link markSluiceOwned} that no request has failed with yet. */
const unlocated = new WeakSet<object>()

/** Marks an error as the caller's: it is passed on as it is, and nothing is written on it. Returns the error. */
export function markCallerOwned<E>(error: E): E {
  if (typeof error === 'object' && error !== null && !unlocated.has(error)) callerOwned.add(error)
  return error
}

/**
 * Marks an error of sluice with which one of its own handlers ends one request, by an abort or by throwing it: the
 * request adds where it failed. Without the mark it would be taken for the caller's. Returns the error.
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
 * Returns an error that may be written on in place of one that a connector or a socket reported: a copy of the same
 * class with the original as its `cause`. An error of a class that can not be copied is returned as it is, and marked
 * as the caller's.
 */
export function copyForeignError(error: unknown): Error {
  if (!isCopyable(error)) return markCallerOwned(error) as Error
  return copyOf(error, error)
}

/**
 * Returns an error for one more request that the same failure ends: same class, message and fields, without what the
 * first request wrote on it.
 */
export function copyForRequest(error: Error): Error {
  if (callerOwned.has(error) || !isCopyable(error)) return error
  const copy = copyOf(error, Object.hasOwn(error, 'cause') ? readProperty(error, 'cause') : error)
  for (const name of CONTEXT) Reflect.deleteProperty(copy, name)
  return copy
}

/** Fields of {@link ErrorContext} that differ from request to request. */
const CONTEXT = ['origin', 'method', 'path', 'phase', 'reusedSocket', 'bytesWritten', 'replaySafe', 'timings'] as const

/**
 * Adds what is known about the failed request to an error that sluice owns. A field that is already there stays: the
 * innermost knowledge wins. An error that the caller owns is returned unchanged.
 */
export function addErrorContext<E extends Error>(error: E, context: ErrorContext & { fault?: Fault }): E {
  if (callerOwned.has(error) || !isExtensible(error)) return error
  unlocated.delete(error)
  const known = 'fault' in error ? context : { fault: faultOf(error), ...context }
  for (const [name, value] of Object.entries(known)) {
    if (value === undefined || (Object.hasOwn(error, name) && error[name as keyof E] !== undefined)) continue
    // By definition and not by assignment: the class may have an accessor of that name.
    Object.defineProperty(error, name, { value, writable: true, enumerable: true, configurable: true })
  }
  return error
}

/** A Proxy that was revoked can not even be asked. */
function isExtensible(error: unknown): boolean {
  return readSafely(() => Object.isExtensible(error), false)
}

/**
 * Corrects what an error says of a request that was sent on behalf of another one, such as to a proxy: only where it is
 * an error of sluice that names the origin `from`.
 */
export function replaceErrorContext<E extends Error>(
  error: E,
  from: string,
  context: { [name in keyof ErrorContext]: unknown },
): E {
  if (isLocated(error, from) && !callerOwned.has(error) && isExtensible(error)) Object.assign(error, context)
  return error
}

/** Has an error of sluice no longer say that its request can be sent again: an earlier attempt may have been executed. */
export function clearReplaySafe(error: Error): void {
  if (callerOwned.has(error) || !isExtensible(error) || !Object.hasOwn(error, 'replaySafe')) return
  Object.assign(error, { replaySafe: false })
}

/**
 * Returns an error that may be written on in place of one that a dispatcher for the origin `from` reported or threw: the
 * same where it is sluice's or the caller's, else a copy. A dispatcher of another library may share it.
 */
export function copyIfForeign(error: Error, from: string): Error {
  return callerOwned.has(error) || isLocated(error, from) ? error : copyForeignError(error)
}

function isLocated(error: unknown, origin: string): boolean {
  if (typeof error !== 'object' || error === null) return false
  return readSafely(() => Object.hasOwn(error, 'origin') && (error as ErrorContext).origin === origin, false)
}

const BUILTIN = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError]

/** A class of the caller's may have private fields, which no copy has. */
function isCopyable(error: unknown): error is Error {
  try {
    if (!(error instanceof Error)) return false
    const Class = error.constructor
    if (staticCodeOf(Class) !== null) return true
    // The classes of Node's own errors can not be named; they have no private fields.
    return BUILTIN.includes(Class as ErrorConstructor) || Class.name === 'NodeError'
  } catch {
    return false
  }
}

/** A native error of the same class, with the same own fields. Getters are read once; one that throws is left out. */
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
