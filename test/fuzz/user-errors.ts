/** Tracks exceptions of callers' code, and where the library reported them. */
export class UserErrors {
  readonly #thrown: UserError[] = []

  /** Creates an exception. `once`: it must be reported exactly once; otherwise at most once, as its request may have failed before. */
  make(place: string, once: boolean): UserError {
    const error = new UserError(`thrown in ${place} (${this.#thrown.length})`, once)
    this.#thrown.push(error)
    return error
  }

  /** Records that `error` or its cause was reported. Returns false if it is not of callers' code. */
  report(error: unknown): boolean {
    for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
      if (!(one instanceof UserError)) continue
      one.reports++
      return true
    }
    return false
  }

  /** Returns the problems of the reports. */
  check(): string {
    const wrong = this.#thrown.find(({ once, reports }) => reports > 1 || (once && reports === 0))
    return wrong === undefined ? '' : `an exception ${wrong.message} is reported ${wrong.reports} times`
  }
}

class UserError extends Error {
  readonly once: boolean
  reports = 0

  constructor(message: string, once: boolean) {
    super(message)
    this.once = once
  }
}
