import type { Pickable } from '../balance/picker.js'
import type { TurnTaker } from '../balance/round-robin.js'
import { Alarm, type AlarmListener } from '../base/clock.js'
import type { Tally } from '../base/tally.js'
import { Exchange } from '../exchange/exchange.js'
import { ClientCore } from './client-core.js'
import { coreOf, type DispatcherOwner, own } from './core.js'
import type { Dispatcher } from './dispatcher.js'
import type { Waiting } from './waiting.js'

/** Whom a member of a pool tells what happened. */
export interface MemberListener {
  /** One more is busy, or one less. */
  onBusyCount(difference: number): void
  onMemberFree(member: Member, targets: readonly Dispatcher[]): void
  onMemberConnect(member: Member, origin: URL, targets: readonly Dispatcher[]): void
  onMemberDisconnect(member: Member, origin: URL, event: { targets: readonly Dispatcher[]; error: Error }): void
  onMemberConnectionError(member: Member, origin: URL, event: { targets: readonly Dispatcher[]; error: Error }): void
  onMemberExpired(member: Member): void
  onMemberResting(member: Member): void
  /** Its dispatcher was closed or destroyed, by whomever. */
  onMemberClosed(member: Member): void
  onHandlerError(error: unknown): void
}

/** One dispatcher of a pool, whoever made it, and where it stands in the pool. */
export class Member implements Pickable<Member>, TurnTaker, AlarmListener, DispatcherOwner {
  previous: Member | null = null
  next: Member | null = null
  queue: unknown = null
  index = -1
  loaded = false
  served = 0
  order = 0
  since = 0
  late = false
  readonly dispatcher: Dispatcher
  readonly #listener: MemberListener
  readonly #tally: Tally
  /** The Client under however many interceptors; null when it is another kind of dispatcher. */
  readonly client: ClientCore | null
  readonly #ttl: Alarm | null
  #busy = false

  constructor(dispatcher: Dispatcher, part: { listener: MemberListener; tally: Tally; ttl: number | null }) {
    this.dispatcher = dispatcher
    this.#listener = part.listener
    this.#tally = part.tally
    const core = coreOf(dispatcher)
    const client = core instanceof ClientCore ? core : null
    this.client = client
    client?.countIn(part.tally)
    own(dispatcher, this)
    this.#ttl = part.ttl === null ? null : new Alarm(this)
    this.#ttl?.set(part.ttl as number)
  }

  /** Tells the listener each time that it has nothing to do. */
  tellRest(): void {
    this.client?.whenResting(() => this.#listener.onMemberResting(this))
  }

  /** It has a connection, or opens one. */
  get opened(): boolean {
    return this.client?.opened === true
  }

  get idle(): boolean {
    return this.client === null || this.client.queue.size === 0
  }

  /** It is connected, and has no request. */
  get hasIdleConnection(): boolean {
    return this.client?.idle === true
  }

  /** It said that it can take no more, and has not said otherwise since. */
  get busy(): boolean {
    return this.#busy
  }

  /** Counts as busy from now on: what a handler sends while this one is given its request goes elsewhere. */
  reserve(): void {
    this.#set(true)
  }

  /** Hands a request over. Afterwards the member is busy if it can take no more. */
  give(waiting: Waiting): void {
    let room = true
    try {
      room =
        waiting instanceof Exchange ? (this.client as ClientCore).admit(waiting) : waiting.dispatchTo(this.dispatcher)
    } finally {
      this.#set(!room)
    }
  }

  /** Takes no more requests, and ends when those it has have ended. */
  leave(): Promise<void> {
    this.#ttl?.drop()
    this.#set(false)
    return this.dispatcher.close().catch(() => {})
  }

  destroy(error: Error): Promise<void> {
    this.#ttl?.drop()
    return this.dispatcher.destroy(error)
  }

  onAlarm(): void {
    this.#listener.onMemberExpired(this)
  }

  #set(busy: boolean): void {
    if (busy === this.#busy) return
    this.#busy = busy
    this.#listener.onBusyCount(busy ? 1 : -1)
  }

  onDrain(_origin: URL, targets: readonly Dispatcher[]): void {
    this.#set(false)
    this.#listener.onMemberFree(this, targets)
  }

  onConnect(origin: URL, targets: readonly Dispatcher[]): void {
    if (this.client === null) this.#tally.add('connected', 1)
    this.#listener.onMemberConnect(this, origin, targets)
  }

  onDisconnect(origin: URL, targets: readonly Dispatcher[], error: Error): void {
    if (this.client === null) this.#tally.add('connected', -1)
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
