import { invalidOption } from '../errors.js'

/** @throws {InvalidArgumentError} neither left out nor a number above 0 and up to `most` */
export function positive(name: string, value: unknown, [fallback, most = Number.MAX_VALUE]: [number, number?]): number {
  if (value === undefined || value === null) return fallback
  if (typeof value === 'number' && value > 0 && value <= most) return value
  throw invalidOption(name, most <= 100 ? `a number above 0, up to ${most}` : 'a number above 0', value)
}
