import type { Socket } from 'node:net'
import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import { messageOf, readProperty } from '../errors/safe-read.js'
import { ConnectTimeoutError } from '../errors.js'
import type { ConnectorCallback } from './connector.js'

/** What an attempt is about. */
export interface AttemptPart {
  /** The event of an established connection. */
  event: 'connect' | 'secureConnect'
  /** ms; 0 for no limit */
  timeout: number
  /** For messages: `host:port`, or a path. */
  place: string
  callback: ConnectorCallback
}

/** One attempt to connect: calls back exactly once. */
export class Attempt implements AlarmListener {
  readonly #socket: Socket
  readonly #part: AttemptPart
  readonly #alarm = new Alarm(this)
  /** ms since it was due, from the alarm to the end of that turn. */
  #late = 0
  #answered = false

  constructor(socket: Socket, part: AttemptPart) {
    this.#socket = socket
    this.#part = part
    socket.once(part.event, this.#onConnect)
    socket.on('error', this.#onError)
    socket.once('close', this.#onClose)
    if (part.timeout <= 0) return
    this.#alarm.set(part.timeout)
    socket.on('lookup', this.#onStep)
    socket.on('connect', this.#onStep)
  }

  #settle(): boolean {
    if (this.#answered) return false
    this.#answered = true
    this.#alarm.dispose()
    this.#socket.off('close', this.#onClose)
    this.#socket.off(this.#part.event, this.#onConnect)
    this.#socket.off('lookup', this.#onStep)
    this.#socket.off('connect', this.#onStep)
    return true
  }

  readonly #onConnect = (): void => {
    if (!this.#settle()) return
    try {
      this.#part.callback(null, this.#socket)
    } finally {
      // Only now: the callback adds an error listener of its own.
      this.#socket.off('error', this.#onError)
    }
  }

  readonly #onError = (error: Error): void => {
    if (this.#settle()) this.#part.callback(this.#explain(error), null)
  }

  readonly #onClose = (): void => {
    if (this.#settle())
      this.#part.callback(new Error(`The connection to ${this.#part.place} was closed before it stood`), null)
  }

  /** A step that the busy event loop saw too late: what follows it has the time that was lost. */
  readonly #onStep = (): void => {
    const late = this.#late || -this.#alarm.remaining
    // The step may have been the last one.
    if (late > 0 && !this.#answered) this.#alarm.set(late)
  }

  onAlarm(_alarm: Alarm, late: number): void {
    this.#late = late
    // What came while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      this.#late = 0
      if (!this.#alarm.pending) this.#expire()
    })
  }

  #expire(): void {
    if (!this.#settle()) return
    const { timeout, place } = this.#part
    const error = new ConnectTimeoutError(`No connection to ${place} within ${timeout} ms`)
    this.#socket.destroy(error)
    this.#part.callback(error, null)
  }

  /** Node tells of several addresses that timed out in a shape of its own; callers want one. */
  #explain(error: Error): Error {
    const errors = readProperty(error, 'errors')
    const all: unknown[] = Array.isArray(errors) ? errors : []
    if (all.length === 0 || !all.every((one) => readProperty(one, 'code') === 'ETIMEDOUT')) return error
    const tried = all.map(messageOf).join('; ')
    return new ConnectTimeoutError(`No connection to ${this.#part.place}: ${tried}`, { cause: error })
  }
}
