import { Alarm, type AlarmListener } from '../base/clock.js'
import type { DispatchController } from '../exchange/handler.js'

/** Bytes of an unwanted body that are read to keep its connection. */
const LIMIT = 65536
/** ms in which they must come. */
const PATIENCE = 1000

/** Reads an unwanted body to its end so that its connection can be used again, unless that costs more than a new one. */
export class Drain implements AlarmListener {
  readonly #controller: Pick<DispatchController, 'abort'>
  readonly #reason: Error | undefined
  readonly #alarm: Alarm
  #left = LIMIT

  constructor(controller: Pick<DispatchController, 'abort'>, reason?: Error) {
    this.#controller = controller
    this.#reason = reason
    this.#alarm = new Alarm(this)
    this.#alarm.set(PATIENCE)
  }

  take(chunk: Buffer): void {
    this.#left -= chunk.length
    if (this.#left < 0) this.giveUp()
  }

  giveUp(): void {
    this.#alarm.drop()
    this.#controller.abort(this.#reason)
  }

  /** The response has ended. */
  end(): void {
    this.#alarm.drop()
  }

  onAlarm(): void {
    this.giveUp()
  }
}
