import { Alarm, type AlarmListener, now } from '../base/clock.js'

/** Shortest and longest delay in ms before lost connections are replaced. */
const MIN_DELAY = 100
const MAX_DELAY = 30_000

/** Schedules the replacement of lost connections, with exponential backoff while connections do not last. */
export class ReplacementBackoff implements AlarmListener {
  readonly #alarm = new Alarm(this)
  readonly #open: () => void
  #delay = 0
  #openedAt = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(open: () => void) {
    this.#open = open
  }

  /** Schedules a replacement, if none is scheduled. */
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
