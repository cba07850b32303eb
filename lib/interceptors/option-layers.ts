import { unpollutedRequest } from '../base/prototype-pollution.js'

/**
 * Merges option objects; later ones take precedence. Only own properties count, and `undefined` means "not given".
 * `null` is a value, whose meaning depends on the option.
 */
export function mergeOptions<Options extends object>(...layers: readonly (Options | null | undefined)[]): Options {
  // Without a prototype: options that are not given must not be found in `Object.prototype`.
  const merged: Record<string, unknown> = Object.create(null)
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer ?? {})) if (value !== undefined) merged[name] = value
  }
  return merged as Options
}

/** Returns the options of these names that are given with a request. */
export function pickOptions<Options extends object, Name extends keyof Options>(
  options: Options,
  names: readonly Name[],
): Pick<Options, Name> {
  const picked: Partial<Options> = Object.create(null)
  for (const name of names) {
    if (Object.hasOwn(options, name) && options[name] !== undefined) picked[name] = options[name]
  }
  return picked as Pick<Options, Name>
}

/** Options without `undefined` and `null`. */
export type NonNullOptions<Options> = { [Name in keyof Options]?: NonNullable<Options[Name]> }

/** Removes options that are `null`, for options where `null` means "not given". */
export function omitNull<Options extends object>(options: Options): NonNullOptions<Options> {
  const given: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(options)) if (value !== null) given[name] = value
  return given as NonNullOptions<Options>
}

/** Returns the options of a request with each property read once: a getter of the caller may throw when it is read again. */
export function readOptionsOnce<Options>(options: Options): Options {
  return typeof options === 'object' && options !== null ? { ...unpollutedRequest(options) } : options
}
