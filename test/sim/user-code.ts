import type { Random } from './random.js'

/**
 * Where the library runs code of its user. What is thrown there must be reported:
 * - `once`: to the request concerned, to the caller, to an `error` listener or as uncaught exception, exactly once;
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
  // An error with which an interceptor answers a request itself.
  answer: 'dropped',
  callback: 'once',
  connector: 'shared',
  source: 'dropped',
} as const

export type Place = keyof typeof PLACES

/** An exception of the user's code. */
export class UserError extends Error {
  readonly place: Place
  /** Its request had been aborted by its signal. */
  readonly late: boolean
  readonly reports: string[] = []

  constructor(place: Place, number: number, late: boolean) {
    super(`thrown by the user in a ${place} (${number})`)
    this.place = place
    this.late = late
  }
}

/** What user code does from within a callback; whoever runs it decides how. */
export interface Reentry {
  /** Calls back into the library: a dispatch, an abort, a close. */
  meddle(): void
  trace(text: () => string): void
}

/** Throws and re-enters wherever the library calls its user, and keeps account of where exceptions are reported. */
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
   * @param request options of the request concerned, if it may be aborted by a signal
   * @throws {UserError} now and then
   */
  run(place: Place, request?: object): void {
    if (!this.active) return
    if (this.#random.chance(0.06)) this.#reentry.meddle()
    if (this.#wild && this.#random.chance(0.03)) throw this.error(place, request)
  }

  /** An exception to be thrown at `place`. */
  error(place: Place, request?: object): UserError {
    const error = new UserError(place, this.#thrown.length, (request as Aborted)?.signal?.aborted === true)
    this.#thrown.push(error)
    this.#reentry.trace(() => error.message)
    return error
  }

  /** Notes that `error`, or what it was caused by, was reported. Returns false when it is none of the user's. */
  report(error: unknown, where: string): boolean {
    const own = userErrorIn(error, 0)
    own?.reports.push(where)
    return own !== null
  }

  /** Notes that a text which holds the message of an exception was reported. */
  reportText(text: string, where: string): boolean {
    const own = this.#thrown.find(({ message }) => text.includes(message))
    own?.reports.push(where)
    return own !== undefined
  }

  /** What is wrong with the reports, or null. */
  check(): string | null {
    for (const { message, place, late, reports } of this.#thrown) {
      // Methods of the API settle with the reason of their signal at once, and a promise settles once (as with `fetch`): what
      // is thrown afterwards may get lost, but must not be an uncaught exception.
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

/** The exception of the user's code that `error` is or was caused by, or null. */
export function userErrorIn(error: unknown, depth: number): UserError | null {
  if (error instanceof UserError) return error
  if (!(error instanceof Error) || depth > 8) return null
  for (const inner of (error as { errors?: unknown[] }).errors ?? []) {
    const found = userErrorIn(inner, depth + 1)
    if (found !== null) return found
  }
  return userErrorIn(error.cause, depth + 1)
}
