import type { RequestCounters } from '../base/request-counters.js'
import { callUserCode } from '../base/user-code.js'
import { InformationalError, type UndiciError } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput, RequestDefaults } from '../exchange/request.js'
import type { ConnectionBudget } from './connection-budget.js'
import type { Dispatch, Dispatcher } from './dispatcher.js'
import type { Inspectable } from './inspect.js'
import { isUrl } from './origin.js'

/** What holds for requests that give no limits of their own. */
export type SharedDefaults = Pick<RequestDefaults, 'limits' | 'timings'>

/** What all requests of a dispatcher have in common. */
export interface SharedConfig {
  /** All origins that they are sent to, whatever they name; null when each names its own. */
  readonly origins: readonly string[] | null
  readonly defaults: SharedDefaults
}

/**
 * The private side of a dispatcher. It is an object of its own, so that a subclass of the dispatcher can not override
 * any of it by accident: the dispatcher itself has documented names only.
 */
export interface DispatcherCore {
  /** The only origin it sends to; null when each request names its own. */
  readonly origin: string | null
  /** What is known about all its requests before one is made. */
  config(): SharedConfig
  /** Whether nothing is queued and nothing is in flight. */
  isCloseComplete(): boolean
  /** Accepts a request while the dispatcher is open. */
  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean
  /** Called once, when no request is accepted any more. */
  onClose(): void
  /** Fails everything with `error`, and calls `done` when the last socket is closed. */
  onDestroy(error: Error, done: () => void): void
  /** What it consists of, for `inspect`. */
  children(): Iterable<Inspectable>
  closeIdle?(): void
  /** Counts its connections and requests in `tally` too, from now on. */
  countInto?(tally: RequestCounters): void
  /** Whether neither it nor any part of it has a request. */
  isIdle?(): boolean
  /** Takes the places of its connections from `budget`. */
  setBudget?(budget: ConnectionBudget): void
  /** Notifies `owner` directly, until the returned function is called. Returns null when it has an owner already. */
  setOwner?(owner: DispatcherOwner): (() => void) | null
}

/** What a dispatcher is part of: a pool, a balancer, an agent. */
export interface DispatcherOwner {
  onDrain(origin: URL, targets: readonly Dispatcher[]): void
  onConnect(origin: URL, targets: readonly Dispatcher[]): void
  onDisconnect(origin: URL, targets: readonly Dispatcher[], error: Error): void
  onConnectionError(origin: URL, targets: readonly Dispatcher[], error: Error): void
  /** It was closed or destroyed, and accepts no more requests. */
  onClosed(): void
  /** A handler threw in its last callback, and nothing listens for `error` so far. */
  onHandlerError(error: unknown): void
}

const cores = new WeakMap<Dispatcher | Dispatch, DispatcherCore>()

/** Makes `core` that of a dispatcher, or of a function that sends through one. */
export function setCore(dispatcher: Dispatcher | Dispatch, core: DispatcherCore | null): void {
  if (core !== null) cores.set(dispatcher, core)
}

/**
 * The core of a dispatcher, under however many interceptors, or of the function that an interceptor sends through; null
 * when another library made it.
 */
export function coreOf(dispatcher: Dispatcher | Dispatch): DispatcherCore | null {
  return cores.get(dispatcher) ?? null
}

/** What `dispatcher` knows about all its requests; of one that another library made, nothing. */
export function sharedConfigOf(dispatcher: Dispatcher): SharedConfig {
  return coreOf(dispatcher)?.config() ?? { origins: null, defaults: { limits: null } }
}

/** The only origin that `dispatcher` sends to; null when it has none or another library made it. */
export function originOf(dispatcher: Dispatcher): string | null {
  return coreOf(dispatcher)?.origin ?? null
}

/** Whether `dispatcher`, whoever made it, accepts no more requests. */
export function isClosed(dispatcher: Dispatcher): boolean {
  const { closed, destroyed } = dispatcher as { closed?: unknown; destroyed?: unknown }
  return closed === true || destroyed === true
}

/** Calls `end`, the `close` or `destroy` of a dispatcher whoever made it, and waits for it. Never rejects. */
export async function ignoreRejection(end: () => unknown): Promise<void> {
  try {
    await end()
  } catch {}
}

/**
 * Notifies `owner` of what happens to its part: directly, or by the events of what another library made.
 * @returns ends that
 */
export function subscribe(part: Dispatcher, owner: DispatcherOwner, originUrl?: URL): () => void {
  // A dispatcher of another library need not be an emitter, nor say where and what.
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

/** Closes the idle connections of a dispatcher that can do so. What one of another library throws is uncaught. */
export function closeIdle(dispatcher: Dispatcher): void {
  const closing = coreOf(dispatcher) ?? (dispatcher as { closeIdle?(): void })
  callUserCode(() => closing.closeIdle?.())
}
