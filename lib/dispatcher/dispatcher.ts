import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { connect } from '../api/connect.js'
import type * as api from '../api/documented.js'
import { type PipelineOptions, pipeline } from '../api/pipeline.js'
import { type RequestOptions, request, type Timed } from '../api/request.js'
import { stream } from '../api/stream.js'
import { type UpgradeOptions, upgrade } from '../api/upgrade.js'
import { type InspectArguments, inspectSymbol } from '../base/inspect-symbol.js'
import { NotSupportedError, type UndiciError } from '../errors.js'
import type * as exchange from '../exchange/documented.js'
import type { LegacyDispatchHandler } from '../exchange/handler.js'
import { dispatchThrough, withDispatch } from './composed.js'
import { coreOf } from './dispatcher-core.js'
import { inspectTree, lineOf } from './inspect.js'

/**
 * Parameter and result of overloads that exist for type compatibility only. They take `never`, so they can not be
 * called; but they make sluice dispatchers assignable to undici's types and to those of Node's `fetch`, which differ in
 * details.
 */
// biome-ignore lint/suspicious/noExplicitAny: no other type fits undici's declaration and that of Node's types
export type UndiciCompatible = any
type Callback<Data> = (error: Error | null, data: Data) => void
/** Function that sends a request: `dispatch` of a dispatcher, or of an interceptor around it. */
export type Dispatch = Dispatcher.Dispatch
/** Interceptor: wraps a `dispatch` function. */
export type DispatchInterceptor = Dispatcher.DispatcherComposeInterceptor

/**
 * Base class of all clients and pools, and of dispatchers of your own, which must implement `dispatch`. Emits `connect
 * (origin, targets)`, `disconnect (origin, targets, error)`, `connectionError (origin, targets, error)` and `drain
 * (origin)`. Source: undici's `Dispatcher.md`.
 */
export class Dispatcher extends EventEmitter {
  /**
   * Sends a request and notifies `handler` of its events. Invalid options are reported to the handler too.
   * @returns false if the dispatcher is busy: exactly one `drain` follows
   * @throws {InvalidArgumentError} the handler is invalid
   * @throws {NotSupportedError} the subclass does not implement `dispatch`
   * @example
   * client.dispatch({ path: '/', method: 'GET' }, {
   *   onResponseStart: (controller, statusCode) => console.log(statusCode),
   *   onResponseData: (controller, chunk) => process.stdout.write(chunk),
   *   onResponseEnd: () => console.log('end'),
   *   onResponseError: (controller, error) => console.error(error),
   * })
   */
  dispatch(_options: exchange.DispatchOptions, _handler: exchange.DispatchHandler): boolean {
    throw notImplemented('dispatch')
  }

  /**
   * Closes the dispatcher: accepts no more requests, and finishes when all requests have completed.
   * @throws {NotSupportedError} the subclass does not implement `close`
   */
  close(): Promise<void>
  close(callback: () => void): void
  close(): Promise<void>
  close(_callback?: () => void): Promise<void> | void {
    throw notImplemented('close')
  }

  /**
   * Fails all requests with `error` (default: `ClientDestroyedError`), and finishes when all sockets are closed.
   * @throws {NotSupportedError} the subclass does not implement `destroy`
   */
  destroy(error?: Error | null): Promise<void>
  destroy(callback: () => void): void
  destroy(error: Error | null, callback: () => void): void
  destroy(error?: Error | null): Promise<void>
  destroy(_error?: Error | null | (() => void), _callback?: () => void): Promise<void> | void {
    throw notImplemented('destroy')
  }

