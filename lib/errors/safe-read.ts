/**
 * Reads values of user code, such as abort reasons and thrown errors, without throwing. Such values may have getters that
 * throw or be a revoked Proxy; a read that throws would leave the request unsettled.
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

/** Returns the message of an error, for use in another message. `error` may be any thrown value. */
export function messageOf(error: unknown): string {
  const message = readProperty(error, 'message')
  if (typeof message === 'string') return message
  return isObject(error) ? 'an error without a message' : String(error)
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** Whether `value` is an Error or looks like one, such as a DOMException of another realm. */
export function isErrorLike(value: unknown): value is Error {
  return readSafely(
    () => value instanceof Error || (typeof value === 'object' && value !== null && 'message' in value),
    false,
  )
}

/** Whether a stream can be destroyed with `value`: Node reads the stack of each error it receives. */
export function hasReadableStack(value: unknown): boolean {
  return readSafely(() => {
    void (value as { stack?: unknown }).stack
    return true
  }, false)
}
