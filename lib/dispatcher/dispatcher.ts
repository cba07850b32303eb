import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { connect } from '../api/connect.js'
import type * as api from '../api/documented.js'
import { type PipelineOptions, pipeline } from '../api/pipeline.js'
import { type RequestOptions, request, type Timed } from '../api/request.js'
import { stream } from '../api/stream.js'
import { type UpgradeOptions, upgrade } from '../api/upgrade.js'
import { NotSupportedError, type UndiciError } from '../errors.js'
import type * as exchange from '../exchange/documented.js'
import type { LegacyDispatchHandler } from '../exchange/handler.js'
import { dispatchThrough, withDispatch } from './composed.js'

/**
 * What a method takes and results in by other declarations. Nobody can call an overload that takes `never`, but by it a
 * dispatcher of ours is one to undici, and to Node's `fetch`, whose declarations differ in details.
 */
// biome-ignore lint/suspicious/noExplicitAny: it is not ours to say
export type UndiciCompatible = any
type Callback<Data> = (error: Error | null, data: Data) => void
/** How a request is sent: `dispatch` of a dispatcher, or what an interceptor makes of it. */
export type Dispatch = Dispatcher.Dispatch
/** Wraps the way requests are sent. */
export type DispatchInterceptor = Dispatcher.DispatcherComposeInterceptor

/**
 * What all clients and pools have in common, and what dispatchers of others start from: those bring at least a
 * `dispatch`. Events: `connect (origin, targets)`, `disconnect (origin, targets, error)`, `connectionError (origin,
 * targets, error)`, `drain (origin)`. Source: undici's `Dispatcher.md`.
 */
export class Dispatcher extends EventEmitter {
  /**
   * Sends a request and notifies `handler` of all that happens, bad options included.
   * @returns false when the dispatcher is busy: exactly one `drain` follows
   * @throws {InvalidArgumentError} the handler is not usable
   * @throws {NotSupportedError} the dispatcher has no `dispatch` of its own
   */
  dispatch(_options: exchange.DispatchOptions, _handler: exchange.DispatchHandler): boolean {
    throw notImplemented('dispatch')
  }

  /**
   * Takes no more requests, and ends when those under way have ended.
   * @throws {NotSupportedError} the dispatcher has no `close` of its own
   */
  close(callback: () => void): void
  close(): Promise<void>
  close(_callback?: () => void): Promise<void> | void {
    throw notImplemented('close')
  }

  /**
   * Fails all requests with `error` (default: `ClientDestroyedError`), and ends when the sockets are closed.
   * @throws {NotSupportedError} the dispatcher has no `destroy` of its own
   */
  destroy(callback: () => void): void
  destroy(error: Error | null, callback: () => void): void
  destroy(error?: Error | null): Promise<void>
  destroy(_error?: Error | null | (() => void), _callback?: () => void): Promise<void> | void {
    throw notImplemented('destroy')
  }

  request(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** {@link request}, told by a callback. */
  request<Opaque = null>(options: RequestOptions<Opaque>, callback: Callback<api.ResponseData<Opaque>>): void
  /** Sends a request; the result has status, headers and the body as a stream. */
  request<Opaque = null>(options: RequestOptions<Opaque>): Promise<api.ResponseData<Opaque> & Timed>
  request<Opaque>(
    options: RequestOptions<Opaque>,
    callback?: Callback<api.ResponseData<Opaque>>,
  ): Promise<api.ResponseData<Opaque>> | void {
    return callback === undefined ? request(this, options) : request(this, options, callback)
  }

  stream(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** {@link stream}, told by a callback. */
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: api.StreamFactory<Opaque>,
    callback: Callback<api.StreamData<Opaque>>,
  ): void
  /** Sends a request and writes the body of its response into the stream that `factory` returns. */
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: api.StreamFactory<Opaque>,
  ): Promise<api.StreamData<Opaque>>
  stream<Opaque>(
    options: RequestOptions<Opaque>,
    factory: api.StreamFactory<Opaque>,
    callback?: Callback<api.StreamData<Opaque>>,
  ): Promise<api.StreamData<Opaque>> | void {
    return stream(this, { options, factory }, callback)
  }

