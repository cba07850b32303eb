import type { MemberPicker } from '../balance/member-picker.js'
import { queueMicrotask, setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { invalidOption } from '../errors.js'
import { Client } from './client.js'
import type { ClientFactoryOptions } from './client-options.js'
import type { BudgetedPool, ConnectionBudget } from './connection-budget.js'
import type { Dispatcher } from './dispatcher.js'
import { closeIdle } from './dispatcher-core.js'
import { type BusyCount, PoolMember, type PoolMemberListener } from './pool-member.js'
import type { ResolvedPoolOptions } from './pool-options.js'
import type { QueuedRequest } from './pool-queue.js'
import { ReplacementBackoff } from './replacement-backoff.js'

/** Parameters of {@link PoolMembers}. */
export interface PoolMembersOptions {
  url: URL
  options: ResolvedPoolOptions
  /** Maximum number of requests in flight on one connection. */
  pipelining: number
  picker: MemberPicker<PoolMember>
  counters: RequestCounters
  /** The core of the pool. */
  owner: PoolMembersOwner
}

/** Pool that the members belong to. */
export interface PoolMembersOwner extends PoolMemberListener, BudgetedPool {
  /** Called when another member may be added. */
  onSlotFree(): void
}

/** Manages the members of a pool: adds, chooses and removes them. */
export class PoolMembers {
  readonly #url: URL
  readonly #options: ResolvedPoolOptions
  readonly #pipelining: number
  readonly #picker: MemberPicker<PoolMember>
  readonly #counters: RequestCounters
  readonly #owner: PoolMembersOwner
  readonly #members = new Map<Dispatcher, PoolMember>()
  /** Removed members that still have requests in flight. */
  readonly #closing = new Map<PoolMember, Promise<void>>()
  /** Members that may be idle, the longest idle first; null without `maxIdleConnections`. */
  readonly #idle: Set<PoolMember> | null
  readonly #backoff: ReplacementBackoff | null
  #budget: ConnectionBudget | null = null
  /** Equals `connections`, or the current number of members while the connection budget is used up. */
  #limit: number
  /** Number of members, each counted as often as the factory returned it. */
  #slots = 0
  readonly #busyCount: BusyCount = { busy: 0 }
  #stopped = false

  constructor({ url, options, pipelining, picker, counters, owner }: PoolMembersOptions) {
    this.#url = url
    this.#options = options
    this.#pipelining = pipelining
    this.#picker = picker
    this.#counters = counters
    this.#owner = owner
    this.#limit = options.connections
    this.#idle = options.maxIdleConnections < Number.POSITIVE_INFINITY ? new Set() : null
    this.#backoff = options.minConnections === 0 ? null : new ReplacementBackoff(() => this.#openMinimum())
  }

  /** Number of members, without removed ones. */
  get size(): number {
    return this.#members.size
  }

  /** Current maximum number of members. */
  get limit(): number {
    return this.#limit
  }

  get #full(): boolean {
    return this.#slots >= this.#limit
  }

  /** Whether the pool has reached its maximum number of members and all of them are busy. */
  get exhausted(): boolean {
    return this.#full && this.#busyCount.busy >= this.#members.size
  }

  /** Whether no member has a request. */
  get idle(): boolean {
    for (const member of this.#members.values()) if (!member.idle) return false
    return true
  }

  /** The dispatchers of all members, removed members with requests in flight included. */
  get dispatchers(): Dispatcher[] {
    return [...this.#members.keys(), ...[...this.#closing.keys()].map(({ dispatcher }) => dispatcher)]
  }

  /** Adds members only with a connection of `budget`, from now on. */
  setBudget(budget: ConnectionBudget): void {
    this.#budget = budget
  }

  /** Sets the maximum back to `connections`: the connection budget has capacity again. */
  restoreLimit(): void {
    this.#limit = this.#options.connections
  }

  /**
   * Assigns a request to a member. Returns false if the request must be queued.
   * @param queued number of queued requests, this one included; 0 for a request that is not queued
   */
  assign(request: QueuedRequest, queued: number): boolean {
    const member = this.#pick(queued) ?? (this.#full ? null : this.#add()) ?? this.#pick(queued)
    if (member === null) return false
    member.reserve()
    this.#picker.onAssigned(member)
    try {
      member.send(request)
    } finally {
      if (!member.busy && member.inPool) this.#picker.onFree(member)
      // If the request was aborted while the factory ran, the connection is available for other origins.
      if (this.#budget !== null && member.inPool && member.idle) this.onIdle(member)
    }
    return true
  }

  #pick(queued: number): PoolMember | null {
    for (;;) {
      const member = this.#picker.pick(this.#full, queued)
      if (member === null || !member.closed) return member
      this.remove(member)
    }
  }

  /** Returns null if the connection budget is used up. */
  #add(): PoolMember | null {
    if (this.#budget !== null && !this.#budget.acquire(this.#owner)) {
      this.#limit = this.#slots
      return null
    }
    // Counted before the call: a factory may send requests, which must not exceed the limit.
    this.#slots++
    const member = this.#create()
    if (member.inPool) {
      // The factory returned the dispatcher of a member again: it takes this request too.
      member.slots++
      this.#budget?.release()
      return member
    }
    if (this.#backoff !== null && this.size === 0) queueMicrotask(() => this.#openMinimum())
    const turns = this.#picker.onIdle !== undefined && this.#pipelining > 1
    if (turns || this.#idle !== null || this.#budget !== null) member.notifyWhenIdle()
    if (this.#budget !== null) member.client?.closeGracefully()
    this.#members.set(member.dispatcher, member)
    member.inPool = true
    this.#picker.add(member)
    return member
  }

  #create(): PoolMember {
    const { factory, client, clientTtl } = this.#options
    try {
      const madeByPool = factory === null
      const dispatcher = madeByPool ? new Client(this.#url, client) : factory(this.#url, client as ClientFactoryOptions)
      if (typeof dispatcher?.dispatch !== 'function')
        throw invalidOption('the return value of factory', 'a Dispatcher', dispatcher)
      const options = {
        listener: this.#owner,
        busyCount: this.#busyCount,
        counters: this.#counters,
        ttl: clientTtl,
        url: this.#url,
        madeByPool,
      }
      return this.#members.get(dispatcher) ?? this.#reopen(dispatcher) ?? new PoolMember(dispatcher, options)
    } catch (error) {
      this.#slots--
      this.#budget?.release()
      throw error
    }
  }

  /**
   * Returns the removed member of `dispatcher` to the pool. A second member would report its events twice, and close it
   * while the first has requests in flight.
   */
  #reopen(dispatcher: Dispatcher): PoolMember | undefined {
    for (const member of this.#closing.keys()) {
      if (member.dispatcher !== dispatcher) continue
      if (member.cancelClose()) {
        this.#closing.delete(member)
        return member
      }
      member.unsubscribe()
    }
    return undefined
  }

  /** Opens connections until there are `count`, or as many as the limits allow. Rejects if all attempts failed. */
  async warm(count: number): Promise<void> {
    const wanted = Math.min(count, this.#options.connections)
    try {
      while (this.#slots < wanted && this.#budget?.hasCapacity !== false) this.#add()
    } finally {
      // Serves requests that the factory sent.
      this.#owner.onSlotFree()
    }
    const members = [...this.#members.values()].sort((a, b) => Number(b.hasConnection) - Number(a.hasConnection))
    const results = await Promise.allSettled(members.slice(0, wanted).map(({ client }) => client?.warm()))
    const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (failed !== undefined && results.every(({ status }) => status === 'rejected')) throw failed.reason
  }

  #openMinimum(): void {
    if (!this.#stopped) this.warm(this.#options.minConnections).catch(() => {})
  }

  /** Schedules the replacement of a lost connection (`minConnections`). */
  replaceLost(): void {
    this.#backoff?.schedule()
  }

  /** Stops the replacement of lost connections. */
  stopReplacing(): void {
    this.#stopped = true
    this.#backoff?.stop()
  }

  /** Removes a member and closes its connection, if that is idle. A member may be idle only until its next request. */
  removeIfIdle(member: PoolMember): void {
    if (!member.hasIdleConnection) return
    this.remove(member)
    closeIdle(member.dispatcher)
    this.#owner.onSlotFree()
  }

  /** Closes all idle connections. */
  closeIdle(): void {
    for (const member of [...this.#members.values()]) this.removeIfIdle(member)
  }

  /** Removes a member: it is closed after its requests in flight. */
  remove(member: PoolMember): void {
    if (!member.inPool) return
    this.#members.delete(member.dispatcher)
    member.inPool = false
    this.#slots -= member.slots
    this.#idle?.delete(member)
    this.#budget?.onClosing(member)
    this.#backoff?.schedule()
    this.#picker.remove(member)
    const closed = member.close()
    this.#closing.set(member, closed)
    closed.then(() => {
      this.#budget?.onClosed()
      // Dispatchers of other libraries may report closed connections a moment later.
      setImmediate(() => {
        if (this.#closing.get(member) === closed) this.#forget(member)
      })
    })
  }

  #forget(member: PoolMember): void {
    this.#closing.delete(member)
    member.unsubscribe()
  }

  /** Removes all members. Resolves when they are closed. */
  async closeAll(): Promise<void> {
    for (const member of [...this.#members.values()]) this.remove(member)
    await Promise.all(this.#closing.values())
  }

  async destroy(error: Error): Promise<void> {
    this.stopReplacing()
    if (this.#budget !== null) for (const member of [...this.#members.values()]) this.remove(member)
    await Promise.all([...this.#members.values(), ...this.#closing.keys()].map((member) => member.destroy(error)))
  }

  onFree(member: PoolMember): void {
    this.#picker.onFree(member)
    if (this.#budget?.mustYield(this.#owner)) this.remove(member)
  }

  onConnected(member: PoolMember): void {
    this.#picker.onConnected?.(member)
  }

  /** Called when a member has no request. Closes the longest idle members beyond `maxIdleConnections`. */
  onIdle(member: PoolMember): void {
    if (!member.inPool) return
    this.#picker.onIdle?.(member)
    if (this.#budget !== null && !member.hasConnection) {
      // A member without connection must not hold a connection of the budget.
      this.remove(member)
      return this.#owner.onSlotFree()
    }
    this.#budget?.onIdle(member, this.#owner)
    const idle = this.#idle
    const { maxIdleConnections } = this.#options
    idle?.delete(member)
    idle?.add(member)
    if (idle === null || idle.size <= maxIdleConnections) return
    for (const one of idle) if (!one.hasIdleConnection) idle.delete(one)
    for (const one of idle) if (idle.size > maxIdleConnections) this.removeIfIdle(one)
  }

  /** See {@link MemberPicker.fairnessWait}. */
  get fairnessWait(): number | undefined {
    return this.#picker.fairnessWait
  }

  endFairnessWait(): void {
    this.#picker.endFairnessWait?.()
  }
}
