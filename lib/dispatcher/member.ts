import { Alarm, type AlarmListener } from '../base/clock.js'
import type { QueueNode } from '../base/queue.js'
import type { Tally } from '../base/tally.js'
import { Exchange } from '../exchange/exchange.js'
import { Client } from './client.js'
import { ComposedDispatcher, type Dispatcher } from './dispatcher.js'
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
}

/** One dispatcher of a pool, whoever made it, and where it stands in the pool. */
export class Member implements QueueNode<Member>, AlarmListener {
  previous: Member | null = null
  next: Member | null = null
  queue: unknown = null
  readonly dispatcher: Dispatcher
  readonly #listener: MemberListener
  readonly #tally: Tally
  readonly #counted: boolean
  readonly #ttl = new Alarm(this)
  #busy = false

  constructor(dispatcher: Dispatcher, part: { listener: MemberListener; tally: Tally; ttl: number | null }) {
    this.dispatcher = dispatcher
    this.#listener = part.listener
    this.#tally = part.tally
    const client = clientBeneath(dispatcher)
    this.#counted = client !== null
    client?.countIn(part.tally)
    // Events of a composed dispatcher are its base's: only a Client that is nobody else's speaks directly.
    const targets = [dispatcher]
    if (client === dispatcher) client?.tellRoom(() => this.#onDrain(null, targets))
    else dispatcher.on('drain', this.#onDrain)
    dispatcher.on('connect', this.#onConnect)
    dispatcher.on('disconnect', this.#onDisconnect)
    dispatcher.on('connectionError', this.#onConnectionError)
    if (part.ttl !== null) this.#ttl.set(part.ttl)
  }

  /** It said that it can take no more, and has not said otherwise since. */
  get busy(): boolean {
    return this.#busy
  }

  /** Hands a request over. Returns false when it is busy now. */
  give(waiting: Waiting): boolean {
    const room =
      waiting instanceof Exchange ? (this.dispatcher as Client).admit(waiting) : waiting.dispatchTo(this.dispatcher)
    this.#set(!room)
    return room
  }

  /** Takes no more requests, and ends when those it has have ended. */
  leave(): Promise<void> {
    this.#ttl.drop()
    this.#set(false)
    return this.dispatcher.close().catch(() => {})
  }

  destroy(error: Error): Promise<void> {
    this.#ttl.drop()
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

  readonly #onDrain = (_origin: URL | null, targets: readonly Dispatcher[] = []): void => {
    this.#set(false)
    this.#listener.onMemberFree(this, targets)
  }

  readonly #onConnect = (origin: URL, targets: readonly Dispatcher[]): void => {
    if (!this.#counted) this.#tally.add('connected', 1)
    this.#listener.onMemberConnect(this, origin, targets)
  }

  readonly #onDisconnect = (origin: URL, targets: readonly Dispatcher[], error: Error): void => {
    if (!this.#counted) this.#tally.add('connected', -1)
    this.#listener.onMemberDisconnect(this, origin, { targets, error })
  }

  readonly #onConnectionError = (origin: URL, targets: readonly Dispatcher[], error: Error): void => {
    this.#listener.onMemberConnectionError(this, origin, { targets, error })
  }
}

/** The Client under however many interceptors; null when somebody else's dispatcher is there. */
function clientBeneath(dispatcher: Dispatcher): Client | null {
  let beneath = dispatcher
  while (beneath instanceof ComposedDispatcher) beneath = beneath.base
  return beneath instanceof Client ? beneath : null
}
