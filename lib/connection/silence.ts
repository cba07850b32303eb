import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'

const UNCHANGED = -1

/** ms within which what a server did is taken to have been read. */
export const TURN = 1

/** Who is told when the server is silent for too long. */
export interface SilenceListener {
  onSilence(): void
}

/** How long the server may be silent. What is allowed last counts. */
export class Silence implements AlarmListener {
  readonly #alarm = new Alarm(this)
  readonly #listener: SilenceListener
  /** ms the alarm is to be set to when all that came was read; 0 to clear it. */
  #delay = UNCHANGED
  #allowed = 0
  #held = false
  #due = false
  #over = false

  constructor(listener: SilenceListener) {
    this.#listener = listener
  }

  /** `delay` in ms from now; 0 stands for no limit. */
  allow(delay: number): void {
    this.#due = false
    this.#delay = delay
    if (!this.#held) this.#set()
  }

  /** Until {@link release}: looking at the clock takes longer than reading a short response. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#set()
  }

  /** ms since it was last allowed to be; 0 in the middle of a read. */
  get length(): number {
    if (this.#due) return Infinity
    return this.#held ? 0 : this.#allowed - this.#alarm.left
  }

  /** It takes longer than allowed, though that was not told yet. */
  get tooLong(): boolean {
    return this.#due || this.#alarm.left <= 0
  }

  /** Nothing is told any more. */
  drop(): void {
    this.#over = true
    this.#due = false
    this.#alarm.drop()
  }

  onAlarm(): void {
    this.#due = true
    // What came while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      if (this.#due) this.#listener.onSilence()
    })
  }

  #set(): void {
    const delay = this.#over ? UNCHANGED : this.#delay
    this.#delay = UNCHANGED
    if (delay !== UNCHANGED) this.#allowed = delay
    if (delay > 0) this.#alarm.set(delay)
    else if (delay !== UNCHANGED) this.#alarm.clear()
  }
}
