import type { HeadersInput } from '../wire/headers.js'
import { type Callback, type DispatchTarget, Outcome, requireCallback } from './dispatch-target.js'
import { closeSocket, openTunnel, promiseOf, type TunnelData, type TunnelOptions } from './tunnel.js'

/** Options of `connect` of a dispatcher with one origin. */
export interface ConnectInput<Opaque = null> extends TunnelOptions<Opaque> {
  /** Origin of the server. Default: the origin of the dispatcher. */
  origin?: string | URL
  /** Target of the tunnel as `host:port`. */
  path: string
  /** Request headers. Default: none. */
  headers?: HeadersInput
}

/** Options of `connect`. Source: undici's `Dispatcher.md`. */
export interface ConnectOptions<Opaque = null> extends ConnectInput<Opaque> {
  /** Origin of the server, such as `http://proxy.example:3128`. */
  origin: string | URL
}

/** Opens a tunnel with CONNECT (RFC 9110 §9.3.6). It is established if `statusCode` is 2xx. */
export function connect<Opaque = null>(
  target: DispatchTarget,
  options: ConnectInput<Opaque>,
): Promise<TunnelData<Opaque>>
export function connect<Opaque = null>(
  target: DispatchTarget,
  options: ConnectInput<Opaque>,
  callback: Callback<TunnelData<Opaque>>,
): void
export function connect<Opaque = null>(
  target: DispatchTarget,
  options: ConnectInput<Opaque>,
  callback?: Callback<TunnelData<Opaque>>,
): Promise<TunnelData<Opaque>> | void {
  if (callback === undefined) return promiseOf((outcome) => open(target, options, outcome))
  requireCallback(callback, options)
  open(target, options, Outcome.ofCallback(callback, options, closeSocket))
}

function open<Opaque>(target: DispatchTarget, given: ConnectInput<Opaque>, outcome: Outcome<TunnelData<Opaque>>): void {
  const dispatch = (options: ConnectInput<Opaque>) => ({ ...options, method: 'CONNECT' })
  openTunnel(target, { given, dispatch, refuse: () => null }, outcome)
}
