import { bindToAsyncContext } from '../api/async-context.js'
import type { ConnectOptions } from '../api/connect.js'
import type { ConnectData } from '../api/documented.js'
import { queueMicrotask } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { requireFunction, requireObject } from '../errors/option-checks.js'
import { ClientClosedError, ClientDestroyedError, isSluiceOwned } from '../errors.js'
import { dispatchOwningBody, isClosableBody } from '../exchange/body-owner.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { adaptHandler, isUpgrade } from '../exchange/legacy-handler.js'
import { addUnsentContext, rejectRequest } from '../exchange/reject-request.js'
import type { DispatchInput } from '../exchange/request.js'
import { runDestroyCallbacks } from './destroy-callbacks.js'
import {
  type ConnectListener,
  Dispatcher,
  type DrainListener,
  type ErrorListener,
  type UndiciCompatible,
} from './dispatcher.js'
import { type DispatcherCore, type DispatcherOwner, setCore } from './dispatcher-core.js'
import { emit, emitInOrder, emitLater, emitPending, hasListeners } from './events.js'
import { describeDispatcher, type Inspectable } from './inspect.js'
import { noteDispatcher } from './waiting-handler.js'

type Callback = () => void
export type ConnectCallback<Opaque> = (error: Error | null, data: ConnectData<Opaque>) => void

/**
 * All but an Agent know where to connect to; and there is an event more, for handlers that throw in their last call.
 */
export interface LifecycleDispatcher {
  connect(options: never, ...rest: UndiciCompatible[]): UndiciCompatible
  connect<Opaque = null>(options: ConnectOptions<Opaque>, callback: ConnectCallback<Opaque>): void
  connect<Opaque = null>(options: ConnectOptions<Opaque>): Promise<ConnectData<Opaque>>
  on(event: 'error', listener: (error: unknown) => void): this
  on(event: 'connect', listener: ConnectListener): this
  on(event: 'disconnect', listener: ErrorListener): this
  on(event: 'connectionError', listener: ErrorListener): this
  on(event: 'drain', listener: DrainListener): this
  once(event: 'error', listener: (error: unknown) => void): this
  once(event: 'connect', listener: ConnectListener): this
  once(event: 'disconnect', listener: ErrorListener): this
  once(event: 'connectionError', listener: ErrorListener): this
  once(event: 'drain', listener: DrainListener): this
  off(event: 'error', listener: (error: unknown) => void): this
  off(event: 'connect', listener: ConnectListener): this
  off(event: 'disconnect', listener: ErrorListener): this
  off(event: 'connectionError', listener: ErrorListener): this
  off(event: 'drain', listener: DrainListener): this
  addListener(event: 'error', listener: (error: unknown) => void): this
  addListener(event: 'connect', listener: ConnectListener): this
  addListener(event: 'disconnect', listener: ErrorListener): this
  addListener(event: 'connectionError', listener: ErrorListener): this
  addListener(event: 'drain', listener: DrainListener): this
  removeListener(event: 'error', listener: (error: unknown) => void): this
  removeListener(event: 'connect', listener: ConnectListener): this
  removeListener(event: 'disconnect', listener: ErrorListener): this
  removeListener(event: 'connectionError', listener: ErrorListener): this
  removeListener(event: 'drain', listener: DrainListener): this
}

/** Open, closed, destroyed: the one way there for all dispatchers. */
export class Lifecycle implements Omit<DispatcherOwner, 'onClosed'> {
  #core: DispatcherCore | null = null
  #dispatcher: LifecycleDispatcher | null = null
  /** What the dispatcher is part of. */
  #owner: DispatcherOwner | null = null
  #closed = false
  #destroyed = false
  #finished = false
  #closeCalled = false
  /** Called at the end, in the order in which they came. */
  #callbacks: Callback[] | null = null

  /** Makes `core` the private side of `dispatcher`. */
  bind(dispatcher: LifecycleDispatcher, core: DispatcherCore): void {
    this.#dispatcher = dispatcher
    this.#core = core
    setCore(dispatcher, core)
  }

