import { now, queueMicrotask, setImmediate } from '../base/clock.js'

/** ms behind a response within which a server that closes connections silently mostly has done so. */
const LONG_REST = 10
/** ms; one on a busy machine takes longer. */
const LONGEST_REST = 40
/** What that may last in polls of the sockets: under fake timers no time passes. */
const LONG_REST_POLLS = 20_000

export interface IdleCheckListener {
  readonly closed: boolean
  /** All that the server had sent when the check began, a FIN above all, was read. */
  onChecked(): void
}

/**
 * How long the connections of one client rest before a request that can not be repeated. One that the server closed
 * without having said so has the next ones rest longer, until one of them survives that.
 */
export class RestPeriod {
  /** ms that a connection is to be idle; 0 for the least, one poll of the sockets. */
  #length = 0
  /** The same, once one has been closed silently. */
  #longer = LONG_REST

  /** `idle`: ms since the last response was complete; null when a request had been sent since. */
  closedSilently(idle: number | null): void {
    if (idle === null) this.#longer = Math.min(2 * this.#longer, LONGEST_REST)
    if (idle === null || idle < this.#longer) this.#length = this.#longer
  }

  /** Returns the ms that a connection still has to rest which was idle for `idle` ms. */
  left(idle: number): number {
    return this.#length === 0 ? 0 : Math.max(0, this.#length - idle)
  }

  /** A connection rested as long as it was to, and is still open. */
  survived(): void {
    this.#length = 0
  }
}

/** Checks that began since the last check phase, and those that began before it. */
let begun: IdleCheck[] = []
let polled: IdleCheck[] = []

/**
 * Lets an idle connection rest until the sockets were polled once more, so that what the server did to it meanwhile is
 * read: a server may close behind a response without having said so, and a request that can not be repeated would fail.
 */
export class IdleCheck {
  readonly #listener: IdleCheckListener
  #running = false
  #until = 0
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
    this.#until = rest === 0 ? 0 : now() + rest
    this.#pollsLeft = rest === 0 ? 0 : LONG_REST_POLLS
    this.#begin()
  }

  #begin(): void {
    if (begun.push(this) + polled.length === 1) setImmediate(onCheckPhase)
  }

  /** @internal */
  finish(): void {
    if (this.#pollsLeft-- > 0 && !this.#listener.closed && now() < this.#until) return this.#begin()
    this.#running = false
    this.passed = true
    try {
      this.#listener.onChecked()
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
  const finished = polled
  polled = begun
  begun = []
  if (polled.length > 0) setImmediate(onCheckPhase)
  for (const check of finished) check.finish()
}
