import { reportUncaught } from '../base/user-code.js'

type Method = (...values: unknown[]) => unknown

/**
 * Returns the methods `names` of a user's strategy or watcher, as far as it has them. Exceptions are reported as
 * uncaught: the methods are called while requests or pools end, which must continue.
 */
export function isolatedMethods<One extends object, Name extends keyof One>(
  one: One,
  names: readonly Name[],
): Pick<One, Name> {
  const methods: Partial<Record<Name, Method>> = {}
  for (const name of names) {
    const method = one[name]
    if (typeof method !== 'function') continue
    methods[name] = (...values) => {
      try {
        return Reflect.apply(method, one, values)
      } catch (error) {
        reportUncaught(error)
      }
    }
  }
  return methods as Pick<One, Name>
}
