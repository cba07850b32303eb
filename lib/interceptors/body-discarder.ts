import { Alarm, type AlarmListener } from '../base/clock.js'
import type { DispatchController } from '../exchange/handler.js'

/** Maximum number of bytes that are read to keep a connection. */
const MAX_BYTES = 65536
/** Maximum time in ms for reading them. */
const MAX_TIME = 1000

/**
 * Reads the rest of a body and discards it, so that the connection can be reused. Aborts the request after 64 KB or one
 * second: a new connection costs less.
 */
export class BodyDiscarder implements AlarmListener {
  readonly #controller: Pick<DispatchController, 'abort'>
  readonly #reason: Error | undefined
  readonly #alarm: Alarm
  #remaining = MAX_BYTES

  constructor(controller: Pick<DispatchController, 'abort'>, reason?: Error) {
    this.#controller = controller
    this.#reason = reason
    this.#alarm = new Alarm(this)
    this.#alarm.set(MAX_TIME)
  }

  onData(chunk: Buffer): void {
    this.#remaining -= chunk.length
    if (this.#remaining < 0) this.abort()
  }

  abort(): void {
    this.#alarm.dispose()
    this.#controller.abort(this.#reason)
  }

  /** Stops the timer: the response has ended. */
  onEnd(): void {
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.abort()
  }
}
