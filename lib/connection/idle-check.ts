import { now, queueMicrotask, setImmediate } from '../base/clock.js'
import type { InactivityTimer } from './inactivity-timer.js'
import type { Pipeline } from './pipeline.js'

/**
 * Delay in ms before an idle connection is reused, once the server has closed one without notice. Most such servers
 * close within this time.
 */
const IDLE_DELAY = 10
/** Maximum of that delay in ms, for servers on busy machines. */
const MAX_IDLE_DELAY = 40
/** Age in ms below which a new connection needs no check: the server can hardly have closed it yet. */
const NEW_CONNECTION_AGE = 1
/** Maximum number of polls for that delay: with fake timers, time does not pass. */
const MAX_POLLS = 20_000

/** Receives the end of an {@link IdleCheck}. */
export interface IdleCheckListener {
  readonly closed: boolean
  /** The connection can be used: what the server had sent before the check, in particular a FIN, has been read. */
  onReady(): void
}

interface IdleCheckParts {
  pipeline: Pipeline
  timer: InactivityTimer
  delay: IdleDelay
  listener: IdleCheckListener
}

/**
 * Delay before an idle connection of a client sends a non-repeatable request. It grows when the server closes a
 * connection without notice, and is reset once a connection survives it.
 */
export class IdleDelay {
  /** Current delay in ms; 0 means one poll of the sockets. */
  #delay = 0
  /** Delay in ms after the next silent close. */
  #delayAfterClose = IDLE_DELAY

  /** Increases the delay. `idle`: ms since the last response was complete; `null` if a request had been sent since. */
  onSilentClose(idle: number | null): void {
    if (idle === null) this.#delayAfterClose = Math.min(2 * this.#delayAfterClose, MAX_IDLE_DELAY)
    if (idle === null || idle < this.#delayAfterClose) this.#delay = this.#delayAfterClose
  }

  /** Returns how many ms a connection that was idle for `idle` ms still has to wait. */
  remaining(idle: number): number {
    return this.#delay === 0 ? 0 : Math.max(0, this.#delay - idle)
  }

  /** Resets the delay: a connection was still open after it. */
  onSurvived(): void {
    this.#delay = 0
  }
}

/** Checks started since the last check phase, and those started before it. */
let newChecks: IdleCheck[] = []
let oldChecks: IdleCheck[] = []

/**
 * Checks an idle connection before it sends a non-repeatable request: waits until the sockets have been polled once, so
 * that a pending FIN or data is read. Without it, the request could be lost on a connection that the server has just
 * closed.
 */
export class IdleCheck {
  readonly #pipeline: Pipeline
  readonly #timer: InactivityTimer
  readonly #delay: IdleDelay
  readonly #listener: IdleCheckListener
  #running = false
  #endsAt = 0
  #pollsLeft = 0
  /** Whether the check has completed; `true` only during the call of `onReady`. */
  #completed = false

  constructor({ pipeline, timer, delay, listener }: IdleCheckParts) {
    this.#pipeline = pipeline
    this.#timer = timer
    this.#delay = delay
    this.#listener = listener
  }

  /** Whether the connection can be used without a further check: it was checked just now, or established just now. */
  get passed(): boolean {
    return this.#completed || (this.#pipeline.sent === 0 && this.#timer.elapsed < NEW_CONNECTION_AGE)
  }

  start(): void {
    if (this.#running) return
    const delay = this.#delay.remaining(this.#timer.elapsed)
    this.#running = true
    this.#endsAt = delay === 0 ? 0 : now() + delay
    this.#pollsLeft = delay === 0 ? 0 : MAX_POLLS
    this.#awaitPoll()
  }

  /**
   * Handles a close by the server without `connection: close` in its last response: later connections wait longer before
   * they are reused.
   */
  onSilentClose(): void {
    const { oldest, answered } = this.#pipeline
    if (answered === 0 || oldest?.responseStarted) return
    this.#delay.onSilentClose(oldest === null ? this.#timer.elapsed : null)
  }

  #awaitPoll(): void {
    if (newChecks.push(this) + oldChecks.length === 1) setImmediate(onCheckPhase)
  }

  /**
   * Called in the check phase after a poll.
   * @internal
   */
  onPolled(): void {
    if (this.#pollsLeft-- > 0 && !this.#listener.closed && now() < this.#endsAt) return this.#awaitPoll()
    this.#running = false
    if (this.#listener.closed) return
    this.#delay.onSurvived()
    this.#completed = true
    try {
      this.#listener.onReady()
    } catch (error) {
      // The other checks must still complete; the error becomes an uncaught exception.
      queueMicrotask(() => {
        throw error
      })
    } finally {
      this.#completed = false
    }
  }
}

/**
 * Runs in the check phase. A poll phase lies between any two consecutive check phases, so checks of the previous phase
 * are complete.
 */
function onCheckPhase(): void {
  const finished = oldChecks
  oldChecks = newChecks
  newChecks = []
  if (oldChecks.length > 0) setImmediate(onCheckPhase)
  for (const check of finished) check.onPolled()
}
