/** Without a property of its own: what it has stands in `Object.prototype`. */
const EMPTY = {}

/**
 * Options as they were given. What somebody put into `Object.prototype` looks like an option to whoever reads one that
 * was left out; where there is such a thing the options are copied, each such name set to undefined.
 */
export function unpolluted<Options>(options: Options): Options {
  let own = options
  for (const name in EMPTY) if (options != null && !Object.hasOwn(options, name)) own = { [name]: undefined, ...own }
  return own
}
