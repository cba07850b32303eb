import { invalidOption } from '../errors.js'

// Checks of options, whose errors name the option, what it must be and what it is. Left out is undefined or null.

/** @throws {InvalidArgumentError} not a function */
export function requireFunction<T>(
  name: string,
  value: T,
): asserts value is Extract<T, (...values: never[]) => unknown> {
  if (typeof value !== 'function') throw invalidOption(name, 'a function', value)
}

/** @throws {InvalidArgumentError} not an object */
export function requireObject<T>(name: string, value: T): asserts value is T & object {
  if (typeof value !== 'object' || value === null) throw invalidOption(name, 'an object', value)
}

/** @throws {InvalidArgumentError} neither left out nor a boolean */
export function booleanOption(name: string, value: unknown, fallback: boolean): boolean {
  if (typeof (value ?? fallback) !== 'boolean') throw invalidOption(name, 'a boolean', value)
  return (value ?? fallback) as boolean
}

/** @throws {InvalidArgumentError} neither left out nor a whole number, 0 or more */
export function nonNegativeInteger(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  return checkedNumber(Number.isInteger(value) && (value as number) >= 0, [name, 'a whole number, 0 or more', value])
}

/** @throws {InvalidArgumentError} neither left out nor a whole number above 0 */
export function positiveInteger(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  return checkedNumber(Number.isInteger(value) && (value as number) > 0, [name, 'a whole number above 0', value])
}

/** @throws {InvalidArgumentError} neither left out nor a finite number, 0 or more */
export function nonNegativeNumber(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  return checkedNumber(Number.isFinite(value) && (value as number) >= 0, [name, 'a finite number, 0 or more', value])
}

/** A time limit, where Infinity stands for none, as 0 does. @throws {InvalidArgumentError} no number of ms */
export function milliseconds(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback
  if (value === Number.POSITIVE_INFINITY) return 0
  return checkedNumber(Number.isFinite(value) && (value as number) >= 0, [name, 'a number of ms, 0 or more', value])
}

/** @throws {InvalidArgumentError} neither left out nor a number above 0 and up to `most` */
export function positiveNumber(
  name: string,
  value: unknown,
  [fallback, most = Number.MAX_VALUE]: [number, number?],
): number {
  if (value === undefined || value === null) return fallback
  const expected = most <= 100 ? `a number above 0, up to ${most}` : 'a finite number above 0'
  return checkedNumber(typeof value === 'number' && value > 0 && value <= most, [name, expected, value])
}

/** @throws {InvalidArgumentError} neither left out nor an IP type of service */
export function typeOfService(value: unknown): number | null {
  if (value === undefined || value === null) return null
  const valid = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255
  return checkedNumber(valid, ['typeOfService', 'an integer from 0 to 255', value])
}

/** The number that a string stands for, in the options where undici takes one as well; anything else as it is. */
export function parseNumericString(value: unknown): unknown {
  if (typeof value !== 'string' || value.trim() === '') return value
  const number = Number(value)
  return Number.isNaN(number) ? value : number
}

function checkedNumber(valid: boolean, [name, expected, value]: [string, string, unknown]): number {
  if (!valid) throw invalidOption(name, expected, value)
  return value as number
}
