import { now } from '../base/clock.js'
import type { Timings } from '../errors/timings.js'
import { invalidOption } from '../errors.js'

/** Times of the steps to open a connection, as of `performance.now()`. */
export interface ConnectTimings {
  dns?: number
  tcp?: number
  tls?: number
}

/** Connection whose data a {@link RequestTimings} reads. */
export interface TimedConnection {
  readonly id?: number
  readonly connectTimings?: ConnectTimings | null
}

type TimingName = 'queued' | 'sent' | 'firstByte' | 'end'

/** Records the times of one request. Requests without the option `timings` have none. */
export class RequestTimings {
  readonly values: Timings
  readonly #dispatchedAt = now()

  /**
   * Creates the timings. `given`: the caller's object to fill, or `true` for a new one.
   * @throws {InvalidArgumentError} `given` is not an extensible object
   */
  constructor(given: unknown) {
    if (given !== true && (typeof given !== 'object' || given === null || !Object.isExtensible(given))) {
      throw invalidOption('timings', 'true or an extensible object', given)
    }
    this.values = (given === true ? {} : given) as Timings
    const tries = Object.hasOwn(this.values, 'tries') ? this.values.tries : 0
    this.#fill({ ...NO_TIMINGS, tries: Number.isInteger(tries) ? tries + 1 : 1 })
  }

  recordConnection({ id, connectTimings }: TimedConnection, reused: boolean): void {
    if (this.values.queued !== null) this.#fill({ ...NO_TIMINGS, tries: this.values.tries + 1 })
    this.record('queued')
    this.#fill({ connection: id ?? null, reused })
    // Only the time to open a connection for this request counts.
    if (reused || connectTimings == null) return
    for (const name of ['dns', 'tcp', 'tls'] as const) {
      const at = (connectTimings[name] ?? 0) - this.#dispatchedAt
      if (at >= 0) this.#fill({ [name]: at })
    }
  }

  record(what: TimingName): void {
    this.#fill({ [what]: now() - this.#dispatchedAt })
  }

  /** Sets values. The object is the caller's: an error that its setters throw must not fail the request. */
  #fill(known: Partial<Timings>): void {
    try {
      Object.assign(this.values, known)
    } catch {}
  }
}

const NO_TIMINGS = {
  queued: null,
  dns: null,
  tcp: null,
  tls: null,
  sent: null,
  firstByte: null,
  end: null,
  reused: null,
  connection: null,
}
