/** What must not be. */
export class Finding extends Error {
  override readonly name = 'Finding'
}

/**
 * `what`: a function where it takes time to say.
 * @throws {Finding}
 */
export function must(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Finding(typeof what === 'string' ? what : what())
}