  pipeline(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /**
   * A duplex whose writable side is the request body and whose readable side is what `handler` returns.
   * @throws {InvalidArgumentError} an option or the handler is not what is documented
   */
  pipeline<Opaque = null>(options: PipelineOptions<Opaque>, handler: api.PipelineHandler<Opaque>): Duplex
  pipeline<Opaque>(options: PipelineOptions<Opaque>, handler: api.PipelineHandler<Opaque>): Duplex {
    return pipeline(this, options, handler)
  }

  connect(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** {@link connect}, told by a callback. */
  connect<Opaque = null>(options: api.ConnectOptions<Opaque>, callback: Callback<api.ConnectData<Opaque>>): void
  /** Opens a tunnel by CONNECT. */
  connect<Opaque = null>(options: api.ConnectOptions<Opaque>): Promise<api.ConnectData<Opaque>>
  connect<Opaque>(
    options: api.ConnectOptions<Opaque>,
    callback?: Callback<api.ConnectData<Opaque>>,
  ): Promise<api.ConnectData<Opaque>> | void {
    return callback === undefined ? connect(this, options) : connect(this, options, callback)
  }

  upgrade(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** {@link upgrade}, told by a callback. */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>, callback: Callback<api.UpgradeData<Opaque>>): void
  /** Changes the protocol of a connection (RFC 9110 §7.8). */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>): Promise<api.UpgradeData<Opaque>>
  upgrade<Opaque>(
    options: UpgradeOptions<Opaque>,
    callback?: Callback<api.UpgradeData<Opaque>>,
  ): Promise<api.UpgradeData<Opaque>> | void {
    return callback === undefined ? upgrade(this, options) : upgrade(this, options, callback)
  }

  /**
   * A dispatcher that sends through `interceptors`, the last one outermost, and is this one in all else: its class, its
   * events, its methods and properties. What a method of a subclass sends goes through them too. One that is null or
   * undefined is left out.
   * @throws {InvalidArgumentError} an interceptor that is no function, or returns none
   */
  compose(...interceptors: (DispatchInterceptor | readonly DispatchInterceptor[])[]): this {
    return withDispatch(this, dispatchThrough(this, interceptors.flat()))
  }
}

export type ConnectListener = (origin: URL, targets: readonly Dispatcher[]) => void
export type ErrorListener = (origin: URL, targets: readonly Dispatcher[], error: UndiciError) => void
export type DrainListener = (origin: URL, targets?: readonly Dispatcher[]) => void
type EventName = 'connect' | 'disconnect' | 'connectionError' | 'drain'
// biome-ignore lint/suspicious/noExplicitAny: compared strictly, as results are, ours would fit nowhere but here
type AnyListener = (...values: any[]) => void

/** The events of an EventEmitter, by name. */
export interface Dispatcher {
  on(event: 'connect', listener: ConnectListener): this
  on(event: 'disconnect', listener: ErrorListener): this
  on(event: 'connectionError', listener: ErrorListener): this
  on(event: 'drain', listener: DrainListener): this
  once(event: 'connect', listener: ConnectListener): this
  once(event: 'disconnect', listener: ErrorListener): this
  once(event: 'connectionError', listener: ErrorListener): this
  once(event: 'drain', listener: DrainListener): this
  off(event: 'connect', listener: ConnectListener): this
  off(event: 'disconnect', listener: ErrorListener): this
  off(event: 'connectionError', listener: ErrorListener): this
  off(event: 'drain', listener: DrainListener): this
  addListener(event: 'connect', listener: ConnectListener): this
  addListener(event: 'disconnect', listener: ErrorListener): this
  addListener(event: 'connectionError', listener: ErrorListener): this
  addListener(event: 'drain', listener: DrainListener): this
  removeListener(event: 'connect', listener: ConnectListener): this
  removeListener(event: 'disconnect', listener: ErrorListener): this
  removeListener(event: 'connectionError', listener: ErrorListener): this
  removeListener(event: 'drain', listener: DrainListener): this
  prependListener(event: 'connect', listener: ConnectListener): this
  prependListener(event: 'disconnect', listener: ErrorListener): this
  prependListener(event: 'connectionError', listener: ErrorListener): this
  prependListener(event: 'drain', listener: DrainListener): this
  prependOnceListener(event: 'connect', listener: ConnectListener): this
  prependOnceListener(event: 'disconnect', listener: ErrorListener): this
  prependOnceListener(event: 'connectionError', listener: ErrorListener): this
  prependOnceListener(event: 'drain', listener: DrainListener): this
  listeners(event: EventName): AnyListener[]
  rawListeners(event: EventName): AnyListener[]
  emit(event: 'connect', origin: URL, targets: readonly Dispatcher[]): boolean
  emit(event: 'disconnect', origin: URL, targets: readonly Dispatcher[], error: Error): boolean
  emit(event: 'connectionError', origin: URL, targets: readonly Dispatcher[], error: Error): boolean
  emit(event: 'drain', origin: URL, targets?: readonly Dispatcher[]): boolean
}

/** The types that undici documents, under the same names. */
export declare namespace Dispatcher {
  /** A dispatcher seen through interceptors; what it has beside is there when it is there beneath. */
  export interface ComposedDispatcher extends Dispatcher {
    readonly closed?: boolean
    readonly destroyed?: boolean
    readonly stats?: unknown
    inspect?(): string
  }
  /** How a request is sent: `dispatch` of a dispatcher, or what an interceptor makes of it. */
  export type Dispatch = Dispatcher['dispatch']
  /** Wraps the way requests are sent. */
  export type DispatcherComposeInterceptor = (dispatch: Dispatch) => Dispatch
  /** Wraps the way requests are sent. */
  export type DispatchInterceptor = (dispatch: Dispatch) => Dispatch
  export type HttpMethod = exchange.HttpMethod
  export type DispatchOptions = exchange.DispatchOptions
  export type DispatchController = exchange.DispatchController
  export type DispatchHandler = exchange.DispatchHandler
  /** The callbacks of one request, of both generations. */
  export type DispatchHandlers = exchange.DispatchHandler & LegacyDispatchHandler
  export type RequestOptions<TOpaque = null> = api.RequestOptions<TOpaque>
  export type ResponseData<TOpaque = null> = api.ResponseData<TOpaque>
  export type BodyMixin = api.BodyMixin
  export type StreamFactory<TOpaque = null> = api.StreamFactory<TOpaque>
  export type StreamFactoryData<TOpaque = null> = api.StreamFactoryData<TOpaque>
  export type StreamData<TOpaque = null> = api.StreamData<TOpaque>
  export type PipelineOptions<TOpaque = null> = api.PipelineOptions<TOpaque>
  export type PipelineHandler<TOpaque = null> = api.PipelineHandler<TOpaque>
  export type PipelineHandlerData<TOpaque = null> = api.PipelineHandlerData<TOpaque>
  export type ConnectOptions<TOpaque = null> = api.ConnectOptions<TOpaque>
  export type ConnectData<TOpaque = null> = api.ConnectData<TOpaque>
  export type UpgradeOptions = api.UpgradeOptions
  export type UpgradeData<TOpaque = null> = api.UpgradeData<TOpaque>
}

function notImplemented(method: string): Error {
  return new NotSupportedError(`${method}() is not implemented: a subclass of Dispatcher must override it`)
}
