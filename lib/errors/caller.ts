/** Makes the stack of an argument error begin at the line of the caller, not within sluice. */
import { readSafely } from './safe-read.js'

/** Errors about arguments that sluice has created. Those of the caller keep their stack. */
const argumentErrors = new WeakSet<object>()

/** Prototype with the methods that send requests; null before the first dispatcher. */
let methods: object | null = null
/** Function by URL that was called last; null before. */
let functionByUrl: unknown = null

/** Marks an error as one about arguments. Returns the error. */
export function markArgumentError<E extends Error>(error: E): E {
  argumentErrors.add(error)
  return error
}

/** Sets the class whose methods {@link pointAtCaller} looks for on the stack. */
export function setMethods(prototype: object): void {
  methods = prototype
}

/** Sets the function that {@link pointAtCaller} looks for on the stack. */
export function setFunctionByUrl(called: unknown): void {
  functionByUrl = called
}

/**
 * Removes the frames above the caller from the stack of an argument error, if one of `entries` (default: the methods and
 * the function by URL) is on the current stack. Returns the error.
 */
export function pointAtCaller<E>(error: E, ...entries: unknown[]): E {
  if (!argumentErrors.has(error as object)) return error
  if (entries.length === 0) {
    const own = Object.values(Object.getOwnPropertyDescriptors(methods ?? {})).map(({ value }) => value)
    entries = [functionByUrl, ...own]
  }
  readSafely(() => {
    const found = error as Error
    const { stack } = found
    for (const entry of entries) {
      if (typeof entry !== 'function') continue
      Error.captureStackTrace(found, entry as () => void)
      if (/\n +at /.test(String(found.stack))) return
    }
    // None of them is on the stack, which is then empty.
    found.stack = stack as string
  }, undefined)
  return error
}

/** Returns the result of `check`, which the public function or class `entry` has called. Its argument errors point at the caller. */
export function atCaller<T>(entry: unknown, check: () => T): T {
  try {
    return check()
  } catch (error) {
    throw pointAtCaller(error, entry)
  }
}
