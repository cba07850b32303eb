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
  connector: Connector
  target: ConnectorOptions
  host: string
  reader: OnreadSource
  /** To be filled in, when somebody wants to know. */
  marks: ConnectTimings | null
}

/**
 * Opens a connection by one call of a connector, and publishes how it went. The connector may be the user's: it may
 * answer at once, twice, with anything, throw, reject. Calls back once, with a socket that was checked or an error.
 */
export class ConnectorCall {
  readonly #options: ConnectorCallOptions
  readonly #target: ConnectorOptions
  readonly #callback: ConnectorCallback
  #returned: unknown
  #calledBack = false
  #cancelled = false
  #socket: unknown = null
  /** Listeners on what the connector returned. */
  #timingListeners: [event: string, listener: () => void][] | null = null

  constructor(to: ConnectorCallOptions, callback: ConnectorCallback) {
    this.#options = to
    this.#target = { ...to.target, host: to.host }
    this.#callback = callback
  }

  start(): void {
    const { connector, marks, reader } = this.#options
    if (clientBeforeConnect.hasSubscribers) clientBeforeConnect.publish({ connectParams: this.#params, connector })
    try {
      const callback = (error: unknown, socket?: unknown) => this.#onResult(error, socket)
      const returned = callConnector(connector, this.#target, { callback, reader })
      this.#returned = returned
      if (this.#cancelled) this.cancel()
      // An async function, whose rejection would be nobody's.
      if (isPromise(returned)) returned.then(undefined, (error) => this.#onThrown(error))
      else if (marks !== null && !this.#calledBack) this.#recordTimings(returned, marks)
    } catch (error) {
      // The owner of the connection must know of it before it fails.
      queueMicrotask(() => this.#onThrown(error))
    }
  }

  /** Destroys what the connector opened and opens, and does not call back any more. */
  cancel(): void {
    this.#cancelled = true
    // The socket to be, of ours.
    destroyUnused(this.#returned)
  }

  /** The error of a connector that has answered is no error of the connection. */
  #onThrown(error: unknown): void {
    if (this.#calledBack) reportUncaught(error)
    else this.#onResult(error, null)
  }

  #onResult(given: unknown, socket: unknown): void {
    if (this.#calledBack) {
      // Some call back at 'connect' and at 'ready': the same socket again is no second one.
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

  /** A connector of the caller's may report one error for many connections: each gets a copy. */
  #toConnectError(given: unknown): Error {
    if (typeof given !== 'object') {
      return new SocketError(`connect called back with ${typeName(given)} for an error`, null, { cause: given })
    }
    return hasOwnErrors(this.#options.connector) ? (given as Error) : copyForeignError(given)
  }

  #succeed(socket: Duplex): void {
    const { connector, marks } = this.#options
    this.#socket = socket
    // A connector that listens to the socket before us calls back before we are called.
    if (marks !== null) marks[this.#target.protocol === 'https:' ? 'tls' : 'tcp'] ??= now()
    if (clientConnected.hasSubscribers) {
      clientConnected.publish({ socket: socket as Socket, connectParams: this.#params, connector })
    }
    if (this.#cancelled) destroyUnused(socket)
    else this.#callback(null, socket)
  }

  #fail(error: Error): void {
    if (clientConnectError.hasSubscribers) {
      const { connector } = this.#options
      const attempt = this.#returned
      const failed = typeof attempt === 'object' && attempt !== null ? { socket: attempt as Socket } : {}
      clientConnectError.publish({ error, ...failed, connectParams: this.#params, connector })
    }
    if (!this.#cancelled) this.#callback(error, null)
  }

  /** A connector of the caller's may return anything. */
  #recordTimings(returned: unknown, marks: ConnectTimings): void {
    const socket = returned as { once?: (event: string, listener: () => void) => void } | null | undefined
    if (typeof socket?.once !== 'function') return
    const note = (event: string, name: keyof ConnectTimings): [string, () => void] => {
      const listener = () => {
        marks[name] = now()
      }
      socket.once?.(event, listener)
      return [event, listener]
    }
    this.#timingListeners = [note('lookup', 'dns'), note('connect', 'tcp'), note('secureConnect', 'tls')]
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