  /**
   * Sends a request. Resolves with status, headers and the body as a stream when the response headers are received.
   * @throws {Error} by rejection: the request failed before that
   * @example
   * const { statusCode, headers, body } = await client.request({ path: '/', method: 'GET' })
   * console.log(statusCode, headers['content-type'], await body.text())
   */
  request<Opaque = null>(options: RequestOptions<Opaque>): Promise<api.ResponseData<Opaque> & Timed>
  /** Sends a request and calls back with its result. */
  request<Opaque = null>(options: RequestOptions<Opaque>, callback: Callback<api.ResponseData<Opaque>>): void
  request(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** Repeats the first overload: `ReturnType` reads the last one. */
  request<Opaque = null>(options: RequestOptions<Opaque>): Promise<api.ResponseData<Opaque> & Timed>
  request<Opaque>(
    options: RequestOptions<Opaque>,
    callback?: Callback<api.ResponseData<Opaque>>,
  ): Promise<api.ResponseData<Opaque>> | void {
    return callback === undefined ? request(this, options) : request(this, options, callback)
  }

  /**
   * Sends a request and writes its response body into the stream that `factory` returns. Resolves at the end of the
   * body.
   * @example
   * await client.stream({ path: '/', method: 'GET' }, () => createWriteStream('page.html'))
   */
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: api.StreamFactory<Opaque>,
  ): Promise<api.StreamData<Opaque>>
  /** Sends a request, writes its response body into the stream that `factory` returns, and calls back at the end. */
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: api.StreamFactory<Opaque>,
    callback: Callback<api.StreamData<Opaque>>,
  ): void
  stream(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** Repeats the first overload: `ReturnType` reads the last one. */
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

  /**
   * Returns a Duplex: its writable side is the request body, its readable side is the stream that `handler` returns.
   * @throws {InvalidArgumentError} an option or the handler is invalid
   * @example
   * source.pipe(client.pipeline({ path: '/', method: 'POST' }, ({ body }) => body)).pipe(destination)
   */
  pipeline<Opaque = null>(options: PipelineOptions<Opaque>, handler: api.PipelineHandler<Opaque>): Duplex
  pipeline(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** Repeats the first overload: `ReturnType` reads the last one. */
  pipeline<Opaque = null>(options: PipelineOptions<Opaque>, handler: api.PipelineHandler<Opaque>): Duplex
  pipeline<Opaque>(options: PipelineOptions<Opaque>, handler: api.PipelineHandler<Opaque>): Duplex {
    return pipeline(this, options, handler)
  }

  /**
   * Opens a tunnel by CONNECT. Resolves with its socket.
   * @example
   * const { statusCode, socket } = await client.connect({ path: 'example.com:443' })
   */
  connect<Opaque = null>(options: api.ConnectOptions<Opaque>): Promise<api.ConnectData<Opaque>>
  /** Opens a tunnel by CONNECT and calls back with its socket. */
  connect<Opaque = null>(options: api.ConnectOptions<Opaque>, callback: Callback<api.ConnectData<Opaque>>): void
  connect(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** Repeats the first overload: `ReturnType` reads the last one. */
  connect<Opaque = null>(options: api.ConnectOptions<Opaque>): Promise<api.ConnectData<Opaque>>
  connect<Opaque>(
    options: api.ConnectOptions<Opaque>,
    callback?: Callback<api.ConnectData<Opaque>>,
  ): Promise<api.ConnectData<Opaque>> | void {
    return callback === undefined ? connect(this, options) : connect(this, options, callback)
  }

  /**
   * Upgrades a connection to another protocol (RFC 9110 §7.8). Resolves with its socket.
   * @example
   * const { headers, socket } = await client.upgrade({ path: '/chat', protocol: 'websocket' })
   */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>): Promise<api.UpgradeData<Opaque>>
  /** Upgrades a connection to another protocol and calls back with its socket. */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>, callback: Callback<api.UpgradeData<Opaque>>): void
  upgrade(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  /** Repeats the first overload: `ReturnType` reads the last one. */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>): Promise<api.UpgradeData<Opaque>>
  upgrade<Opaque>(
    options: UpgradeOptions<Opaque>,
    callback?: Callback<api.UpgradeData<Opaque>>,
  ): Promise<api.UpgradeData<Opaque>> | void {
    return callback === undefined ? upgrade(this, options) : upgrade(this, options, callback)
  }

  /**
   * Returns a dispatcher that sends through `interceptors`, the last one outermost. It has the class, events, methods
   * and properties of this dispatcher, and methods of a subclass send through the interceptors too. Ignores
   * interceptors that are null or undefined.
   * @throws {InvalidArgumentError} an interceptor is not a function, or does not return one
   * @example
   * const client = new Client('http://localhost:3000').compose(interceptors.retry(), interceptors.redirect())
   */
  compose(...interceptors: (DispatchInterceptor | readonly DispatchInterceptor[])[]): this {
    return withDispatch(this, dispatchThrough(this, interceptors.flat()))
  }

  /** Describes a dispatcher of this library in one line: origin, options that differ from the defaults, and counters. */
  override toString(): string {
    const core = coreOf(this)
    return core === null ? super.toString() : lineOf(this, core)
  }

  /** @internal Describes a dispatcher of this library for `util.inspect`; others keep the description by Node.js. */
  [inspectSymbol](...given: InspectArguments): unknown {
    const core = coreOf(this)
    return core === null ? this : inspectTree(lineOf(this, core), core.children(), given)
  }
}

/** Listener for `connect`. */
export type ConnectListener = (origin: URL, targets: readonly Dispatcher[]) => void
/** Listener for `disconnect` and `connectionError`. */
export type ErrorListener = (origin: URL, targets: readonly Dispatcher[], error: UndiciError) => void
/** Listener for `drain`. */
export type DrainListener = (origin: URL, targets?: readonly Dispatcher[]) => void
type EventName = 'connect' | 'disconnect' | 'connectionError' | 'drain'
// biome-ignore lint/suspicious/noExplicitAny: parameters of returned listeners: only `any` makes the result assignable to undici's types
type AnyListener = (...values: any[]) => void

/** Event methods of a dispatcher, typed by event name. */
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

/** Types that undici documents under these names. */
export declare namespace Dispatcher {
  /** Dispatcher with interceptors. Optional members exist if the dispatcher below has them. */
  export interface ComposedDispatcher extends Dispatcher {
    readonly closed?: boolean
    readonly destroyed?: boolean
    readonly stats?: unknown
    inspect?(): string
  }
  /** Function that sends a request: `dispatch` of a dispatcher, or of an interceptor around it. */
  export type Dispatch = Dispatcher['dispatch']
  /** Interceptor: wraps a `dispatch` function. */
  export type DispatcherComposeInterceptor = (dispatch: Dispatch) => Dispatch
  /** Interceptor: wraps a `dispatch` function. */
  export type DispatchInterceptor = (dispatch: Dispatch) => Dispatch
  export type HttpMethod = exchange.HttpMethod
  export type DispatchOptions = exchange.DispatchOptions
  export type DispatchController = exchange.DispatchController
  export type DispatchHandler = exchange.DispatchHandler
  /** Handler with the callbacks of both generations: current and legacy. */
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
