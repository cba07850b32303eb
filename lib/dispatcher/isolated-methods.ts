import { reportUncaught } from '../base/user-code.js'

type Method = (...values: unknown[]) => unknown

/**
 * The methods `names` of a strategy or a watcher, as far as it has them. What they throw is an uncaught exception: they
 * are called where requests, connections and pools end, which must go on.
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
