import { queueMicrotask, setImmediate } from '../base/clock.js'

export interface IdleCheckListener {
  /** All that the server had sent when the check began, a FIN above all, was read. */
  onChecked(): void
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
  /** Whether nothing can stand unread, in the current call. */
  passed = false

  constructor(listener: IdleCheckListener) {
    this.#listener = listener
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    if (begun.push(this) + polled.length === 1) setImmediate(onCheckPhase)
  }

  /** @internal */
  finish(): void {
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
