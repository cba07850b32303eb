import { now } from '../base/clock.js'
import type { Timings } from '../errors/timings.js'
import { invalidOption } from '../errors.js'

/** What is known of the opening of a connection; times as of `performance.now()`. */
export interface ConnectTimings {
  dns?: number
  tcp?: number
  tls?: number
}

/** What a watch asks of the connection that carries its exchange. */
export interface TimedConnection {
  readonly id?: number
  readonly connectTimings?: ConnectTimings | null
}

type TimingName = 'queued' | 'sent' | 'firstByte' | 'end'

/** Notes when what happens to one exchange; those that nobody watches over have none. */
export class RequestTimings {
  readonly values: Timings
  readonly #dispatchedAt = now()

  /** `true`: into an object of its own. @throws {InvalidArgumentError} not an object that can be filled in */
  constructor(given: unknown) {
    if (given !== true && (typeof given !== 'object' || given === null || !Object.isExtensible(given))) {
      throw invalidOption('timings', 'true or an extensible object', given)
    }
    this.values = (given === true ? {} : given) as Timings
    const tries = Object.hasOwn(this.values, 'tries') ? this.values.tries : 0
    this.#fill({ ...NO_TIMINGS, tries: Number.isInteger(tries) ? tries + 1 : 1 })
  }

  recordConnection({ id, connectTimings: marks }: TimedConnection, reused: boolean): void {
    if (this.values.queued !== null) this.#fill({ ...NO_TIMINGS, tries: this.values.tries + 1 })
    this.record('queued')
    this.#fill({ connection: id ?? null, reused })
    // What was opened for somebody else before took nothing of this one's time.
    if (reused || marks == null) return
    for (const name of ['dns', 'tcp', 'tls'] as const) {
      const at = (marks[name] ?? 0) - this.#dispatchedAt
      if (at >= 0) this.#fill({ [name]: at })
    }
  }

  record(what: TimingName): void {
    this.#fill({ [what]: now() - this.#dispatchedAt })
  }

  /** It is the caller's object: what it does when it is written to is no concern of the request. */
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