  get closed(): boolean {
    return this.#closed
  }

  get destroyed(): boolean {
    return this.#destroyed
  }

  /** Why it takes no more requests; null while it does. */
  get closedError(): Error | null {
    if (!this.#closed) return null
    return this.#destroyed ? new ClientDestroyedError() : new ClientClosedError()
  }

  get children(): Iterable<Inspectable> {
    return this.#core?.children() ?? []
  }

  dispatch(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    requireObject('handler', handler)
    try {
      requireObject('options', options)
      const given = unpollutedRequest(options)
      return isClosableBody(given.body) ? this.#dispatchSource(given, handler) : this.#dispatch(given, handler)
    } catch (error) {
      if (isSluiceOwned(error)) addUnsentContext(error, options, this.#core?.origin)
      return this.#refuse(error as Error, handler)
    }
  }

  // Closures of methods of their own: those of `dispatch` would cost every request an object.

  #dispatchSource(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    return dispatchOwningBody(options, handler, (outer) => {
      // The outer handler has all callbacks: those that this request needs are checked on its own.
      adaptHandler(handler, isUpgrade(options))
      return this.#dispatch(options, outer)
    })
  }

  #refuse(error: Error, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    return rejectRequest(error, handler, (thrown) => this.onHandlerError(thrown))
  }

  #dispatch(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    if (this.#closed) throw addUnsentContext(this.closedError as Error, options, this.#core?.origin)
    const core = this.#core as DispatcherCore
    noteDispatcher(handler, core)
    return core.send(options, handler)
  }

  /** To be called when something ended: the last one lets {@link close} finish. */
  finishClose(): void {
    if (!this.#closed || this.#destroyed) return
    if (this.#core?.isCloseComplete() === true) this.destroy(new ClientClosedError(), () => {})
  }

  /** Becomes part of `owner`, until the returned function is called. Returns null when it is part of another. */
  setOwner(owner: DispatcherOwner): (() => void) | null {
    if (this.#owner !== null) return null
    this.#owner = owner
    return () => {
      if (this.#owner === owner) this.#owner = null
    }
  }

  // Events of the dispatcher: `parts` are the targets below it. An owner is called at once, listeners when it is their
  // turn.

  onDrain(origin: URL, parts: readonly Dispatcher[]): void {
    const dispatcher = this.#dispatcher as LifecycleDispatcher
    const owner = this.#owner
    if (owner === null && !hasListeners(dispatcher, 'drain')) return
    const targets = parts.length === 0 ? [dispatcher] : [dispatcher, ...parts]
    owner?.onDrain(origin, targets)
    if (hasListeners(dispatcher, 'drain')) emit(dispatcher, 'drain', origin, targets)
  }

  onConnect(origin: URL, parts: readonly Dispatcher[]): void {
    const targets = [this.#dispatcher as LifecycleDispatcher, ...parts]
    this.#owner?.onConnect(origin, targets)
    emitInOrder(this.#dispatcher as LifecycleDispatcher, 'connect', origin, targets)
  }

  onDisconnect(origin: URL, parts: readonly Dispatcher[], error: Error): void {
    const targets = [this.#dispatcher as LifecycleDispatcher, ...parts]
    this.#owner?.onDisconnect(origin, targets, error)
    emitLater(this.#dispatcher as LifecycleDispatcher, 'disconnect', origin, targets, error)
  }

  onConnectionError(origin: URL, parts: readonly Dispatcher[], error: Error): void {
    const targets = [this.#dispatcher as LifecycleDispatcher, ...parts]
    this.#owner?.onConnectionError(origin, targets, error)
    emitLater(this.#dispatcher as LifecycleDispatcher, 'connectionError', origin, targets, error)
  }

  /** What a handler threw in its last callback goes to listeners of `error`, or is an uncaught exception. */
  onHandlerError(error: unknown): void {
    const dispatcher = this.#dispatcher as LifecycleDispatcher
    if (dispatcher.listenerCount('error') > 0) emit(dispatcher, 'error', error)
    else if (this.#owner !== null) this.#owner.onHandlerError(error)
    else reportUncaught(error)
  }

  close(done: Callback, fail: (error: Error) => void): void {
    if (this.#destroyed && !this.#closeCalled) return queueMicrotask(() => fail(new ClientDestroyedError()))
    if (this.#finished) return queueMicrotask(done)
    this.#addCallback(done)
    if (this.#closed) return
    this.#closed = true
    this.#closeCalled = true
    this.#owner?.onClosed()
    this.#core?.onClose()
    // What the caller does in this turn still counts, and its own callbacks run first.
    queueMicrotask(() => this.finishClose())
  }

  destroy(error: Error | null, done: Callback): void {
    if (this.#finished) return queueMicrotask(done)
    this.#addCallback(done)
    if (this.#destroyed) return
    const wasClosed = this.#closed
    this.#closed = true
    this.#destroyed = true
    if (!wasClosed) this.#owner?.onClosed()
    const reason = error ?? new ClientDestroyedError()
    queueMicrotask(() => {
      const core = this.#core as DispatcherCore
      runDestroyCallbacks(core, reason)
      core.onDestroy(reason, () => this.#finish())
    })
  }

  #finish(): void {
    if (this.#finished) return
    this.#finished = true
    emitPending(this.#dispatcher as LifecycleDispatcher)
    for (const done of this.#callbacks ?? []) queueMicrotask(done)
    this.#callbacks = null
  }

  #addCallback(done: Callback): void {
    this.#callbacks ??= []
    this.#callbacks.push(done)
  }
}

/** A dispatcher with a {@link Lifecycle}: its public methods, with promise and with callback. */
export abstract class LifecycleDispatcher extends Dispatcher {
  readonly #lifecycle: Lifecycle

  /** @internal `lifecycle` is to be begun by the constructor of the subclass. */
  constructor(lifecycle: Lifecycle) {
    super()
    this.#lifecycle = lifecycle
  }

  /** True once {@link close} or {@link destroy} was called. */
  get closed(): boolean {
    return this.#lifecycle.closed
  }

  /** True once {@link destroy} was called, or {@link close} has done its work. */
  get destroyed(): boolean {
    return this.#lifecycle.destroyed
  }

  /**
   * What all of it does now, in words, for people: a line for each dispatcher with its counts, one for each connection.
   * It shows methods and paths, but no queries, fields or bodies.
   */
  inspect(): string {
    return describeDispatcher(this, this.#lifecycle.children)
  }

  override dispatch(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    return this.#lifecycle.dispatch(options, handler)
  }

  /**
   * Takes no more requests, and ends when those under way have ended.
   * @throws {InvalidArgumentError} the callback is no function
   */
  override close(callback: Callback): void
  override close(): Promise<void>
  override close(callback?: Callback): Promise<void> | void {
    if (callback === undefined) return new Promise((resolve, reject) => this.#lifecycle.close(resolve, reject))
    requireFunction('callback', callback)
    const tell = bindToAsyncContext(callback as (error: Error | null) => void)
    this.#lifecycle.close(() => tell(null), tell)
  }

  /**
   * Fails all requests with `error` (default: `ClientDestroyedError`), and ends when the sockets are closed.
   * @throws {InvalidArgumentError} the callback is no function
   */
  override destroy(callback: Callback): void
  override destroy(error: Error | null, callback: Callback): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | Callback, callback?: Callback): Promise<void> | void {
    const [reason, told] = typeof error === 'function' ? [null, error] : [error ?? null, callback]
    if (told === undefined) return new Promise((resolve) => this.#lifecycle.destroy(reason, resolve))
    requireFunction('callback', told)
    const tell = bindToAsyncContext(told as (error: null) => void)
    this.#lifecycle.destroy(reason, () => tell(null))
  }
}
