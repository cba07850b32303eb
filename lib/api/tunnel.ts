import type { Duplex } from 'node:stream'
import { InvalidReturnValueError } from '../errors.js'
import type { IncomingHttpHeaders } from '../exchange/documented.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { AbortLink, type SignalInput } from './signal.js'
import { type DispatchTarget, Outcome } from './target.js'

export interface TunnelOptions<Opaque = null, Signal = SignalInput> {
  /** Handed through to the result. */
  opaque?: Opaque
  /** Aborts the request. */
  signal?: Signal
  /** `raw`: the result's headers are name, value, name, value, … */
  responseHeaders?: 'raw' | null
}

export interface TunnelData<Opaque> {
  statusCode: number
  headers: IncomingHttpHeaders
  /** The connection: the caller's from here on. */
  socket: Duplex
  opaque: Opaque
}

/** Ends with a socket: what CONNECT and upgrades have in common. */
export class TunnelHandler<Opaque> implements DispatchHandler {
  readonly #options: TunnelOptions<Opaque>
  readonly #outcome: Outcome<TunnelData<Opaque>>
  readonly #link: AbortLink
  /** A response without a tunnel: an error of its own, or an answer like any other. */
  readonly #refused: string

  constructor(options: TunnelOptions<Opaque>, outcome: Outcome<TunnelData<Opaque>>, refused: string) {
    this.#options = options
    this.#outcome = outcome
    this.#link = new AbortLink(options.signal)
    this.#refused = refused
  }

  get abortReason(): Error | null {
    return this.#link.reason
  }

  onRequestQueued(controller: DispatchController): void {
    this.#link.bind(controller)
  }

  onRequestStart(controller: DispatchController): void {
    this.#link.bind(controller)
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#link.unbind()
    const raw = this.#options.responseHeaders === 'raw'
    this.#outcome.succeed({
      statusCode,
      headers: raw ? (controller.rawHeaders as unknown as IncomingHeaders) : headers,
      socket,
      opaque: (this.#options.opaque ?? null) as Opaque,
    })
  }

  onResponseStart(controller: DispatchController, statusCode: number): void {
    if (statusCode < 200) return
    controller.abort(new InvalidReturnValueError(`${this.#refused}: the server answered ${statusCode}`))
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#link.unbind()
    this.#outcome.fail(error)
  }
}

/** Dispatches a request that is to end with a socket. */
export function openTunnel<Opaque>(
  target: DispatchTarget,
  request: { options: TunnelOptions<Opaque>; dispatch: DispatchInput; refused: string },
  outcome: Outcome<TunnelData<Opaque>>,
): void {
  try {
    const handler = new TunnelHandler(request.options, outcome, request.refused)
    if (handler.abortReason !== null) outcome.fail(handler.abortReason)
    else target.dispatch(request.dispatch, handler)
  } catch (error) {
    outcome.fail(error as Error)
  }
}

export function promiseOf<Data>(start: (outcome: Outcome<Data>) => void): Promise<Data> {
  return new Promise((resolve, reject) => start(new Outcome(resolve, reject)))
}
