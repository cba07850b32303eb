import type { PickableMember } from '../balance/member-picker.js'
import type { RoundRobinMember } from '../balance/round-robin.js'
import { Alarm, type AlarmListener, queueMicrotask } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { Exchange } from '../exchange/exchange.js'
import { ClientCore } from './client-core.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, type DispatcherOwner, ignoreRejection, isClosed, subscribe } from './dispatcher-core.js'
import { OutstandingRequests, type OutstandingRequestsListener } from './outstanding-requests.js'
import type { QueuedRequest } from './pool-queue.js'

/** Whom a member of a pool tells what happened. */
export interface PoolMemberListener {
  onMemberFree(member: PoolMember, targets: readonly Dispatcher[]): void
  onMemberConnect(member: PoolMember, origin: URL, targets: readonly Dispatcher[]): void
  onMemberDisconnect(member: PoolMember, origin: URL, event: { targets: readonly Dispatcher[]; error: Error }): void
  onMemberConnectionError(
    member: PoolMember,
    origin: URL,
    event: { targets: readonly Dispatcher[]; error: Error },
  ): void
  /** A dispatcher of another library handed a request to a connection. */
  onMemberRequestStarted(): void
  onMemberExpired(member: PoolMember): void
  onMemberIdle(member: PoolMember): void
  /** Its dispatcher was closed or destroyed, by whomever. */
  onMemberClosed(member: PoolMember): void
  onHandlerError(error: unknown): void
}

/** How many members of a pool are busy. */
export interface BusyCount {
  busy: number
}

interface PoolMemberOptions {
  listener: PoolMemberListener
  busyCount: BusyCount
  tally: RequestCounters
  ttl: number | null
  url: URL
  /** The pool made the client: requests that it has checked are handed to the client as they are. */
  madeByPool: boolean
}

