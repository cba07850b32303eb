import { Alarm, type AlarmListener, now } from '../base/clock.js'

/** ms before what was lost is replaced. */
const MIN_DELAY = 100
const MAX_DELAY = 30_000

/** When lost connections are replaced: later each time, while they do not last. */
export class ReplacementBackoff implements AlarmListener {
  readonly #alarm = new Alarm(this)
  readonly #open: () => void
  #delay = 0
  #openedAt = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(open: () => void) {
    this.#open = open
  }

  /** Something is missing. */
  schedule(): void {
    if (this.#stopped || this.#alarm.pending) return
    const lasted = now() - this.#openedAt
    this.#delay = lasted > 2 * this.#delay ? MIN_DELAY : Math.min(2 * this.#delay, MAX_DELAY)
    this.#alarm.set(this.#delay)
  }

  stop(): void {
    this.#stopped = true
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.#openedAt = now()
    this.#open()
  }
}
