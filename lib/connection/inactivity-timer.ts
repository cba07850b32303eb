import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'

const UNCHANGED = -1

export interface InactivityListener {
  /** The server was silent for as long as it may be. */
  onInactive(): void
}

/** Limits how long the server may be silent. The limit set last counts. */
export class InactivityTimer implements AlarmListener {
  readonly #alarm = new Alarm(this)
  readonly #listener: InactivityListener
  /** ms the alarm is to be set to when all that came was read; 0 to clear it. */
  #delay = UNCHANGED
  #limit = 0
  #held = false
  #due = false
  #dropped = false

  constructor(listener: InactivityListener) {
    this.#listener = listener
  }

  /** `delay` in ms from now; 0 for no limit. */
  set(delay: number): void {
    this.#due = false
    this.#delay = delay
    if (!this.#held) this.#apply()
  }

  /** Delays changes until {@link release}: looking at the clock takes longer than reading a short response. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#apply()
  }

  /** ms since the limit was set; 0 in the middle of a read. */
  get elapsed(): number {
    if (this.#due) return Infinity
    return this.#held ? 0 : this.#limit - this.#alarm.remaining
  }

  /** Whether the limit has passed, though the listener was not notified yet. */
  get expired(): boolean {
    return !this.#held && (this.#due || this.#alarm.remaining <= 0)
  }

  /** Stops for good. */
  stop(): void {
    this.#dropped = true
    this.#due = false
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.#due = true
    // What came while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      if (this.#due) this.#listener.onInactive()
    })
  }

  #apply(): void {
    const delay = this.#dropped ? UNCHANGED : this.#delay
    this.#delay = UNCHANGED
    if (delay !== UNCHANGED) this.#limit = delay
    if (delay > 0) this.#alarm.set(delay)
    else if (delay !== UNCHANGED) this.#alarm.clear()
  }
}
