import { Alarm, type AlarmListener } from '../base/clock.js'
import type { DispatchController } from '../exchange/handler.js'

/** Bytes of an unwanted body that are read to keep its connection. */
const MAX_BYTES = 65536
/** ms in which they must come. */
const MAX_TIME = 1000

/** Reads an unwanted body to its end so that its connection can be used again, unless that costs more than a new one. */
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

  /** The response has ended. */
  onEnd(): void {
    this.#alarm.dispose()
  }

  onAlarm(): void {
    this.abort()
  }
}
