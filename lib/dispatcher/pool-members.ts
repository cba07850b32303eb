import type { MemberPicker } from '../balance/member-picker.js'
import { queueMicrotask, setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { nonNegativeInteger } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import { Client } from './client.js'
import type { DocumentedClientOptions } from './client-options.js'
import type { BudgetedPool, ConnectionBudget } from './connection-budget.js'
import type { Dispatcher } from './dispatcher.js'
import { closeIdle } from './dispatcher-core.js'
import { type BusyCount, PoolMember, type PoolMemberListener } from './pool-member.js'
import type { ResolvedPoolOptions } from './pool-options.js'
import type { QueuedRequest } from './pool-queue.js'
import { ReplacementBackoff } from './replacement-backoff.js'

export interface PoolMembersOptions {
  url: URL
  options: ResolvedPoolOptions
  /** Most requests that a client takes at once. */
  pipelining: number
  picker: MemberPicker<PoolMember>
  tally: RequestCounters
  /** The pool. */
  owner: PoolMembersOwner
}

export interface PoolMembersOwner extends PoolMemberListener, BudgetedPool {
  /** Another member may join. */
  onSlotFree(): void
}

/** The dispatchers of a pool: which there are, which is next, when one joins and leaves. */
export class PoolMembers {
  readonly #url: URL
  readonly #options: ResolvedPoolOptions
  readonly #pipelining: number
  readonly #picker: MemberPicker<PoolMember>
  readonly #tally: RequestCounters
  readonly #owner: PoolMembersOwner
  readonly #members = new Map<Dispatcher, PoolMember>()
  /** Members that left and have requests to end. */
  readonly #closing = new Map<PoolMember, Promise<void>>()
  /** Those that rested and may still, the longest first; null when nobody asks. */
  readonly #idle: Set<PoolMember> | null
  readonly #backoff: ReplacementBackoff | null
  #budget: ConnectionBudget | null = null
  /** `connections`, or the places there are while the budget has no more. */
  #limit: number
  /** Members, each as often as the factory returned it. */
  #slots = 0
  readonly #busyCount: BusyCount = { busy: 0 }
  #stopped = false

  constructor({ url, options, pipelining, picker, tally, owner }: PoolMembersOptions) {
    this.#url = url
    this.#options = options
    this.#pipelining = pipelining
    this.#picker = picker
    this.#tally = tally
    this.#owner = owner
    this.#limit = options.connections
    this.#idle = options.maxIdleConnections < Number.POSITIVE_INFINITY ? new Set() : null
    this.#backoff = options.minConnections === 0 ? null : new ReplacementBackoff(() => this.#openMinimum())
  }

  /** Those that joined and did not leave. */
  get size(): number {
    return this.#members.size
  }

  /** Most places at present. */
  get limit(): number {
    return this.#limit
  }

  get #full(): boolean {
    return this.#slots >= this.#limit
  }

  /** All that may be here are here, and none has room. */
  get exhausted(): boolean {
    return this.#full && this.#busyCount.busy >= this.#members.size
  }

  get idle(): boolean {
    for (const member of this.#members.values()) if (!member.idle) return false
    return true
  }

  /** All dispatchers, those that leave included. */
  get dispatchers(): Dispatcher[] {
    return [...this.#members.keys(), ...[...this.#closing.keys()].map(({ dispatcher }) => dispatcher)]
  }

  /** Opens no connection without asking it, from now on. */
  setBudget(budget: ConnectionBudget): void {
    this.#budget = budget
  }

  /** The budget has places again. */
  restoreLimit(): void {
    this.#limit = this.#options.connections
  }

  /**
   * Gives a request to whoever is next; false when it has to wait.
   * @param queued requests in the queue, this one included; 0 for one that is not queued
   */
  assign(waiting: QueuedRequest, queued: number): boolean {
    const member = this.#pick(queued) ?? (this.#full ? null : this.#add()) ?? this.#pick(queued)
    if (member === null) return false
    member.reserve()
    this.#picker.onAssigned(member)
    try {
      member.send(waiting)
    } finally {
      if (!member.busy && member.inPool) this.#picker.onFree(member)
      // The request may have ended while the factory ran: then other origins may have the member's place.
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

  /** Null when the budget has no more. */
  #add(): PoolMember | null {
    if (this.#budget !== null && !this.#budget.acquire(this.#owner)) {
      this.#limit = this.#slots
      return null
    }
    // Counted first: a factory may send requests, which must not have one more made for them.
    this.#slots++
    const member = this.#create()
    if (member.inPool) {
      // The factory returned the same dispatcher once more, and means it to have this request too.
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
      const dispatcher = madeByPool
        ? new Client(this.#url, client)
        : factory(this.#url, client as DocumentedClientOptions)
      if (typeof dispatcher?.dispatch !== 'function')
        throw invalidOption('the return value of factory', 'a Dispatcher', dispatcher)
      const options = {
        listener: this.#owner,
        busyCount: this.#busyCount,
        tally: this.#tally,
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

  /** A second member of one dispatcher would report its events twice, and close it under the requests of the first. */
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

  /** Opens connections until there are `count`, or as many as may be. Rejects when all fail. */
  async warm(count: number): Promise<void> {
    const wanted = Math.min(nonNegativeInteger('count', count, 0), this.#options.connections)
    try {
      while (this.#slots < wanted && this.#budget?.hasCapacity !== false) this.#add()
    } finally {
      // For what the factory sent.
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

  /** A connection was lost. */
  replaceLost(): void {
    this.#backoff?.schedule()
  }

  /** Opens none that is not asked for, from now on. */
  stopReplacing(): void {
    this.#stopped = true
    this.#backoff?.stop()
  }

  /** Has one leave if its connection is idle. One that has just answered may be so before its next request. */
  removeIfIdle(member: PoolMember): void {
    if (!member.hasIdleConnection) return
    this.remove(member)
    closeIdle(member.dispatcher)
    this.#owner.onSlotFree()
  }

  closeIdle(): void {
    for (const member of [...this.#members.values()]) this.removeIfIdle(member)
  }

  remove(member: PoolMember): void {
    if (!member.inPool) return
    this.#members.delete(member.dispatcher)
    member.inPool = false
    this.#slots -= member.slots
    this.#idle?.delete(member)
    this.#budget?.onClosing(member)
    this.#backoff?.schedule()
    this.#picker.remove(member)
    const left = member.close()
    this.#closing.set(member, left)
    left.then(() => {
      this.#budget?.onClosed()
      // Others may report their last connections a moment later.
      setImmediate(() => {
        if (this.#closing.get(member) === left) this.#forget(member)
      })
    })
  }

  #forget(member: PoolMember): void {
    this.#closing.delete(member)
    member.unsubscribe()
  }

  /** Has all leave, and waits for their end. */
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

  /** It has nothing to do. Of more than may be idle, those that have been for longest are released. */
  onIdle(member: PoolMember): void {
    if (!member.inPool) return
    this.#picker.onIdle?.(member)
    if (this.#budget !== null && !member.hasConnection) {
      // It holds a place and has nothing to do with it.
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

  /** ms until queued requests need not wait longer for those that are due; undefined when they never wait. */
  get fairnessWait(): number | undefined {
    return this.#picker.fairnessWait
  }

  endFairnessWait(): void {
    this.#picker.endFairnessWait?.()
  }
}
