import type { Duplex } from 'node:stream'
import { Alarm, type AlarmListener, queueMicrotask } from '../base/clock.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import {
  addErrorContext,
  copyForeignError,
  copyForRequest,
  copyIfForeign,
  nonNullError,
  replaceErrorContext,
} from '../errors.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import { socketFault } from '../transport/check-socket.js'
import {
  type Connector,
  type ConnectorCallback,
  type ConnectorOptions,
  declareOwnErrors,
  hasOwnErrors,
} from '../transport/connector.js'
import { type Route, tunnelLost, tunnelRefused, tunnelTimedOut } from './proxy-errors.js'
import { traceTunnel } from './publish-tunnel.js'

/** Proxy and connectors of the tunnels. */
export interface TunnelsPart {
  /** Origin of the proxy. */
  proxy: string
  /** Dispatcher that sends CONNECT. */
  client: Dispatcher
  /** Headers of CONNECT, without `host`. */
  headers: readonly string[]
  /** Connector for TLS to the origin over the socket of the tunnel. */
  secure: Connector
  /** Timeout in ms for a tunnel, including TLS to the origin; 0 disables it. */
  timeout: number
  /** Separate timeout in ms for TLS to the origin, from the response to CONNECT; null without one. */
  secureTimeout: number | null
}

/** Opens tunnels through one proxy with CONNECT (RFC 9110 §9.3.6). */
export class Tunnels {
  readonly #part: TunnelsPart
  readonly #opening = new Set<Tunnel>()

  constructor(part: TunnelsPart) {
    this.#part = part
    declareOwnErrors(this.connector)
  }

  /** Connector that opens a tunnel to an origin. */
  readonly connector: Connector = (target, callback) => {
    const tunnel = new Tunnel(this.#part, target, (...result: [null, Duplex] | [Error, null]) => {
      this.#opening.delete(tunnel)
      callback(...result)
    })
    this.#opening.add(tunnel)
    tunnel.open()
  }

  /** Aborts all tunnels that are not yet established. */
  abort(error: Error): void {
    for (const tunnel of [...this.#opening]) tunnel.abort(copyForRequest(error))
  }
}

/** One tunnel: sends CONNECT, then opens TLS to the origin if needed. Calls back exactly once. */
class Tunnel implements DispatchHandler, AlarmListener {
  readonly #part: TunnelsPart
  readonly #target: ConnectorOptions
  readonly #callback: ConnectorCallback
  readonly #route: Route
  readonly #alarm = new Alarm(this)
  #controller: DispatchController | null = null
  /** Whether CONNECT was sent: later failures are those of the tunnel, not of the connection to the proxy. */
  #connectSent = false
  #settled = false
  /** Socket to close if the tunnel fails. */
  #socket: Duplex | null = null
  #limit: number

  constructor(part: TunnelsPart, target: ConnectorOptions, callback: ConnectorCallback) {
    this.#part = part
    this.#target = target
    this.#callback = callback
    this.#route = { proxy: part.proxy, origin: new URL(`${target.protocol}//${authorityOf(target)}`).origin }
    this.#limit = part.timeout
  }

  open(): void {
    const { client, headers, proxy } = this.#part
    const authority = authorityOf(this.#target)
    if (this.#limit > 0) this.#alarm.set(this.#limit)
    try {
      // RFC 9112 §3.2: `host` is identical to the target.
      const fields = ['host', authority, ...headers]
      client.dispatch({ origin: proxy, method: 'CONNECT', path: authority, headers: fields }, this)
    } catch (error) {
      queueMicrotask(() => this.#fail(copyIfForeign(nonNullError(error), proxy)))
    }
  }

  abort(error: Error): void {
    this.#fail(error)
  }

  onAlarm(): void {
    this.#fail(tunnelTimedOut(this.#route, this.#limit))
  }

  // Callbacks of CONNECT

  onRequestQueued(controller: DispatchController): void {
    this.#controller = controller
  }

  onRequestStart(controller: DispatchController): void {
    this.#controller = controller
    this.#connectSent = true
    if (this.#settled) controller.abort()
  }

  onRequestUpgrade(_: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    if (this.#settled) return void socket.destroy()
    this.#socket = socket
    const error = socketFault(socket)
    if (error !== null) return this.#fail(error)
    // A dispatcher of another library may pass the socket with any status.
    if (statusCode < 200 || statusCode > 299) return this.#fail(tunnelRefused(this.#route, { statusCode, headers }))
    const { proxy, headers: fields } = this.#part
    traceTunnel(socket, { proxy, path: authorityOf(this.#target), headers: fields })
    if (this.#settled) return
    if (this.#target.protocol === 'https:') this.#secure(socket)
    else this.#succeed(socket)
  }

  onResponseStart(_controller: DispatchController, statusCode: number, headers: IncomingHeaders): void {
    if (statusCode >= 200) this.#fail(tunnelRefused(this.#route, { statusCode, headers }))
  }

  onResponseEnd(): void {}

  onResponseError(_controller: DispatchController, error: Error): void {
    const known = nonNullError(error)
    if (this.#connectSent) return this.#fail(tunnelLost(this.#route, known))
    const { proxy } = this.#route
    const own = copyIfForeign(known, proxy)
    this.#fail(replaceErrorContext(own, proxy, { ...this.#route, method: undefined, path: undefined }))
  }

  #secure(httpSocket: Duplex): void {
    // TLS reports the errors of the socket, but the socket itself needs a listener, too.
    httpSocket.on('error', () => {})
    const { secure, secureTimeout } = this.#part
    if (secureTimeout !== null) {
      this.#limit = secureTimeout
      if (secureTimeout > 0) this.#alarm.set(secureTimeout)
      else this.#alarm.clear()
    }
    const { localAddress: _local, socketPath: _path, ...target } = this.#target
    const options = { ...target, httpSocket } as ConnectorOptions
    try {
      secure(options, (error, socket) => {
        if (error !== null) return this.#fail(hasOwnErrors(secure) ? error : copyForeignError(error))
        if (this.#settled) socket.destroy()
        else this.#succeed(socket)
      })
    } catch (error) {
      this.#fail(copyForeignError(nonNullError(error)))
    }
  }

  #succeed(socket: Duplex): void {
    this.#settled = true
    this.#alarm.dispose()
    this.#callback(null, socket)
  }

  #fail(error: Error): void {
    if (this.#settled) return
    this.#settled = true
    this.#alarm.dispose()
    this.#controller?.abort()
    this.#socket?.destroy()
    this.#callback(addErrorContext(error, { ...this.#route, phase: 'connect' }), null)
  }
}

/** Returns `host:port`, always with the port (RFC 9112 §3.2.3). */
function authorityOf(target: ConnectorOptions): string {
  const { hostname, port, protocol } = target
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  return `${host}:${port || (protocol === 'https:' ? '443' : '80')}`
}
