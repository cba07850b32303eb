import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { type ConnectInput, type ConnectOptions, connect } from '../api/connect.js'
import type { Callback } from '../api/dispatch-target.js'
import type {
  BodyMixin,
  ConnectData,
  PipelineHandler,
  PipelineHandlerData,
  ResponseData,
  StreamData,
  StreamFactory,
  StreamFactoryData,
  UpgradeData,
} from '../api/documented.js'
import { type PipelineOptions, pipeline } from '../api/pipeline.js'
import { type RequestOptions, request } from '../api/request.js'
import { stream } from '../api/stream.js'
import { type UpgradeOptions, upgrade } from '../api/upgrade.js'
import { type InspectArguments, inspectSymbol } from '../base/inspect-symbol.js'
import { atCaller, markArgumentError } from '../errors/caller.js'
import { NotSupportedError, type UndiciError } from '../errors.js'
import type { DispatchController, DispatchHandler, DispatchOptions, HttpMethod } from '../exchange/documented.js'
import type { LegacyDispatchHandler } from '../exchange/handler.js'
import { dispatchThrough, withDispatch } from './composed.js'
import { coreOf } from './dispatcher-core.js'
import { inspectTree, lineOf } from './inspect.js'

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
  dispatch(_options: DispatchOptions, _handler: DispatchHandler): boolean {
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
  request<Opaque = null>(options: RequestOptions<Opaque>): Promise<ResponseData<Opaque>>
  /** Sends a request and calls back with its result. */
  request<Opaque = null>(options: RequestOptions<Opaque>, callback: Callback<ResponseData<Opaque>>): void
  /** Repeats the first overload: `ReturnType` reads the last one. */
  request<Opaque = null>(options: RequestOptions<Opaque>): Promise<ResponseData<Opaque>>
  request<Opaque>(
    options: RequestOptions<Opaque>,
    callback?: Callback<ResponseData<Opaque>>,
  ): Promise<ResponseData<Opaque>> | void {
    return callback === undefined ? request(this, options) : request(this, options, callback)
  }

  /**
   * Sends a request and writes its response body into the stream that `factory` returns. Resolves at the end of the
   * body.
   * @example
   * await client.stream({ path: '/', method: 'GET' }, () => createWriteStream('page.html'))
   */
  stream<Opaque = null>(options: RequestOptions<Opaque>, factory: StreamFactory<Opaque>): Promise<StreamData<Opaque>>
  /** Sends a request, writes its response body into the stream that `factory` returns, and calls back at the end. */
  stream<Opaque = null>(
    options: RequestOptions<Opaque>,
    factory: StreamFactory<Opaque>,
    callback: Callback<StreamData<Opaque>>,
  ): void
  /** Repeats the first overload: `ReturnType` reads the last one. */
  stream<Opaque = null>(options: RequestOptions<Opaque>, factory: StreamFactory<Opaque>): Promise<StreamData<Opaque>>
  stream<Opaque>(
    options: RequestOptions<Opaque>,
    factory: StreamFactory<Opaque>,
    callback?: Callback<StreamData<Opaque>>,
  ): Promise<StreamData<Opaque>> | void {
    return stream(this, { options, factory }, callback)
  }

  /**
   * Returns a Duplex: its writable side is the request body, its readable side is the stream that `handler` returns.
   * @throws {InvalidArgumentError} an option or the handler is invalid
   * @example
   * source.pipe(client.pipeline({ path: '/', method: 'POST' }, ({ body }) => body)).pipe(destination)
   */
  pipeline<Opaque = null>(options: PipelineOptions<Opaque>, handler: PipelineHandler<Opaque>): Duplex
  /** Repeats the first overload: `ReturnType` reads the last one. */
  pipeline<Opaque = null>(options: PipelineOptions<Opaque>, handler: PipelineHandler<Opaque>): Duplex
  pipeline<Opaque>(options: PipelineOptions<Opaque>, handler: PipelineHandler<Opaque>): Duplex {
    return pipeline(this, options, handler)
  }

  /**
   * Opens a tunnel by CONNECT. Resolves with its socket.
   * @example
   * const { statusCode, socket } = await client.connect({ path: 'example.com:443' })
   */
  connect<Opaque = null>(options: ConnectInput<Opaque>): Promise<ConnectData<Opaque>>
  /** Opens a tunnel by CONNECT and calls back with its socket. */
  connect<Opaque = null>(options: ConnectInput<Opaque>, callback: Callback<ConnectData<Opaque>>): void
  /** Repeats the first overload: `ReturnType` reads the last one. */
  connect<Opaque = null>(options: ConnectInput<Opaque>): Promise<ConnectData<Opaque>>
  connect<Opaque>(
    options: ConnectInput<Opaque>,
    callback?: Callback<ConnectData<Opaque>>,
  ): Promise<ConnectData<Opaque>> | void {
    return callback === undefined ? connect(this, options) : connect(this, options, callback)
  }

  /**
   * Upgrades a connection to another protocol (RFC 9110 §7.8). Resolves with its socket.
   * @example
   * const { headers, socket } = await client.upgrade({ path: '/chat', protocol: 'websocket' })
   */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>): Promise<UpgradeData<Opaque>>
  /** Upgrades a connection to another protocol and calls back with its socket. */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>, callback: Callback<UpgradeData<Opaque>>): void
  /** Repeats the first overload: `ReturnType` reads the last one. */
  upgrade<Opaque = null>(options: UpgradeOptions<Opaque>): Promise<UpgradeData<Opaque>>
  upgrade<Opaque>(
    options: UpgradeOptions<Opaque>,
    callback?: Callback<UpgradeData<Opaque>>,
  ): Promise<UpgradeData<Opaque>> | void {
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
    return atCaller(Dispatcher.prototype.compose, () => withDispatch(this, dispatchThrough(this, interceptors.flat())))
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
  /** Handler with the callbacks of both generations: current and legacy. */
  export type DispatchHandlers = DispatchHandler & LegacyDispatchHandler
  export type {
    BodyMixin,
    ConnectData,
    ConnectOptions,
    DispatchController,
    DispatchHandler,
    DispatchOptions,
    HttpMethod,
    PipelineHandler,
    PipelineHandlerData,
    PipelineOptions,
    RequestOptions,
    ResponseData,
    StreamData,
    StreamFactory,
    StreamFactoryData,
    UpgradeData,
    UpgradeOptions,
  }
}

function notImplemented(method: string): Error {
  return markArgumentError(
    new NotSupportedError(`${method}() is not implemented: a subclass of Dispatcher must override it`),
  )
}
