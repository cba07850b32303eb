import type { Duplex } from 'node:stream'
import { now, queueMicrotask } from '../base/clock.js'
import { reportUncaught } from '../base/user-code.js'
import { clientBeforeConnect, clientConnectError, clientConnected } from '../diagnostics/channels.js'
import type { ClientConnectedMessage, ConnectParams } from '../diagnostics/messages.js'
import { copyForeignError, SocketError } from '../errors.js'
import type { ConnectTimings } from '../exchange/request-timings.js'
import { destroyUnused, socketFault, typeName } from '../transport/check-socket.js'
import { serverNamesOf } from '../transport/connect.js'
import {
  type Connector,
  type ConnectorCallback,
  type ConnectorOptions,
  callConnector,
  hasOwnErrors,
  type OnreadSource,
} from '../transport/connector.js'

type Socket = ClientConnectedMessage['socket']

interface ConnectorCallOptions {
  /** Number of the connection. */
  id: number
  connector: Connector
  target: ConnectorOptions
  host: string
  reader: OnreadSource
  /** Receives the times of DNS, TCP and TLS. `null` if they are not measured. */
  timings: ConnectTimings | null
}

/**
 * Opens a connection by one call of a connector, and publishes the result to diagnostics channels. The connector can be
 * user code: it may call back synchronously, twice or with any value, throw, or reject. The callback is called once,
 * with a checked socket or an error.
 */
export class ConnectorCall {
  readonly #options: ConnectorCallOptions
  readonly #target: ConnectorOptions
  readonly #callback: ConnectorCallback
  #returned: unknown
  #calledBack = false
  #cancelled = false
  #socket: unknown = null
  /** Listeners added to the object that the connector returned. */
  #timingListeners: [event: string, listener: () => void][] | null = null

  constructor(options: ConnectorCallOptions, callback: ConnectorCallback) {
    this.#options = options
    this.#target = { ...options.target, host: options.host }
    this.#callback = callback
  }

  start(): void {
    const { connector, timings, reader, id } = this.#options
    if (clientBeforeConnect.hasSubscribers) clientBeforeConnect.publish({ connectParams: this.#params, connector }, id)
    try {
      const callback = (error: unknown, socket?: unknown) => this.#onResult(error, socket)
      const returned = callConnector(connector, this.#target, { callback, reader })
      this.#returned = returned
      if (this.#cancelled) this.cancel()
      // An async connector: its rejection would otherwise be unhandled.
      if (isPromise(returned)) returned.then(undefined, (error) => this.#onThrown(error))
      else if (timings !== null && !this.#calledBack) this.#recordTimings(returned, timings)
    } catch (error) {
      // Deferred, so that the owner knows of the connection before it fails.
      queueMicrotask(() => this.#onThrown(error))
    }
  }

  /** Destroys the socket, and does not call back any more. */
  cancel(): void {
    this.#cancelled = true
    // sluice's own connectors return the socket that is being opened.
    destroyUnused(this.#returned)
  }

  /**
   * An error that a connector throws after it has called back is reported as an uncaught exception: it does not concern
   * the connection.
   */
  #onThrown(error: unknown): void {
    if (this.#calledBack) reportUncaught(error)
    else this.#onResult(error, null)
  }

  #onResult(given: unknown, socket: unknown): void {
    if (this.#calledBack) {
      // Some connectors call back on both `connect` and `ready`, with the same socket.
      if (socket !== this.#socket) destroyUnused(socket)
      return
    }
    this.#calledBack = true
    this.#stopRecordingTimings()
    const error = given ? this.#toConnectError(given) : socketFault(socket)
    if (error === null) return this.#succeed(socket as Duplex)
    destroyUnused(socket)
    this.#fail(error)
  }

  /** A user's connector may report the same error for several connections, so each gets a copy. */
  #toConnectError(given: unknown): Error {
    if (typeof given !== 'object') {
      return new SocketError(`The connect function called back with ${typeName(given)} instead of an Error`, null, {
        cause: given,
      })
    }
    return hasOwnErrors(this.#options.connector) ? (given as Error) : copyForeignError(given)
  }

  #succeed(socket: Duplex): void {
    const { connector, timings, id } = this.#options
    this.#socket = socket
    // If the connector called back from its own listener, the listeners of `#recordTimings` have not run yet.
    if (timings !== null) timings[this.#target.protocol === 'https:' ? 'tls' : 'tcp'] ??= now()
    if (clientConnected.hasSubscribers) {
      clientConnected.publish({ socket: socket as Socket, connectParams: this.#params, connector }, id)
    }
    if (this.#cancelled) destroyUnused(socket)
    else this.#callback(null, socket)
  }

  #fail(error: Error): void {
    if (clientConnectError.hasSubscribers) {
      const { connector, id } = this.#options
      const attempt = this.#returned
      const failed = typeof attempt === 'object' && attempt !== null ? { socket: attempt as Socket } : {}
      clientConnectError.publish({ error, ...failed, connectParams: this.#params, connector }, id)
    }
    if (!this.#cancelled) this.#callback(error, null)
  }

  /** Records the times of `lookup`, `connect` and `secureConnect`, if `returned` is a socket. */
  #recordTimings(returned: unknown, timings: ConnectTimings): void {
    const socket = returned as { once?: (event: string, listener: () => void) => void } | null | undefined
    if (typeof socket?.once !== 'function') return
    const record = (event: string, name: keyof ConnectTimings): [string, () => void] => {
      const listener = () => {
        timings[name] = now()
      }
      socket.once?.(event, listener)
      return [event, listener]
    }
    this.#timingListeners = [record('lookup', 'dns'), record('connect', 'tcp'), record('secureConnect', 'tls')]
  }

  #stopRecordingTimings(): void {
    const socket = this.#returned as Partial<Duplex>
    for (const [event, listener] of this.#timingListeners ?? []) socket.off?.(event, listener)
    this.#timingListeners = null
  }

  get #params(): ConnectParams {
    const version = this.#socket === null ? undefined : 'h1'
    const { hostname, port, protocol, localAddress = null } = this.#target
    const name = hostname.includes(':') ? `[${hostname}]` : hostname
    const host = port === '' ? name : `${name}:${port}`
    const servername = serverNamesOf(this.#options.connector, this.#target)?.servername || null
    return { host, hostname, protocol, port, version, servername, localAddress }
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}
