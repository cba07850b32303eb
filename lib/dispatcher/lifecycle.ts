import { bindToAsyncContext } from '../api/async-context.js'
import { queueMicrotask } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { atCaller, pointAtCaller, setMethods } from '../errors/caller.js'
import { requireFunction, requireObject } from '../errors/option-checks.js'
import { ClientClosedError, ClientDestroyedError, isSluiceOwned } from '../errors.js'
import { closeUnsentBody, dispatchOwningBody, isClosableBody } from '../exchange/body-owner.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { adaptHandler, isUpgrade } from '../exchange/legacy-handler.js'
import { addUnsentContext, rejectRequest } from '../exchange/reject-request.js'
import type { DispatchInput } from '../exchange/request.js'
import { runDestroyCallbacks } from './destroy-callbacks.js'
import { type ConnectListener, Dispatcher, type DrainListener, type ErrorListener } from './dispatcher.js'
import { coreOf, type DispatcherCore, type DispatcherOwner, setCore } from './dispatcher-core.js'
import { emit, emitInOrder, emitLater, emitPending, hasListeners } from './events.js'
import { describeTree, lineOf } from './inspect.js'
import { noteDispatcher } from './waiting-handler.js'

type Done = () => void

/** Event methods of a {@link LifecycleDispatcher}, which also emits `error`. */
export interface LifecycleDispatcher {
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

/** States of a dispatcher (open, closed, destroyed) and its events. All dispatchers of the library use it. */
export class Lifecycle implements Omit<DispatcherOwner, 'onClosed'> {
  #core: DispatcherCore | null = null
  #dispatcher: LifecycleDispatcher | null = null
  /** Pool, balancer or agent that the dispatcher belongs to. */
  #owner: DispatcherOwner | null = null
  #closed = false
  #destroyed = false
  #finished = false
  #closeCalled = false
  /** Callbacks of `close` and `destroy`, in the order of the calls. */
  #callbacks: Done[] | null = null

  /**
   * Connects a dispatcher with its core.
   * @param options as given, for `inspect`
   */
  bind(dispatcher: LifecycleDispatcher, core: DispatcherCore, options?: object): void {
    core.options = options
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

  /** Error for requests after `close` or `destroy`; null while the dispatcher is open. */
  get closedError(): Error | null {
    if (!this.#closed) return null
    return this.#destroyed ? new ClientDestroyedError() : new ClientClosedError()
  }

  dispatch(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    try {
      requireObject('handler', handler)
    } catch (error) {
      closeUnsentBody(options, error as Error)
      throw pointAtCaller(error, LifecycleDispatcher.prototype.dispatch)
    }
    try {
      requireObject('options', options)
      const given = unpollutedRequest(options)
      return isClosableBody(given.body) ? this.#dispatchSource(given, handler) : this.#dispatch(given, handler)
    } catch (error) {
      if (isSluiceOwned(error)) addUnsentContext(error, options, this.#core?.origin)
      return this.#refuse(pointAtCaller(error as Error, LifecycleDispatcher.prototype.dispatch), handler)
    }
  }

  // Separate methods: closures within `dispatch` would allocate a context for every request.

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

  /** Finishes {@link close} if no request is left. To be called whenever a request has completed or failed. */
  finishClose(): void {
    if (!this.#closed || this.#destroyed) return
    if (this.#core?.isCloseComplete() === true) this.destroy(new ClientClosedError(), () => {})
  }

  /**
   * Notifies `owner` of all events until the returned function is called. Returns null if there is an owner already.
   */
  setOwner(owner: DispatcherOwner): (() => void) | null {
    if (this.#owner !== null) return null
    this.#owner = owner
    return () => {
      if (this.#owner === owner) this.#owner = null
    }
  }

  // Events of the dispatcher: `parts` are its targets below. The owner is called at once, listeners possibly later.

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

  /** Reports an exception of the last callback of a handler: to `error` listeners, or as uncaught exception. */
  onHandlerError(error: unknown): void {
    const dispatcher = this.#dispatcher as LifecycleDispatcher
    if (dispatcher.listenerCount('error') > 0) emit(dispatcher, 'error', error)
    else if (this.#owner !== null) this.#owner.onHandlerError(error)
    else reportUncaught(error)
  }

  close(done: Done, fail: (error: Error) => void): void {
    if (this.#destroyed && !this.#closeCalled) return queueMicrotask(() => fail(new ClientDestroyedError()))
    if (this.#finished) return queueMicrotask(done)
    this.#addCallback(done)
    if (this.#closed) return
    this.#closed = true
    this.#closeCalled = true
    this.#owner?.onClosed()
    this.#core?.onClose()
    // Deferred: calls of the same event-loop turn still count, and the callbacks of the caller run first.
    queueMicrotask(() => this.finishClose())
  }

  destroy(error: Error | null, done: Done): void {
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

  #addCallback(done: Done): void {
    this.#callbacks ??= []
    this.#callbacks.push(done)
  }
}

/** Dispatcher with a {@link Lifecycle}. Implements `dispatch`, `close` and `destroy` with promises and callbacks. */
export abstract class LifecycleDispatcher extends Dispatcher {
  readonly #lifecycle: Lifecycle

  /** @internal The constructor of the subclass must call `lifecycle.bind`. */
  constructor(lifecycle: Lifecycle) {
    super()
    setMethods(Dispatcher.prototype)
    this.#lifecycle = lifecycle
  }

  /** Whether {@link close} or {@link destroy} was called. */
  get closed(): boolean {
    return this.#lifecycle.closed
  }

  /** Whether {@link destroy} was called or {@link close} has finished. */
  get destroyed(): boolean {
    return this.#lifecycle.destroyed
  }

  /**
   * Describes the current state as text for humans: one line for each dispatcher with its counters, and one for each
   * connection. Shows methods and paths, but no queries, headers or bodies.
   */
  inspect(): string {
    const core = coreOf(this) as DispatcherCore
    return describeTree(lineOf(this, core), core.children())
  }

  override dispatch(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    return this.#lifecycle.dispatch(options, handler)
  }

  /**
   * Closes the dispatcher: accepts no more requests, and finishes when all requests have completed.
   * @throws {InvalidArgumentError} the callback is not a function
   */
  override close(): Promise<void>
  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): Promise<void> | void {
    if (callback === undefined) return new Promise((resolve, reject) => this.#lifecycle.close(resolve, reject))
    atCaller(LifecycleDispatcher.prototype.close, () => requireFunction('callback', callback))
    const notify = bindToAsyncContext(callback as (error: Error | null) => void)
    this.#lifecycle.close(() => notify(null), notify)
  }

  /**
   * Fails all requests with `error` (default: `ClientDestroyedError`), and finishes when all sockets are closed.
   * @throws {InvalidArgumentError} the callback is not a function
   */
  override destroy(error?: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    const [reason, done] = typeof error === 'function' ? [null, error] : [error ?? null, callback]
    if (done === undefined) return new Promise((resolve) => this.#lifecycle.destroy(reason, resolve))
    atCaller(LifecycleDispatcher.prototype.destroy, () => requireFunction('callback', done))
    const notify = bindToAsyncContext(done as (error: null) => void)
    this.#lifecycle.destroy(reason, () => notify(null))
  }
}
