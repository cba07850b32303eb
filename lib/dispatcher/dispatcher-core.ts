import type { RequestCounters } from '../base/request-counters.js'
import { callUserCode } from '../base/user-code.js'
import { InformationalError, type UndiciError } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput, RequestDefaults } from '../exchange/request.js'
import type { ConnectionBudget } from './connection-budget.js'
import type { Dispatch, Dispatcher } from './dispatcher.js'
import type { Inspectable } from './inspect.js'
import { isUrl } from './origin.js'

/** Defaults of requests that set no time limits or `timings` themselves. */
export type SharedDefaults = Pick<RequestDefaults, 'limits' | 'timings'>

/** Configuration that all requests of a dispatcher have in common. */
export interface SharedConfig {
  /** Origins that requests are sent to, whatever origin they have; null if each request has its own. */
  readonly origins: readonly string[] | null
  readonly defaults: SharedDefaults
}

/**
 * Internal methods of a dispatcher. A separate object, so that a subclass of the dispatcher can not override them by
 * accident: the dispatcher itself has documented names only.
 */
export interface DispatcherCore {
  /** Only origin that the dispatcher sends to; null if each request has its own. */
  readonly origin: string | null
  /** Options as given, for `inspect`. */
  options?: object | undefined
  /** Returns the configuration that all requests have in common. */
  config(): SharedConfig
  /** Whether `close` may finish: no request is queued or in flight. */
  isCloseComplete(): boolean
  /** Sends a request. Called only while the dispatcher is open. */
  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean
  /** Called once, by `close`: no request is sent afterwards. */
  onClose(): void
  /** Called once, by `destroy`. Fails all requests with `error`, and calls `done` when the last socket is closed. */
  onDestroy(error: Error, done: () => void): void
  /** Returns its dispatchers, upstreams and connections, for `inspect`. */
  children(): Iterable<Inspectable>
  /** Closes all idle connections. */
  closeIdle?(): void
  /** Counts connections and requests in `counters` too, from now on. */
  countInto?(counters: RequestCounters): void
  /** Whether the dispatcher and its children have no request. */
  isIdle?(): boolean
  /** Limits the number of connections by `budget`, from now on. */
  setBudget?(budget: ConnectionBudget): void
  /**
   * Notifies `owner` of all events until the returned function is called. Returns null if there is an owner already.
   */
  setOwner?(owner: DispatcherOwner): (() => void) | null
}

/** Pool, balancer or agent that a dispatcher belongs to: receives its events. */
export interface DispatcherOwner {
  onDrain(origin: URL, targets: readonly Dispatcher[]): void
  onConnect(origin: URL, targets: readonly Dispatcher[]): void
  onDisconnect(origin: URL, targets: readonly Dispatcher[], error: Error): void
  onConnectionError(origin: URL, targets: readonly Dispatcher[], error: Error): void
  /** Called when the dispatcher was closed or destroyed: it accepts no more requests. */
  onClosed(): void
  /** Called when a handler threw in its last callback and the dispatcher has no `error` listener. */
  onHandlerError(error: unknown): void
}

const cores = new WeakMap<Dispatcher | Dispatch, DispatcherCore>()

/** Connects a dispatcher, or a `dispatch` function that sends through it, with its core. */
export function setCore(dispatcher: Dispatcher | Dispatch, core: DispatcherCore | null): void {
  if (core !== null) cores.set(dispatcher, core)
}

/**
 * Returns the core of a dispatcher, with or without interceptors, or of a `dispatch` function that an interceptor
 * received. Null for dispatchers of other libraries.
 */
export function coreOf(dispatcher: Dispatcher | Dispatch): DispatcherCore | null {
  return cores.get(dispatcher) ?? null
}

/**
 * Returns the configuration that all requests of a dispatcher have in common; an empty one for other libraries'
 * dispatchers.
 */
export function sharedConfigOf(dispatcher: Dispatcher): SharedConfig {
  return coreOf(dispatcher)?.config() ?? { origins: null, defaults: { limits: null } }
}

/** Returns the only origin that a dispatcher sends to; null if it has several or belongs to another library. */
export function originOf(dispatcher: Dispatcher): string | null {
  return coreOf(dispatcher)?.origin ?? null
}

/** Whether a dispatcher, of any library, was closed or destroyed. */
export function isClosed(dispatcher: Dispatcher): boolean {
  const { closed, destroyed } = dispatcher as { closed?: unknown; destroyed?: unknown }
  return closed === true || destroyed === true
}

/** Calls the `close` or `destroy` of a dispatcher and waits for it. Ignores exceptions and rejections. */
export async function ignoreRejection(end: () => unknown): Promise<void> {
  try {
    await end()
  } catch {}
}

/**
 * Notifies `owner` of the events of `part`: directly, or by its event emitter if it belongs to another library.
 * @param originUrl used for events without a URL
 * @returns stops that
 */
export function subscribe(part: Dispatcher, owner: DispatcherOwner, originUrl?: URL): () => void {
  // Dispatchers of other libraries need not be emitters, and may emit other or no values.
  const unsubscribe = coreOf(part)?.setOwner?.(owner) ?? null
  if (unsubscribe !== null || typeof part.on !== 'function') return unsubscribe ?? (() => {})
  const url = (given: unknown) => (isUrl(given) ? given : (originUrl as URL))
  const all = (given: unknown): readonly Dispatcher[] => (Array.isArray(given) ? given : [part])
  const reason = (given: unknown) => (given ?? unknownReason()) as Error
  const listeners: Record<string, (...values: unknown[]) => void> = {
    drain: (at, targets) => owner.onDrain(url(at), all(targets)),
    connect: (at, targets) => owner.onConnect(url(at), all(targets)),
    disconnect: (at, targets, error) => owner.onDisconnect(url(at), all(targets), reason(error)),
    connectionError: (at, targets, error) => owner.onConnectionError(url(at), all(targets), reason(error)),
  }
  const each = Object.entries(listeners) as ['drain', () => void][]
  for (const [name, listener] of each) part.on(name, listener)
  return () => {
    for (const [name, listener] of each) part.removeListener?.(name, listener)
  }
}

function unknownReason(): UndiciError {
  return new InformationalError('the dispatcher reported no reason')
}

/** Closes the idle connections of a dispatcher, if it can. Exceptions of other libraries' dispatchers are uncaught. */
export function closeIdle(dispatcher: Dispatcher): void {
  const closing = coreOf(dispatcher) ?? (dispatcher as { closeIdle?(): void })
  callUserCode(() => closing.closeIdle?.())
}
