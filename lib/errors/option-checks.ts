import { invalidOption } from '../errors.js'

// Option checks. Their errors name the option, the rule and the type received. Undefined and null mean "not set".

/** Checks that an option is a function. @throws {InvalidArgumentError} `value` is not a function */
export function requireFunction<T>(
  name: string,
  value: T,
): asserts value is Extract<T, (...values: never[]) => unknown> {
  if (typeof value !== 'function') throw invalidOption(name, 'a function', value)
}

/** Checks that an option is an object. @throws {InvalidArgumentError} `value` is not an object */
export function requireObject<T>(name: string, value: T): asserts value is T & object {
  if (typeof value !== 'object' || value === null) throw invalidOption(name, 'an object', value)
}

/** Returns a boolean option, or `fallback` if it is not set. @throws {InvalidArgumentError} `value` is set and not a boolean */
export function booleanOption(name: string, value: unknown, fallback: boolean): boolean {
  if (typeof (value ?? fallback) !== 'boolean') throw invalidOption(name, 'a boolean', value)
  return (value ?? fallback) as boolean
}

/** Returns a non-negative integer option, or `fallback` if it is not set. @throws {InvalidArgumentError} `value` is set and not a non-negative integer */
export function nonNegativeInteger(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  return checkedNumber(Number.isInteger(value) && (value as number) >= 0, [name, 'a non-negative integer', value])
}

/** Returns a positive integer option, or `fallback` if it is not set. @throws {InvalidArgumentError} `value` is set and not a positive integer */
export function positiveInteger(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  return checkedNumber(Number.isInteger(value) && (value as number) > 0, [name, 'a positive integer', value])
}

/** Returns a non-negative number option, or `fallback` if it is not set. @throws {InvalidArgumentError} `value` is set and not a finite non-negative number */
export function nonNegativeNumber(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  return checkedNumber(Number.isFinite(value) && (value as number) >= 0, [name, 'a non-negative number', value])
}

/** Returns a timeout in ms; 0 and Infinity disable it. @throws {InvalidArgumentError} `value` is set and not a number of ms */
export function milliseconds(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  if (value === Number.POSITIVE_INFINITY) return 0
  return checkedNumber(Number.isFinite(value) && (value as number) >= 0, [name, 'a non-negative number of ms', value])
}

/** Returns a positive number option, or its default if it is not set. @throws {InvalidArgumentError} `value` is set and not a positive number up to `most` */
export function positiveNumber(
  name: string,
  value: unknown,
  [fallback, most = Number.MAX_VALUE]: [number, number?],
): number {
  if (value === undefined || value === null) return fallback
  const expected = most <= 100 ? `a positive number up to ${most}` : 'a positive number'
  return checkedNumber(typeof value === 'number' && value > 0 && value <= most, [name, expected, value])
}

/** Returns a type of service, or null if it is not set. @throws {InvalidArgumentError} `value` is set and not an integer from 0 to 255 */
export function typeOfService(value: unknown): number | null {
  if (value === undefined || value === null) return null
  const valid = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255
  return checkedNumber(valid, ['typeOfService', 'an integer from 0 to 255', value])
}

/** Converts a numeric string to a number, for options where undici accepts one. Returns other values unchanged. */
export function parseNumericString(value: unknown): unknown {
  if (typeof value !== 'string' || value.trim() === '') return value
  const number = Number(value)
  return Number.isNaN(number) ? value : number
}

function checkedNumber(valid: boolean, [name, expected, value]: [string, string, unknown]): number {
  if (!valid) throw invalidOption(name, expected, value)
  return value as number
}
