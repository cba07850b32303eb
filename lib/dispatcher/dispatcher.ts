import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { type ConnectData, type ConnectOptions, connect } from '../api/connect.js'
import { type PipelineHandler, type PipelineOptions, pipeline } from '../api/pipeline.js'
import { type RequestOptions, type ResponseData, request } from '../api/request.js'
import { type StreamData, type StreamFactory, stream } from '../api/stream.js'
import { type UpgradeData, type UpgradeOptions, upgrade } from '../api/upgrade.js'
import { invalidOption } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'

type Callback<Data> = (error: Error | null, data: Data) => void
export type Dispatch = (options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler) => boolean
/** Wraps the way requests are sent. */
export type DispatchInterceptor = (dispatch: Dispatch) => Dispatch

/**
 * What all clients and pools have in common. Events: `connect (origin, targets)`, `disconnect (origin, targets,
 * error)`, `connectionError (origin, targets, error)`, `drain (origin)`. Source: undici's `Dispatcher.md`.
 */
export abstract class Dispatcher extends EventEmitter {
  /**
   * Sends a request and tells `handler` of all that happens.
   * @returns false when the dispatcher is busy: exactly one `drain` follows
   * @throws {InvalidArgumentError} an option or the handler is not what is documented
   */
  abstract dispatch(options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler): boolean

  /** Takes no more requests, and ends when those under way have ended. */
  abstract close(): Promise<void>
  abstract close(callback: () => void): void

  /** Fails all requests with `error` (default: `ClientDestroyedError`), and ends when the sockets are closed. */
  abstract destroy(error?: Error | null): Promise<void>
  abstract destroy(callback: () => void): void
  abstract destroy(error: Error | null, callback: () => void): void

  /** Sends a request; the result has status, headers and the body as a stream. */
  request<Opaque = null>(options: RequestOptions<Opaque>): Promise<ResponseData<Opaque>>
  request<Opaque = null>(options: RequestOptions<Opaque>, callback: Callback<ResponseData<Opaque>>): void
  request<Opaque = null>(
    options: RequestOptions<Opaque>,
    callback?: Callback<ResponseData<Opaque>>,
  ): Promise<ResponseData<Opaque>> | void {
    return callback === undefined ? request(this, options) : request(this, options, callback)
  }

  /** Sends a request and writes the body of its response into the stream that `factory` returns. */
  stream<Opaque = null>(options: RequestOptions<Opaque>, factory: StreamFactory<Opaque>): Promise<StreamData<Opaque>>
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: StreamFactory<Opaque>,
    callback: Callback<StreamData<Opaque>>,
  ): void
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: StreamFactory<Opaque>,
    callback?: Callback<StreamData<Opaque>>,
  ): Promise<StreamData<Opaque>> | void {
    return stream(this, { options, factory }, callback)
  }

  /** A duplex whose writable side is the request body and whose readable side is what `handler` returns. */
  pipeline<Opaque = null>(options: PipelineOptions<Opaque>, handler: PipelineHandler<Opaque>): Duplex {
    return pipeline(this, options, handler)
  }

  /** Opens a tunnel by CONNECT. */
  connect<Opaque = null>(options: ConnectOptions<Opaque>): Promise<ConnectData<Opaque>>
  connect<Opaque = null>(options: ConnectOptions<Opaque>, callback: Callback<ConnectData<Opaque>>): void
  connect<Opaque = null>(
    options: ConnectOptions<Opaque>,
    callback?: Callback<ConnectData<Opaque>>,
  ): Promise<ConnectData<Opaque>> | void {
    return callback === undefined ? connect(this, options) : connect(this, options, callback)
  }

  /** Changes the protocol of a connection (RFC 9110 §7.8). */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>): Promise<UpgradeData<Opaque>>
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>, callback: Callback<UpgradeData<Opaque>>): void
  upgrade<Opaque = null>(
    options: UpgradeOptions<Opaque>,
    callback?: Callback<UpgradeData<Opaque>>,
  ): Promise<UpgradeData<Opaque>> | void {
    return callback === undefined ? upgrade(this, options) : upgrade(this, options, callback)
  }

  /**
   * A dispatcher that sends through `interceptors`, the last one outermost, and is this one in all else.
   * @throws {InvalidArgumentError} an interceptor that is no function, or returns none
   */
  compose(...interceptors: (DispatchInterceptor | readonly DispatchInterceptor[])[]): ComposedDispatcher {
    let dispatch: Dispatch = (options, handler) => this.dispatch(options, handler)
    for (const interceptor of interceptors.flat() as DispatchInterceptor[]) {
      if (typeof interceptor !== 'function') throw invalidOption('interceptor', 'a function', interceptor)
      dispatch = interceptor(dispatch)
      if (typeof dispatch !== 'function') throw invalidOption('what an interceptor returns', 'a function', dispatch)
    }
    return new ComposedDispatcher(this, dispatch)
  }
}

/** A dispatcher seen through interceptors: its own way to dispatch, the base's everything else. */
export class ComposedDispatcher extends Dispatcher {
  /** What it was composed from. */
  readonly base: Dispatcher
  readonly #dispatch: Dispatch

  constructor(base: Dispatcher, dispatch: Dispatch) {
    super()
    this.base = base
    this.#dispatch = dispatch
  }

  get closed(): boolean {
    return (this.base as ComposedDispatcher).closed
  }

  get destroyed(): boolean {
    return (this.base as ComposedDispatcher).destroyed
  }

  get stats(): unknown {
    return (this.base as ComposedDispatcher).stats
  }

  override dispatch(options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    return this.#dispatch(options, handler)
  }

  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    return callback === undefined ? this.base.close() : this.base.close(callback)
  }

  override destroy(error?: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    if (typeof error === 'function') return this.base.destroy(error)
    return callback === undefined ? this.base.destroy(error) : this.base.destroy(error ?? null, callback)
  }

  // Events are the base's: whoever listens here listens there.

  override on(event: string, listener: (...values: never[]) => void): this {
    this.base.on(event, listener as () => void)
    return this
  }

  override once(event: string, listener: (...values: never[]) => void): this {
    this.base.once(event, listener as () => void)
    return this
  }

  override off(event: string, listener: (...values: never[]) => void): this {
    this.base.off(event, listener as () => void)
    return this
  }

  override addListener(event: string, listener: (...values: never[]) => void): this {
    return this.on(event, listener)
  }

  override removeListener(event: string, listener: (...values: never[]) => void): this {
    return this.off(event, listener)
  }

  override listenerCount(event: string): number {
    return this.base.listenerCount(event)
  }

  override emit(event: string, ...values: unknown[]): boolean {
    return this.base.emit(event, ...values)
  }
}
