import { now, queueMicrotask, setImmediate } from '../base/clock.js'

/** ms behind a response within which a server that closes connections silently mostly has done so. */
const IDLE_DELAY = 10
/** ms; one on a busy machine takes longer. */
const MAX_IDLE_DELAY = 40
/** What that may last in polls of the sockets: under fake timers no time passes. */
const MAX_POLLS = 20_000

export interface IdleCheckListener {
  readonly closed: boolean
  /** All that the server had sent when the check began, a FIN above all, was read. */
  onIdleChecked(): void
}

/**
 * How long the connections of one client rest before a request that can not be repeated. One that the server closed
 * without having said so has the next ones rest longer, until one of them survives that.
 */
export class IdleDelay {
  /** ms that a connection is to be idle; 0 for the least, one poll of the sockets. */
  #delay = 0
  /** The same, once one has been closed silently. */
  #delayAfterClose = IDLE_DELAY

  /** `idle`: ms since the last response was complete; null when a request had been sent since. */
  onSilentClose(idle: number | null): void {
    if (idle === null) this.#delayAfterClose = Math.min(2 * this.#delayAfterClose, MAX_IDLE_DELAY)
    if (idle === null || idle < this.#delayAfterClose) this.#delay = this.#delayAfterClose
  }

  /** Returns the ms that a connection still has to rest which was idle for `idle` ms. */
  remaining(idle: number): number {
    return this.#delay === 0 ? 0 : Math.max(0, this.#delay - idle)
  }

  /** A connection rested as long as it was to, and is still open. */
  onSurvived(): void {
    this.#delay = 0
  }
}

/** Checks that began since the last check phase, and those that began before it. */
let newChecks: IdleCheck[] = []
let oldChecks: IdleCheck[] = []

/**
 * Lets an idle connection rest until the sockets were polled once more, so that what the server did to it meanwhile is
 * read: a server may close behind a response without having said so, and a request that can not be repeated would fail.
 */
export class IdleCheck {
  readonly #listener: IdleCheckListener
  #running = false
  #endsAt = 0
  #pollsLeft = 0
  /** Whether nothing can stand unread, in the current call. */
  passed = false

  constructor(listener: IdleCheckListener) {
    this.#listener = listener
  }

  /** `rest`: ms that the connection is to rest at least; 0 for one poll. */
  start(rest: number): void {
    if (this.#running) return
    this.#running = true
    this.#endsAt = rest === 0 ? 0 : now() + rest
    this.#pollsLeft = rest === 0 ? 0 : MAX_POLLS
    this.#awaitPoll()
  }

  #awaitPoll(): void {
    if (newChecks.push(this) + oldChecks.length === 1) setImmediate(onCheckPhase)
  }

  /** @internal */
  onPolled(): void {
    if (this.#pollsLeft-- > 0 && !this.#listener.closed && now() < this.#endsAt) return this.#awaitPoll()
    this.#running = false
    this.passed = true
    try {
      this.#listener.onIdleChecked()
    } catch (error) {
      // The other connections go on; the error is reported all the same.
      queueMicrotask(() => {
        throw error
      })
    } finally {
      this.passed = false
    }
  }
}

/** Of two check phases in a row, the second has a poll phase before it, whatever phase the check began in. */
function onCheckPhase(): void {
  const finished = oldChecks
  oldChecks = newChecks
  newChecks = []
  if (oldChecks.length > 0) setImmediate(onCheckPhase)
  for (const check of finished) check.onPolled()
}
