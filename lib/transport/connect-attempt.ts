import type { Socket } from 'node:net'
import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import { messageOf, readProperty } from '../errors/safe-read.js'
import { ConnectTimeoutError } from '../errors.js'
import type { ConnectorCallback } from './connector.js'

/** What an attempt is about. */
export interface ConnectAttemptOptions {
  /** The event of an established connection. */
  event: 'connect' | 'secureConnect'
  /** ms; 0 for no limit */
  timeout: number
  /** For messages: `host:port`, or a path. */
  address: string
  callback: ConnectorCallback
}

/** One attempt to connect: calls back exactly once. */
export class ConnectAttempt implements AlarmListener {
  readonly #socket: Socket
  readonly #options: ConnectAttemptOptions
  readonly #alarm = new Alarm(this)
  /** ms since it was due, from the alarm to the end of that turn. */
  #lateness = 0
  #settled = false

  constructor(socket: Socket, options: ConnectAttemptOptions) {
    this.#socket = socket
    this.#options = options
    socket.once(options.event, this.#onConnect)
    socket.on('error', this.#onError)
    socket.once('close', this.#onClose)
    if (options.timeout <= 0) return
    this.#alarm.set(options.timeout)
    socket.on('lookup', this.#onProgress)
    socket.on('connect', this.#onProgress)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#alarm.dispose()
    this.#socket.off('close', this.#onClose)
    this.#socket.off(this.#options.event, this.#onConnect)
    this.#socket.off('lookup', this.#onProgress)
    this.#socket.off('connect', this.#onProgress)
    return true
  }

  readonly #onConnect = (): void => {
    if (!this.#settle()) return
    try {
      this.#options.callback(null, this.#socket)
    } finally {
      // Only now: the callback adds an error listener of its own.
      this.#socket.off('error', this.#onError)
    }
  }

  readonly #onError = (error: Error): void => {
    if (this.#settle()) this.#options.callback(this.#connectError(error), null)
  }

  readonly #onClose = (): void => {
    if (this.#settle())
      this.#options.callback(
        new Error(`The connection to ${this.#options.address} was closed before it was established`),
        null,
      )
  }

  /** A step that the busy event loop saw too late: what follows it has the time that was lost. */
  readonly #onProgress = (): void => {
    const late = this.#lateness || -this.#alarm.remaining
    // The step may have been the last one.
    if (late > 0 && !this.#settled) this.#alarm.set(late)
  }

  onAlarm(_alarm: Alarm, late: number): void {
    this.#lateness = late
    // What came while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      this.#lateness = 0
      if (!this.#alarm.pending) this.#expire()
    })
  }

  #expire(): void {
    if (!this.#settle()) return
    const { timeout, address } = this.#options
    const error = new ConnectTimeoutError(`No connection to ${address} within ${timeout} ms`)
    this.#socket.destroy(error)
    this.#options.callback(error, null)
  }

  /** Node tells of several addresses that timed out in a shape of its own; callers want one. */
  #connectError(error: Error): Error {
    const errors = readProperty(error, 'errors')
    const all: unknown[] = Array.isArray(errors) ? errors : []
    if (all.length === 0 || !all.every((one) => readProperty(one, 'code') === 'ETIMEDOUT')) return error
    const tried = all.map(messageOf).join('; ')
    return new ConnectTimeoutError(`No connection to ${this.#options.address}: ${tried}`, { cause: error })
  }
}
