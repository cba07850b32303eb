import { Alarm, type AlarmListener, now } from '../base/clock.js'

/** ms before what was lost is replaced. */
const SHORTEST = 100
const LONGEST = 30_000

/** When lost connections are replaced: later each time, while they do not last. */
export class ReplacementBackoff implements AlarmListener {
  readonly #alarm = new Alarm(this)
  readonly #open: () => void
  #delay = 0
  #openedAt = Number.NEGATIVE_INFINITY
  #over = false

  constructor(open: () => void) {
    this.#open = open
  }

  /** Something is missing. */
  soon(): void {
    if (this.#over || this.#alarm.pending) return
    const lasted = now() - this.#openedAt
    this.#delay = lasted > 2 * this.#delay ? SHORTEST : Math.min(2 * this.#delay, LONGEST)
    this.#alarm.set(this.#delay)
  }

  stop(): void {
    this.#over = true
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.#openedAt = now()
    this.#open()
  }
}
