import type { Duplex, DuplexOptions } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { unpooledChunk } from '../base/unpooled-memory.js'
import { reportUncaught } from '../base/user-code.js'
import { requireObject } from '../errors/option-checks.js'
import { markSluiceOwned } from '../errors.js'
import { streamError } from '../exchange/abort-errors.js'
import { closeUnsentBody } from '../exchange/body-owner.js'
import type { IncomingHttpHeaders } from '../exchange/documented.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import { BodyReadable } from './body.js'
import { sourceOf } from './body-source.js'
import { type DispatchTarget, Outcome, refuseOtherDispatcher } from './dispatch-target.js'
import type { UnlessErased } from './documented.js'
import { headersFor } from './request.js'
import { AbortLink, type SignalInput } from './signal.js'

/** Options that `connect` and `upgrade` have in common. Source: undici's `Dispatcher.md`. */
export interface TunnelOptions<Opaque = null> {
  /** Value that is copied to the result. Default: null. */
  opaque?: Opaque
  /** Aborts the request with the signal's reason. Default: none. */
  signal?: UnlessErased<Opaque, SignalInput>
  /** `raw` returns the headers as a flat array: name, value, name, value, … Default: an object. */
  responseHeaders?: 'raw' | null
}

/** Result of `connect` and `upgrade`. */
export interface TunnelData<Opaque> {
  /** Status code of the response. */
  statusCode: number
  /** Response headers by lower-case name; a flat array with `responseHeaders: 'raw'`. */
  headers: IncomingHttpHeaders
  /** Socket of the connection, owned by the caller. If CONNECT was refused: a stream of the response body. */
  socket: Duplex
  /** Value of the option `opaque`; null without one. */
  opaque: Opaque
}

/** Returns the error for a final response that opens no tunnel; null if the caller receives the response. */
export type Refusal = (statusCode: number) => Error | null

/** Handler of CONNECT and upgrade requests, which result in a socket. */
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

  /** Aborts the request for its signal, which may fire before the request has a controller. */
  abort(reason: unknown): void {
    this.#controller?.abort(reason as Error)
    // A controller of another library may report no error.
    this.#outcome.fail(reason)
    this.#refused?.cancel(reason)
  }

  get abortReason(): unknown {
    return this.#link?.reason ?? null
  }

  /** Removes the listener from the signal: no callback will follow. */
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
    ignoreErrorsUntilListener(socket)
    this.#succeed({ statusCode, headers: headersFor(this.#options, controller, headers), socket })
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: IncomingHeaders): void {
    if (statusCode < 200) return
    const error = this.#refuse(statusCode)
    if (error !== null) {
      this.#link?.unbind()
      // First, because the controller may belong to an interceptor that reports no error.
      this.#outcome.fail(markSluiceOwned(error))
      return controller.abort(error)
    }
    const refused = new BodyReadable(sourceOf(controller))
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
    const reason = this.abortReason ?? error
    if (!this.#outcome.fail(reason) && !this.#refused?.fail(reason)) reportThrown(error)
  }

  #succeed(data: Omit<TunnelData<Opaque>, 'opaque'>): void {
    this.#outcome.succeed({ ...data, opaque: (this.#options.opaque ?? null) as Opaque })
  }
}

/** Returns a Duplex instead of the socket of a refused CONNECT: it yields the response body and discards writes. */
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
      // As with any body, an error without an `error` listener must not end the process.
      done(socket.listenerCount('error') > 0 ? error : null)
    },
  })
  const socket: Duplex = new (builtinModule('node:stream').Duplex)(options)
  // Node joins chunks in pooled memory, which must not be transferred.
  const read = socket.read
  socket.read = (size?: number) => unpooledChunk(read.call(socket, size))
  body.on('error', (error) => socket.destroy(streamError(error)))
  return socket
}

/** Ignores socket errors until the new owner adds an `error` listener: an early reset must not end the process. */
function ignoreErrorsUntilListener(socket: Duplex): void {
  const ignore = () => {}
  const stopOnListener = (event: string | symbol) => {
    if (event === 'error') socket.off('newListener', stopOnListener).off('error', ignore)
  }
  socket.on('error', ignore).on('newListener', stopOnListener)
}

/** Closes the socket of a result whose callback threw. */
export function closeSocket({ socket }: TunnelData<unknown>): void {
  socket.destroy()
}

/** Dispatches a CONNECT or upgrade request. */
export function openTunnel<Opaque, Options extends TunnelOptions<Opaque>>(
  target: DispatchTarget,
  request: { given: Options; dispatch: (options: Options) => DispatchInput; refuse: Refusal },
  outcome: Outcome<TunnelData<Opaque>>,
): void {
  let handler: TunnelHandler<Opaque> | null = null
  let own: Options | null = null
  try {
    requireObject('options', request.given)
    own = unpollutedRequest(request.given)
    refuseOtherDispatcher(target, own)
    const dispatched = request.dispatch(own)
    handler = new TunnelHandler<Opaque>(own, outcome, request.refuse)
    if (handler.abortReason !== null) throw handler.abortReason
    target.dispatch(dispatched, handler)
  } catch (error) {
    handler?.release()
    closeUnsentBody(own, error as Error)
    // An interceptor may throw after it has answered the request.
    if (!outcome.fail(handler?.abortReason ?? error)) reportUncaught(error)
  }
}

/** Returns a promise for the {@link Outcome} that `start` receives. */
export function promiseOf<Data>(start: (outcome: Outcome<Data>) => void): Promise<Data> {
  return new Promise((resolve, reject) => start(new Outcome(resolve, reject)))
}
