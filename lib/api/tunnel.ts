import type { Duplex, DuplexOptions } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { unpooledChunk } from '../base/unpooled-memory.js'
import { requireObject } from '../errors/option-checks.js'
import { markSluiceOwned } from '../errors.js'
import { streamError } from '../exchange/abort-errors.js'
import type { IncomingHttpHeaders } from '../exchange/documented.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { BodyReadable } from './body.js'
import { sourceOf } from './body-source.js'
import { headersFor } from './request.js'
import { AbortLink, type SignalInput } from './signal.js'
import { type DispatchTarget, Outcome, refuseOtherDispatcher } from './target.js'

export interface TunnelOptions<Opaque = null> {
  /** Handed through to the result. */
  opaque?: Opaque
  /** Aborts the request. */
  signal?: SignalInput
  /** `raw`: the result's headers are name, value, name, value, … */
  responseHeaders?: 'raw' | null
}

export interface TunnelData<Opaque> {
  statusCode: number
  headers: IncomingHttpHeaders
  /** The connection: the caller's from here on. Of a CONNECT that was refused: the body of the refusal. */
  socket: Duplex
  opaque: Opaque
}

/** What a final response without a tunnel is: an error, or an answer for the caller to judge. */
export type Refusal = (statusCode: number) => Error | null

/** Ends with a socket: what CONNECT and upgrades have in common. */
export class TunnelHandler<Opaque> implements DispatchHandler {
  readonly #options: TunnelOptions<Opaque>
  readonly #outcome: Outcome<TunnelData<Opaque>>
  readonly #link: AbortLink | null
  readonly #refuse: Refusal
  #controller: DispatchController | null = null
  #refused: BodyReadable | null = null

  constructor(options: TunnelOptions<Opaque>, outcome: Outcome<TunnelData<Opaque>>, refuse: Refusal) {
    this.#options = options
    this.#outcome = outcome
    this.#link = AbortLink.to(options.signal)
    if (this.abortReason === null) this.#link?.bind(this)
    this.#refuse = refuse
  }

  /** Ends the request for its signal, which may fire before the request has a controller. */
  abort(reason: unknown): void {
    this.#controller?.abort(reason as Error)
    // A controller of another library may report nothing.
    this.#outcome.fail(reason)
    this.#refused?.cancel(reason)
  }

  get abortReason(): unknown {
    return this.#link?.reason ?? null
  }

  /** It will hear nothing more. */
  release(): void {
    this.#link?.unbind()
  }

  onRequestQueued(controller: DispatchController): void {
    this.onRequestStart(controller)
  }

  onRequestStart(controller: DispatchController): void {
    this.#controller = controller
    this.#link?.bind(this)
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#link?.unbind()
    ignoreErrorsUntilHeard(socket)
    this.#succeed({ statusCode, headers: headersFor(this.#options, controller, headers), socket })
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders): void {
    if (statusCode < 200) return
    const error = this.#refuse(statusCode)
    if (error !== null) {
      this.#link?.unbind()
      // First: the controller may be an interceptor's own, which reports nothing.
      this.#outcome.fail(markSluiceOwned(error))
      return controller.abort(error)
    }
    const refused = new BodyReadable({ source: sourceOf(controller) })
    this.#refused = refused
    const shown = headersFor(this.#options, controller, headers)
    this.#succeed({ statusCode, headers: shown, socket: socketOver(refused) })
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#refused?.feed(chunk)
  }

  onResponseEnd(): void {
    this.#link?.unbind()
    this.#refused?.finish()
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#link?.unbind()
    this.#outcome.fail(this.#link?.reason ?? error)
    this.#refused?.fail(error)
  }

  #succeed(data: Omit<TunnelData<Opaque>, 'opaque'>): void {
    this.#outcome.succeed({ ...data, opaque: (this.#options.opaque ?? null) as Opaque })
  }
}

/** Stands for the socket of a refused CONNECT: reads as the body of the refusal, and drops what is written. */
function socketOver(body: BodyReadable): Duplex {
  let reading = false
  const options = unpollutedRequest<DuplexOptions>({
    read() {
      if (reading) return void body.resume()
      reading = true
      body.on('data', (chunk) => {
        if (!socket.push(chunk)) body.pause()
      })
      body.on('end', () => socket.push(null))
    },
    write: (_chunk, _encoding, done) => done(),
    destroy(error, done) {
      body.destroy()
      // As with any body: one that breaks off must not end the process of a caller who listens for no error.
      done(socket.listenerCount('error') > 0 ? error : null)
    },
  })
  const socket: Duplex = new (builtinModule('node:stream').Duplex)(options)
  // As of a body: what Node joins is of its pool.
  const read = socket.read
  socket.read = (size?: number) => unpooledChunk(read.call(socket, size))
  body.on('error', (error) => socket.destroy(streamError(error)))
  return socket
}

/** The peer may reset a socket before its new owner could listen, which must not end the process. */
function ignoreErrorsUntilHeard(socket: Duplex): void {
  const ignore = () => {}
  const yieldTo = (event: string | symbol) => {
    if (event === 'error') socket.off('newListener', yieldTo).off('error', ignore)
  }
  socket.on('error', ignore).on('newListener', yieldTo)
}

/** For a callback that threw. */
export function closeSocket({ socket }: TunnelData<unknown>): void {
  socket.destroy()
}

/** Dispatches a request that is to end with a socket. */
export function openTunnel<Opaque, Options extends TunnelOptions<Opaque>>(
  target: DispatchTarget,
  request: { given: Options; dispatch: (options: Options) => DispatchInput; refuse: Refusal },
  outcome: Outcome<TunnelData<Opaque>>,
): void {
  let handler: TunnelHandler<Opaque> | null = null
  try {
    requireObject('options', request.given)
    const options = unpollutedRequest(request.given)
    refuseOtherDispatcher(target, options)
    const dispatched = request.dispatch(options)
    handler = new TunnelHandler<Opaque>(options, outcome, request.refuse)
    if (handler.abortReason !== null) outcome.fail(handler.abortReason)
    else target.dispatch(dispatched, handler)
  } catch (error) {
    handler?.release()
    outcome.fail(error as Error)
  }
}

export function promiseOf<Data>(start: (outcome: Outcome<Data>) => void): Promise<Data> {
  return new Promise((resolve, reject) => start(new Outcome(resolve, reject)))
}
