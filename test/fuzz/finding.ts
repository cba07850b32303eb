/** A violated invariant. */
export class Finding extends Error {
  override readonly name = 'Finding'
}

/**
 * Checks a condition. `what`: a description, or a function if it is expensive to create.
 * @throws {Finding} If the condition is false.
 */
export function must(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Finding(typeof what === 'string' ? what : what())
}
