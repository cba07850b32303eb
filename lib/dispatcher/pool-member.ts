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

/** Receives the events of a {@link PoolMember}. */
export interface PoolMemberListener {
  onMemberFree(member: PoolMember, targets: readonly Dispatcher[]): void
  onMemberConnect(member: PoolMember, origin: URL, targets: readonly Dispatcher[]): void
  onMemberDisconnect(member: PoolMember, origin: URL, event: { targets: readonly Dispatcher[]; error: Error }): void
  onMemberConnectionError(
    member: PoolMember,
    origin: URL,
    event: { targets: readonly Dispatcher[]; error: Error },
  ): void
  /** Called when a dispatcher of another library has started to send a request. */
  onMemberRequestStarted(): void
  /** Called when `clientTtl` has passed. */
  onMemberExpired(member: PoolMember): void
  onMemberIdle(member: PoolMember): void
  /** Called when the dispatcher of a member was closed or destroyed, by the pool or by user code. */
  onMemberClosed(member: PoolMember): void
  onHandlerError(error: unknown): void
}

/** Number of busy members of a pool. */
export interface BusyCount {
  busy: number
}

interface PoolMemberOptions {
  listener: PoolMemberListener
  busyCount: BusyCount
  counters: RequestCounters
  /** ms */
  ttl: number | null
  url: URL
  /** Whether the pool created the client itself: it then receives requests that the pool has validated. */
  madeByPool: boolean
}

/** Dispatcher of a pool, made by the pool or by a factory, and its state in the pool. */
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
  /** Number of times the factory of the pool has returned its dispatcher. */
  slots = 1
  /** Whether it was added to the pool and not removed. */
  inPool = false
  readonly dispatcher: Dispatcher
  readonly #listener: PoolMemberListener
  readonly #busyCount: BusyCount
  readonly #url: URL
  /** Core of the Client, with or without interceptors; null for other dispatchers. */
  readonly client: ClientCore | null
  /** Null for a client that the pool created: it has only requests of the pool, and tracks them itself. */
  readonly #outstanding: OutstandingRequests | null
  readonly #ttl: number | null
  readonly #expiry: Alarm | null
  readonly #unsubscribe: () => void
  #busy = false
  #closing = false

  constructor(dispatcher: Dispatcher, { listener, busyCount, counters, ttl, url, madeByPool }: PoolMemberOptions) {
    this.dispatcher = dispatcher
    this.#listener = listener
    this.#busyCount = busyCount
    this.#url = url
    const core = coreOf(dispatcher)
    this.client = core instanceof ClientCore ? core : null
    core?.countInto?.(counters)
    const countsItself = core?.countInto !== undefined
    this.#outstanding = madeByPool ? null : new OutstandingRequests(dispatcher, this, countsItself ? null : counters)
    this.#unsubscribe = subscribe(dispatcher, this, url)
    this.#ttl = ttl
    this.#expiry = ttl === null ? null : new Alarm(this)
    this.#expiry?.set(ttl as number)
  }

  /** Calls `onMemberIdle` whenever the member has no request and opens no connection. */
  notifyWhenIdle(): void {
    this.client?.notifyWhenIdle(() => {
      if (this.idle) this.#listener.onMemberIdle(this)
    })
  }

  /** Whether it has a connection or is opening one. True for dispatchers that are not Clients. */
  get hasConnection(): boolean {
    return this.client === null || this.client.hasConnection
  }

  /** Whether it has no request. */
  get idle(): boolean {
    return (this.#outstanding?.size ?? 0) === 0 && (this.client?.queue.size ?? 0) === 0
  }

  /** Whether it has a connection but no request. Other dispatchers than Clients are assumed to be connected. */
  get hasIdleConnection(): boolean {
    return this.idle && (this.client === null || this.client.hasIdleConnection)
  }

  /** Whether it accepts no more requests until it drains. */
  get busy(): boolean {
    return this.#busy
  }

  /** Whether its dispatcher was closed by user code. */
  get closed(): boolean {
    return this.#outstanding !== null && isClosed(this.dispatcher)
  }

  /** Marks it as busy, so that requests sent by a handler during {@link send} are assigned to other members. */
  reserve(): void {
    this.#setBusy(true)
  }

  /** Sends a request. Afterwards it is marked as busy if it accepts no more. */
  send(request: QueuedRequest): void {
    let accepts = true
    try {
      if (request instanceof Exchange) accepts = (this.client as ClientCore).enqueue(request)
      else accepts = this.#outstanding?.send(request) === true
    } finally {
      // A dispatcher of another library that returns no boolean counts as busy while it has a request.
      this.#setBusy(!accepts && !(this.idle && this.#outstanding !== null))
    }
  }

  /** Closes the dispatcher after its requests. Never rejects. */
  close(): Promise<void> {
    this.#expiry?.dispose()
    this.#setBusy(false)
    this.#closing = true
    return this.#outstanding?.close() ?? ignoreRejection(() => this.dispatcher.close())
  }

  /** Cancels {@link close}. Returns false if the dispatcher is closed already. */
  cancelClose(): boolean {
    if (this.#outstanding?.cancelClose() !== true) return false
    this.#closing = false
    this.slots = 1
    this.overdue = false
    this.#expiry?.set(this.#ttl as number)
    return true
  }

  /** Stops receiving events of the dispatcher. */
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
    // The dispatcher may emit `drain` first. Some never do, so it is not waited for.
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
    // It may be removed while it is assigned a request.
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
