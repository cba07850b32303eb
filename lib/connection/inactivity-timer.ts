import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'

const UNCHANGED = -1

/** Receives the timeout of an {@link InactivityTimer}. */
export interface InactivityListener {
  /** The time limit has passed without any data from the server. */
  onInactive(): void
}

/** Timer that limits the server's inactivity. Setting a new limit replaces the previous one. */
export class InactivityTimer implements AlarmListener {
  readonly #alarm = new Alarm(this)
  readonly #listener: InactivityListener
  /** Limit in ms that is applied on {@link release}; 0 clears the alarm. */
  #delay = UNCHANGED
  #limit = 0
  #held = false
  #due = false
  #dropped = false

  constructor(listener: InactivityListener) {
    this.#listener = listener
  }

  /** Sets the limit to `delay` ms from now; 0 clears it. */
  set(delay: number): void {
    this.#due = false
    this.#delay = delay
    if (!this.#held) this.#apply()
  }

  /** Defers changes until {@link release}: reading the clock takes longer than parsing a short response. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#apply()
  }

  /** Time in ms since the limit was set; 0 between {@link hold} and {@link release}. */
  get elapsed(): number {
    if (this.#due) return Infinity
    return this.#held ? 0 : this.#limit - this.#alarm.remaining
  }

  /** Whether the limit has passed, even if the listener has not been notified yet. */
  get expired(): boolean {
    return !this.#held && (this.#due || this.#alarm.remaining <= 0)
  }

  /** Stops the timer permanently. */
  stop(): void {
    this.#dropped = true
    this.#due = false
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.#due = true
    // Data that arrived while the event loop was busy is read in the poll phase, before this check phase.
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
