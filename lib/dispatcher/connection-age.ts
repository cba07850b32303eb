import { Alarm, type AlarmListener } from '../base/clock.js'

/** Largest part of the maximum age that a connection may end early: connections opened together do not end together. */
const JITTER = 0.1

/** Limits the age of a connection (`maxConnectionAge`). */
export class ConnectionAge implements AlarmListener {
  readonly #maxAge: number
  readonly #onExpired: () => void
  readonly #alarm = new Alarm(this)

  /** @param maxAge ms */
  constructor(maxAge: number, onExpired: () => void) {
    this.#maxAge = maxAge
    this.#onExpired = onExpired
  }

  start(): void {
    this.#alarm.set(this.#maxAge * (1 - JITTER * Math.random()))
  }

  stop(): void {
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.#onExpired()
  }
}
