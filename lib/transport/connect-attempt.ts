import type { Socket } from 'node:net'
import { Alarm, type AlarmListener, setImmediate } from '../base/clock.js'
import { messageOf, readProperty } from '../errors/safe-read.js'
import { ConnectTimeoutError } from '../errors.js'
import type { ConnectorCallback } from './connector.js'

/** Options of a {@link ConnectAttempt}. */
export interface ConnectAttemptOptions {
  /** Event of the socket that means the connection is established. */
  event: 'connect' | 'secureConnect'
  /** Connect timeout in ms; 0 for none. */
  timeout: number
  /** `host:port` or a socket path, for error messages. */
  address: string
  callback: ConnectorCallback
}

/** Waits until a socket is connected, fails or times out, and calls back exactly once. */
export class ConnectAttempt implements AlarmListener {
  readonly #socket: Socket
  readonly #options: ConnectAttemptOptions
  readonly #alarm = new Alarm(this)
  /** ms by which the timeout fired late; 0 except in the event-loop turn in which it fired. */
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
      // Removed last, because the callback adds its own error listener.
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

  /** Extends the timeout after a lookup or TCP connect that a busy event loop processed too late, by the time lost. */
  readonly #onProgress = (): void => {
    const late = this.#lateness || -this.#alarm.remaining
    // This event may have settled the attempt.
    if (late > 0 && !this.#settled) this.#alarm.set(late)
  }

  onAlarm(_alarm: Alarm, late: number): void {
    this.#lateness = late
    // Events that arrived while the event loop was busy are processed in the poll phase, before this check phase.
    setImmediate(() => {
      this.#lateness = 0
      if (!this.#alarm.pending) this.#expire()
    })
  }

  #expire(): void {
    if (!this.#settle()) return
    const { timeout, address } = this.#options
    const error = new ConnectTimeoutError(
      `Connection to ${address} not established within ${timeout} ms (connectTimeout)`,
    )
    this.#socket.destroy(error)
    this.#options.callback(error, null)
  }

  /** Converts Node's AggregateError for several addresses that all timed out into a ConnectTimeoutError. */
  #connectError(error: Error): Error {
    const errors = readProperty(error, 'errors')
    const all: unknown[] = Array.isArray(errors) ? errors : []
    if (all.length === 0 || !all.every((one) => readProperty(one, 'code') === 'ETIMEDOUT')) return error
    const tried = all.map(messageOf).join('; ')
    return new ConnectTimeoutError(`Connection to ${this.#options.address} not established: ${tried}`, { cause: error })
  }
}
