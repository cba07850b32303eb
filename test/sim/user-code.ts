import type { Random } from './random.js'

/**
 * Places at which the library runs user code. Exceptions must be reported:
 * - `once`: exactly once: to the request, the caller, an `error` listener or as uncaught exception;
 * - `shared`: to every request that depends on it;
 * - `dropped`: at most once, since the request may have failed for another reason before.
 */
const PLACES = {
  handler: 'once',
  'last callback': 'once',
  listener: 'once',
  getter: 'once',
  factory: 'shared',
  interceptor: 'once',
  // An error that an interceptor reports for a request itself.
  answer: 'dropped',
  callback: 'once',
  connector: 'shared',
  source: 'dropped',
} as const

export type Place = keyof typeof PLACES

/** An exception of user code. */
export class UserError extends Error {
  readonly place: Place
  /** Whether its request had been aborted by its signal. */
  readonly late: boolean
  readonly reports: string[] = []

  constructor(place: Place, number: number, late: boolean) {
    super(`thrown by the user in a ${place} (${number})`)
    this.place = place
    this.late = late
  }
}

/** Actions of user code within a callback. */
export interface Reentry {
  /** Calls the library: dispatch, abort or close. */
  reenter(): void
  trace(text: () => string): void
}

/** Throws and calls the library wherever it runs user code, and tracks where exceptions are reported. */
export class UserCode {
  active: boolean
  readonly #random: Random
  readonly #reentry: Reentry
  readonly #wild: boolean
  readonly #thrown: UserError[] = []

  constructor(part: { random: Random; active: boolean; wild: boolean; reentry: Reentry }) {
    this.#random = part.random
    this.active = part.active
    this.#wild = part.wild
    this.#reentry = part.reentry
  }

  /**
   * Runs user code at `place`.
   * @param request Options of the request, if it may be aborted by a signal.
   * @throws {UserError} At random.
   */
  run(place: Place, request?: object): void {
    if (!this.active) return
    if (this.#random.chance(0.06)) this.#reentry.reenter()
    if (this.#wild && this.#random.chance(0.03)) throw this.error(place, request)
  }

  /** Creates an exception to throw at `place`. */
  error(place: Place, request?: object): UserError {
    const error = new UserError(place, this.#thrown.length, (request as Aborted)?.signal?.aborted === true)
    this.#thrown.push(error)
    this.#reentry.trace(() => error.message)
    return error
  }

  /** Records that `error` or its cause was reported. Returns false if it is not of user code. */
  report(error: unknown, where: string): boolean {
    const own = userErrorIn(error, 0)
    own?.reports.push(where)
    return own !== null
  }

  /** Records that a text with the message of an exception was reported. */
  reportText(text: string, where: string): boolean {
    const own = this.#thrown.find(({ message }) => text.includes(message))
    own?.reports.push(where)
    return own !== undefined
  }

  /** Returns the problem of the reports, or null. */
  check(): string | null {
    for (const { message, place, late, reports } of this.#thrown) {
      // API methods settle with the reason of their signal at once, and a promise settles once (also with `fetch`). Later
      // exceptions may be lost, but must not be uncaught.
      const rule = late ? 'late' : PLACES[place]
      const uncaught = reports.filter((where) => where === 'uncaught').length
      const wrong =
        (rule === 'once' && reports.length !== 1) ||
        (rule === 'dropped' && reports.length > 1) ||
        (rule === 'late' && (reports.length > 1 || uncaught > 0)) ||
        (rule === 'shared' && uncaught > 0)
      if (wrong) return `${message}: reported to [${reports.join(', ')}]`
    }
    return null
  }
}

interface Aborted {
  signal?: AbortSignal
}

/** Returns the exception of user code that `error` is or was caused by, or null. */
export function userErrorIn(error: unknown, depth: number): UserError | null {
  if (error instanceof UserError) return error
  if (!(error instanceof Error) || depth > 8) return null
  for (const inner of (error as { errors?: unknown[] }).errors ?? []) {
    const found = userErrorIn(inner, depth + 1)
    if (found !== null) return found
  }
  return userErrorIn(error.cause, depth + 1)
}
