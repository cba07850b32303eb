/**
 * Reads values that callers chose, such as abort reasons and thrown errors. They may have getters that throw, or be a
 * Proxy that was revoked: no read may throw in turn, because the request would never settle.
 */

/** Returns the result of `read`, or `fallback` if it throws. */
export function readSafely<T>(read: () => T, fallback: T): T {
  try {
    return read()
  } catch {
    return fallback
  }
}

/** Returns the property `name` of `value`; undefined if it has none or if reading it throws. */
export function readProperty(value: unknown, name: PropertyKey): unknown {
  return readSafely(() => (value as Record<PropertyKey, unknown> | null | undefined)?.[name], undefined)
}

/** Returns what an error says, for the message of another one. What was thrown may be no Error, or not be readable. */
export function messageOf(error: unknown): string {
  const message = readProperty(error, 'message')
  if (typeof message === 'string') return message
  return isObject(error) ? 'an error without a message' : String(error)
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** Whether `value` is an Error, or looks like one, as a DOMException of another realm does. */
export function isErrorLike(value: unknown): value is Error {
  return readSafely(
    () => value instanceof Error || (typeof value === 'object' && value !== null && 'message' in value),
    false,
  )
}

/** Whether a stream can be destroyed with `value`: Node reads the stack of each error that it gets. */
export function hasReadableStack(value: unknown): boolean {
  return readSafely(() => {
    void (value as { stack?: unknown }).stack
    return true
  }, false)
}
