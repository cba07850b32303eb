import { now } from '../base/clock.js'
import type { Timings } from '../errors/timings.js'
import { invalidOption } from '../errors.js'

/** What is known of the opening of a connection; times as of `performance.now()`. */
export interface Opening {
  dns?: number
  tcp?: number
  tls?: number
}

/** What a watch asks of the connection that carries its exchange. */
export interface Timed {
  readonly id?: number
  readonly marks?: Opening | null
}

type Times = 'queued' | 'sent' | 'firstByte' | 'end'

/** Notes when what happens to one exchange; those that nobody watches over have none. */
export class Watch {
  readonly timings: Timings
  readonly #begun = now()

  /** `true`: into an object of its own. @throws {InvalidArgumentError} not an object that can be filled in */
  constructor(given: unknown) {
    if (given !== true && (typeof given !== 'object' || given === null || !Object.isExtensible(given))) {
      throw invalidOption('timings', 'true, or an object to be filled in', given)
    }
    this.timings = (given === true ? {} : given) as Timings
    const tries = Object.hasOwn(this.timings, 'tries') ? this.timings.tries : 0
    this.#fill({ ...NOTHING, tries: Number.isInteger(tries) ? tries + 1 : 1 })
  }

  handedTo({ id, marks }: Timed, reused: boolean): void {
    if (this.timings.queued !== null) this.#fill({ ...NOTHING, tries: this.timings.tries + 1 })
    this.note('queued')
    this.#fill({ connection: id ?? null, reused })
    // What was opened for somebody else before took nothing of this one's time.
    if (reused || marks == null) return
    for (const name of ['dns', 'tcp', 'tls'] as const) {
      const at = (marks[name] ?? 0) - this.#begun
      if (at >= 0) this.#fill({ [name]: at })
    }
  }

  note(what: Times): void {
    this.#fill({ [what]: now() - this.#begun })
  }

  /** It is the caller's object: what it does when it is written to is no concern of the request. */
  #fill(known: Partial<Timings>): void {
    try {
      Object.assign(this.timings, known)
    } catch {}
  }
}

const NOTHING = {
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
