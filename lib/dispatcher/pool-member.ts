import type { PickableMember } from '../balance/member-picker.js'
import type { RoundRobinMember } from '../balance/round-robin.js'
import { Alarm, type AlarmListener, queueMicrotask } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { Exchange } from '../exchange/exchange.js'
import { ClientCore } from './client-core.js'
import type { Dispatcher } from './dispatcher.js'
import { coreOf, type DispatcherOwner, endQuietly, isClosed, own } from './dispatcher-core.js'
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
  onMemberStarted(): void
  onMemberExpired(member: PoolMember): void
  onMemberResting(member: PoolMember): void
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
  count: BusyCount
  tally: RequestCounters
  ttl: number | null
  url: URL
  /** The pool made the client: requests that it has checked are handed to the client as they are. */
  direct: boolean
}

/** One dispatcher of a pool, whoever made it, and where it stands in the pool. */
export class PoolMember
  implements PickableMember<PoolMember>, RoundRobinMember, AlarmListener, DispatcherOwner, OutstandingRequestsListener
{
  previous: PoolMember | null = null
  next: PoolMember | null = null
  queue: unknown = null
  index = -1
  loaded = false
  served = 0
  order = 0
  since = 0
  late = false
  /** How often the factory of the pool returned its dispatcher. */
  places = 1
  /** It is in the pool and has not left. */
  joined = false
  readonly dispatcher: Dispatcher
  readonly #listener: PoolMemberListener
  readonly #count: BusyCount
  readonly #url: URL
  /** The Client under however many interceptors; null when it is another kind of dispatcher. */
  readonly client: ClientCore | null
  /** Null for a client that the pool made, which has no requests but those it was given. */
  readonly #outstanding: OutstandingRequests | null
  readonly #ttl: number | null
  readonly #expiry: Alarm | null
  readonly #disown: () => void
  #busy = false
  #left = false

  constructor(dispatcher: Dispatcher, { listener, count, tally, ttl, url, direct }: PoolMemberOptions) {
    this.dispatcher = dispatcher
    this.#listener = listener
    this.#count = count
    this.#url = url
    const core = coreOf(dispatcher)
    this.client = core instanceof ClientCore ? core : null
    core?.countIn?.(tally)
    const counts = core?.countIn !== undefined
    this.#outstanding = direct ? null : new OutstandingRequests(dispatcher, this, counts ? null : tally)
    this.#disown = own(dispatcher, this, url)
    this.#ttl = ttl
    this.#expiry = ttl === null ? null : new Alarm(this)
    this.#expiry?.set(ttl as number)
  }

  /** Calls the listener each time that it has nothing to do. */
  tellRest(): void {
    this.client?.whenResting(() => {
      if (this.idle) this.#listener.onMemberResting(this)
    })
  }

  /** It has a connection, or opens one, as far as it can be known. */
  get opened(): boolean {
    return this.client === null || this.client.opened
  }

  get idle(): boolean {
    return (this.#outstanding?.size ?? 0) === 0 && (this.client?.queue.size ?? 0) === 0
  }

  /** It has no request, and is connected as far as it can be known. */
  get hasIdleConnection(): boolean {
    return this.idle && (this.client === null || this.client.idle)
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
    this.#set(true)
  }

  /** Hands a request over. Afterwards the member is busy if it can take no more. */
  give(waiting: QueuedRequest): void {
    let room = true
    try {
      if (waiting instanceof Exchange) room = (this.client as ClientCore).admit(waiting)
      else room = this.#outstanding?.send(waiting) === true
    } finally {
      // A dispatcher that does not say is busy as long as it has a request.
      this.#set(!room && !(this.idle && this.#outstanding !== null))
    }
  }

  /** Takes no more requests, and ends when those it has have ended. */
  leave(): Promise<void> {
    this.#expiry?.dispose()
    this.#set(false)
    this.#left = true
    return this.#outstanding?.close() ?? endQuietly(() => this.dispatcher.close())
  }

  /** Stays after all, as the factory returned its dispatcher again. Returns false when that is closed already. */
  rejoin(): boolean {
    if (this.#outstanding?.reopen() !== true) return false
    this.#left = false
    this.places = 1
    this.late = false
    this.#expiry?.set(this.#ttl as number)
    return true
  }

  /** Hears no more of its dispatcher. */
  disown(): void {
    this.#disown()
    this.#outstanding?.disowned()
  }

  destroy(error: Error): Promise<void> {
    this.#expiry?.dispose()
    return this.#outstanding?.destroy(error) ?? this.dispatcher.destroy(error)
  }

  onStarted(): void {
    this.#listener.onMemberStarted()
  }

  onNoneOutstanding(): void {
    // First it may say so itself, by `drain`. It is not waited for: not all do.
    if (this.#busy) queueMicrotask(() => this.#checkFree())
    if (this.client === null || this.client.queue.resting) this.#listener.onMemberResting(this)
  }

  #checkFree(): void {
    if (this.#busy && this.idle) this.onDrain(this.#url, [this.dispatcher])
  }

  onAlarm(): void {
    this.#listener.onMemberExpired(this)
  }

  #set(busy: boolean): void {
    // It may leave in the middle of being given a request.
    if (busy === this.#busy || this.#left) return
    this.#busy = busy
    this.#count.busy += busy ? 1 : -1
  }

  onDrain(_origin: URL, targets: readonly Dispatcher[]): void {
    this.#set(false)
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
