import type { DispatchController, LegacyDispatchHandler } from '../../lib/exchange/handler.js'
import type { FakeSocket } from './fake-socket.js'
import type { Player } from './player.js'

/** A legacy handler that passes its callbacks to a player, which checks them. */
export class LegacyPlayer implements LegacyDispatchHandler {
  readonly #player: Player
  #abort: (reason?: Error) => void = () => {}
  #resume: () => void = () => {}
  #paused = false
  readonly #controller = {
    abort: (reason?: Error) => this.#abort(reason),
    pause: () => {
      this.#paused = true
    },
    resume: () => this.#resume(),
  } as DispatchController

  constructor(player: Player) {
    this.#player = player
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort
    this.#player.onRequestStart(this.#controller)
  }

  onBodySent(chunk: Buffer): void {
    this.#player.onBodySent(chunk)
  }

  onRequestSent(): void {
    this.#player.onRequestSent()
  }

  onHeaders(_status: number, _headers: Buffer[], resume: () => void): boolean {
    this.#resume = resume
    return this.#answers(() => this.#player.onResponseStart(this.#controller))
  }

  onData(chunk: Buffer): boolean {
    return this.#answers(() => this.#player.onResponseData(this.#controller, chunk))
  }

  onUpgrade(_status: number, _headers: unknown, socket: unknown): void {
    this.#player.onRequestUpgrade(this.#controller, 200, {}, socket as FakeSocket)
  }

  onComplete(): void {
    this.#player.onResponseEnd(this.#controller)
  }

  onError(error: Error): void {
    this.#player.onResponseError(this.#controller, error)
  }

  /** A callback pauses only by its return value. */
  #answers(callback: () => void): boolean {
    this.#paused = false
    callback()
    return !this.#paused
  }
}
