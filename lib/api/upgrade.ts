import { SocketError } from '../errors.js'
import type { HeadersInput } from '../wire/headers.js'
import { type Callback, type DispatchTarget, Outcome, requireCallback } from './dispatch-target.js'
import { closeSocket, openTunnel, promiseOf, type TunnelData, type TunnelOptions } from './tunnel.js'

/** Options of `upgrade`. Source: undici's `Dispatcher.md`. */
export interface UpgradeOptions<Opaque = null> extends TunnelOptions<Opaque> {
  /** Origin of the server. Required by an Agent. Default: the origin of the dispatcher. */
  origin?: string | URL
  /** Request path; starts with a slash. */
  path: string
  /** Request method. Default: `GET`. */
  method?: string
  /** Request headers. Default: none. */
  headers?: HeadersInput
  /** Value of the `upgrade` header: protocols in order of preference, separated by commas. Default: `Websocket`. */
  protocol?: string
}

/** Upgrades a connection to another protocol (RFC 9110 §7.8), and resolves with its socket. */
export function upgrade<Opaque = null>(
  target: DispatchTarget,
  options: UpgradeOptions<Opaque>,
): Promise<TunnelData<Opaque>>
export function upgrade<Opaque = null>(
  target: DispatchTarget,
  options: UpgradeOptions<Opaque>,
  callback: Callback<TunnelData<Opaque>>,
): void
export function upgrade<Opaque = null>(
  target: DispatchTarget,
  options: UpgradeOptions<Opaque>,
  callback?: Callback<TunnelData<Opaque>>,
): Promise<TunnelData<Opaque>> | void {
  if (callback === undefined) return promiseOf((outcome) => open(target, options, outcome))
  requireCallback(callback, options)
  open(target, options, Outcome.ofCallback(callback, options, closeSocket))
}

function open<Opaque>(
  target: DispatchTarget,
  given: UpgradeOptions<Opaque>,
  outcome: Outcome<TunnelData<Opaque>>,
): void {
  const dispatch = (options: UpgradeOptions<Opaque>) => {
    const { method = 'GET', protocol = 'Websocket' } = options
    return { ...options, method, upgrade: protocol }
  }
  openTunnel(target, { given, dispatch, refuse }, outcome)
}

function refuse(statusCode: number): Error {
  return new SocketError(`The server refused the upgrade with status ${statusCode}`)
}