/** One dispatcher of a pool, whoever made it, and where it stands in the pool. */
export class PoolMember
  implements PickableMember<PoolMember>, RoundRobinMember, AlarmListener, DispatcherOwner, OutstandingRequestsListener
{
  previous: PoolMember | null = null
  next: PoolMember | null = null
  queue: unknown = null
  index = -1
  hadRequests = false
  served = 0
  order = 0
  busySince = 0
  overdue = false
  /** How often the factory of the pool returned its dispatcher. */
  slots = 1
  /** It is in the pool and has not left. */
  inPool = false
  readonly dispatcher: Dispatcher
  readonly #listener: PoolMemberListener
  readonly #busyCount: BusyCount
  readonly #url: URL
  /** The Client under however many interceptors; null when it is another kind of dispatcher. */
  readonly client: ClientCore | null
  /** Null for a client that the pool made, which has no requests but those it was given. */
  readonly #outstanding: OutstandingRequests | null
  readonly #ttl: number | null
  readonly #expiry: Alarm | null
  readonly #unsubscribe: () => void
  #busy = false
  #closing = false

  constructor(
    dispatcher: Dispatcher,
    { listener, busyCount: count, tally, ttl, url, madeByPool: direct }: PoolMemberOptions,
  ) {
    this.dispatcher = dispatcher
    this.#listener = listener
    this.#busyCount = count
    this.#url = url
    const core = coreOf(dispatcher)
    this.client = core instanceof ClientCore ? core : null
    core?.countInto?.(tally)
    const counts = core?.countInto !== undefined
    this.#outstanding = direct ? null : new OutstandingRequests(dispatcher, this, counts ? null : tally)
    this.#unsubscribe = subscribe(dispatcher, this, url)
    this.#ttl = ttl
    this.#expiry = ttl === null ? null : new Alarm(this)
    this.#expiry?.set(ttl as number)
  }

  /** Calls the listener each time that it has nothing to do. */
  notifyWhenIdle(): void {
    this.client?.notifyWhenIdle(() => {
      if (this.idle) this.#listener.onMemberIdle(this)
    })
  }

  /** It has a connection, or opens one, as far as it can be known. */
  get hasConnection(): boolean {
    return this.client === null || this.client.hasConnection
  }

  get idle(): boolean {
    return (this.#outstanding?.size ?? 0) === 0 && (this.client?.queue.size ?? 0) === 0
  }

  /** It has no request, and is connected as far as it can be known. */
  get hasIdleConnection(): boolean {
    return this.idle && (this.client === null || this.client.hasIdleConnection)
  }

  /** It said that it can take no more, and has not said otherwise since. */
  get busy(): boolean {
    return this.#busy
  }

  /** Somebody closed it without a word. */
  get closed(): boolean {
    return this.#outstanding !== null && isClosed(this.dispatcher)
  }

  /** Counts as busy from now on: what a handler sends while this one is given its request goes elsewhere. */
  reserve(): void {
    this.#setBusy(true)
  }

  /** Hands a request over. Afterwards the member is busy if it can take no more. */
  send(waiting: QueuedRequest): void {
    let room = true
    try {
      if (waiting instanceof Exchange) room = (this.client as ClientCore).enqueue(waiting)
      else room = this.#outstanding?.send(waiting) === true
    } finally {
      // A dispatcher that does not say is busy as long as it has a request.
      this.#setBusy(!room && !(this.idle && this.#outstanding !== null))
    }
  }

  /** Takes no more requests, and ends when those it has have ended. */
  close(): Promise<void> {
    this.#expiry?.dispose()
    this.#setBusy(false)
    this.#closing = true
    return this.#outstanding?.close() ?? ignoreRejection(() => this.dispatcher.close())
  }

  /** Stays after all, as the factory returned its dispatcher again. Returns false when that is closed already. */
  cancelClose(): boolean {
    if (this.#outstanding?.cancelClose() !== true) return false
    this.#closing = false
    this.slots = 1
    this.overdue = false
    this.#expiry?.set(this.#ttl as number)
    return true
  }

  /** Hears no more of its dispatcher. */
  unsubscribe(): void {
    this.#unsubscribe()
    this.#outstanding?.stopCounting()
  }

  destroy(error: Error): Promise<void> {
    this.#expiry?.dispose()
    return this.#outstanding?.destroy(error) ?? this.dispatcher.destroy(error)
  }

  onRequestStarted(): void {
    this.#listener.onMemberRequestStarted()
  }

  onAllCompleted(): void {
    // First it may say so itself, by `drain`. It is not waited for: not all do.
    if (this.#busy) queueMicrotask(() => this.#checkFree())
    if (this.client === null || this.client.queue.idle) this.#listener.onMemberIdle(this)
  }

  #checkFree(): void {
    if (this.#busy && this.idle) this.onDrain(this.#url, [this.dispatcher])
  }

  onAlarm(): void {
    this.#listener.onMemberExpired(this)
  }

  #setBusy(busy: boolean): void {
    // It may leave in the middle of being given a request.
    if (busy === this.#busy || this.#closing) return
    this.#busy = busy
    this.#busyCount.busy += busy ? 1 : -1
  }

  onDrain(_origin: URL, targets: readonly Dispatcher[]): void {
    this.#setBusy(false)
    this.#listener.onMemberFree(this, targets)
  }

  onConnect(origin: URL, targets: readonly Dispatcher[]): void {
    this.#outstanding?.countConnection(1)
    this.#listener.onMemberConnect(this, origin, targets)
  }

  onDisconnect(origin: URL, targets: readonly Dispatcher[], error: Error): void {
    this.#outstanding?.countConnection(-1)
    this.#listener.onMemberDisconnect(this, origin, { targets, error })
  }

  onConnectionError(origin: URL, targets: readonly Dispatcher[], error: Error): void {
    this.#listener.onMemberConnectionError(this, origin, { targets, error })
  }

  onClosed(): void {
    this.#listener.onMemberClosed(this)
  }

  onHandlerError(error: unknown): void {
    this.#listener.onHandlerError(error)
  }
}
