import type { MemberPicker } from '../balance/member-picker.js'
import { queueMicrotask, setImmediate } from '../base/clock.js'
import type { RequestCounters } from '../base/request-counters.js'
import { nonNegativeInteger } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import { Client } from './client.js'
import type { DocumentedClientOptions } from './client-options.js'
import type { ConnectionBudget, Spender } from './connection-budget.js'
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

export interface PoolMembersOwner extends PoolMemberListener, Spender {
  /** Another member may join. */
  onPlaceFree(): void
}

/** The dispatchers of a pool: which there are, which is next, when one joins and leaves. */
export class PoolMembers {
  readonly #url: URL
  readonly #options: ResolvedPoolOptions
  readonly #pipelining: number
  readonly #picker: MemberPicker<PoolMember>
  readonly #tally: RequestCounters
  readonly #owner: PoolMembersOwner
  readonly #all = new Map<Dispatcher, PoolMember>()
  /** Members that left and have requests to end. */
  readonly #leaving = new Map<PoolMember, Promise<void>>()
  /** Those that rested and may still, the longest first; null when nobody asks. */
  readonly #idle: Set<PoolMember> | null
  readonly #refill: ReplacementBackoff | null
  #budget: ConnectionBudget | null = null
  /** `connections`, or the places there are while the budget has no more. */
  #most: number
  /** Members, each as often as the factory returned it. */
  #places = 0
  readonly #count: BusyCount = { busy: 0 }
  #stopped = false

  constructor({ url, options, pipelining, picker, tally, owner }: PoolMembersOptions) {
    this.#url = url
    this.#options = options
    this.#pipelining = pipelining
    this.#picker = picker
    this.#tally = tally
    this.#owner = owner
    this.#most = options.connections
    this.#idle = options.maxIdleConnections < Number.POSITIVE_INFINITY ? new Set() : null
    this.#refill = options.minConnections === 0 ? null : new ReplacementBackoff(() => this.#fill())
  }

  /** Those that joined and did not leave. */
  get size(): number {
    return this.#all.size
  }

  /** Most places at present. */
  get most(): number {
    return this.#most
  }

  get #full(): boolean {
    return this.#places >= this.#most
  }

  /** All that may be here are here, and none has room. */
  get exhausted(): boolean {
    return this.#full && this.#count.busy >= this.#all.size
  }

  get idle(): boolean {
    for (const member of this.#all.values()) if (!member.idle) return false
    return true
  }

  /** All dispatchers, those that leave included. */
  get dispatchers(): Dispatcher[] {
    return [...this.#all.keys(), ...[...this.#leaving.keys()].map(({ dispatcher }) => dispatcher)]
  }

  /** Opens no connection without asking it, from now on. */
  limitBy(budget: ConnectionBudget): void {
    this.#budget = budget
  }

  /** The budget has places again. */
  granted(): void {
    this.#most = this.#options.connections
  }

  /**
   * Gives a request to whoever is next; false when it has to wait.
   * @param queued requests in the queue, this one included; 0 for one that is not queued
   */
  offer(waiting: QueuedRequest, queued: number): boolean {
    const member = this.#pick(queued) ?? (this.#full ? null : this.#join()) ?? this.#pick(queued)
    if (member === null) return false
    member.reserve()
    this.#picker.used(member)
    try {
      member.give(waiting)
    } finally {
      if (!member.busy && member.joined) this.#picker.freed(member)
      // The request may have ended while the factory ran: then other origins may have the member's place.
      if (this.#budget !== null && member.joined && member.idle) this.rested(member)
    }
    return true
  }

  #pick(queued: number): PoolMember | null {
    for (;;) {
      const member = this.#picker.pick(this.#full, queued)
      if (member === null || !member.closed) return member
      this.part(member)
    }
  }

  /** Null when the budget has no more. */
  #join(): PoolMember | null {
    if (this.#budget !== null && !this.#budget.take(this.#owner)) {
      this.#most = this.#places
      return null
    }
    // Counted first: a factory may send requests, which must not have one more made for them.
    this.#places++
    const member = this.#make()
    if (member.joined) {
      // The factory returned the same dispatcher once more, and means it to have this request too.
      member.places++
      this.#budget?.giveBack()
      return member
    }
    if (this.#refill !== null && this.size === 0) queueMicrotask(() => this.#fill())
    const turns = this.#picker.rested !== undefined && this.#pipelining > 1
    if (turns || this.#idle !== null || this.#budget !== null) member.tellRest()
    if (this.#budget !== null) member.client?.closeWithServer()
    this.#all.set(member.dispatcher, member)
    member.joined = true
    this.#picker.join(member)
    return member
  }

  #make(): PoolMember {
    const { factory, client, clientTtl } = this.#options
    try {
      const direct = factory === null
      const dispatcher = direct ? new Client(this.#url, client) : factory(this.#url, client as DocumentedClientOptions)
      if (typeof dispatcher?.dispatch !== 'function')
        throw invalidOption('what factory returns', 'a Dispatcher', dispatcher)
      const parts = {
        listener: this.#owner,
        count: this.#count,
        tally: this.#tally,
        ttl: clientTtl,
        url: this.#url,
        direct,
      }
      return this.#all.get(dispatcher) ?? this.#rejoin(dispatcher) ?? new PoolMember(dispatcher, parts)
    } catch (error) {
      this.#places--
      this.#budget?.giveBack()
      throw error
    }
  }

  /** A second member of one dispatcher would report its events twice, and close it under the requests of the first. */
  #rejoin(dispatcher: Dispatcher): PoolMember | undefined {
    for (const member of this.#leaving.keys()) {
      if (member.dispatcher !== dispatcher) continue
      if (member.rejoin()) {
        this.#leaving.delete(member)
        return member
      }
      member.disown()
    }
    return undefined
  }

  /** Opens connections until there are `count`, or as many as may be. Rejects when all fail. */
  async warm(count: number): Promise<void> {
    const wanted = Math.min(nonNegativeInteger('count', count, 0), this.#options.connections)
    try {
      while (this.#places < wanted && this.#budget?.spare !== false) this.#join()
    } finally {
      // For what the factory sent.
      this.#owner.onPlaceFree()
    }
    const members = [...this.#all.values()].sort((a, b) => Number(b.opened) - Number(a.opened))
    const results = await Promise.allSettled(members.slice(0, wanted).map(({ client }) => client?.warm()))
    const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (failed !== undefined && results.every(({ status }) => status === 'rejected')) throw failed.reason
  }

  #fill(): void {
    if (!this.#stopped) this.warm(this.#options.minConnections).catch(() => {})
  }

  /** A connection was lost. */
  refill(): void {
    this.#refill?.soon()
  }

  /** Opens none that is not asked for, from now on. */
  stop(): void {
    this.#stopped = true
    this.#refill?.stop()
  }

  /** Has one leave if its connection is idle. One that has just answered may be so before its next request. */
  release(member: PoolMember): void {
    if (!member.hasIdleConnection) return
    this.part(member)
    closeIdle(member.dispatcher)
    this.#owner.onPlaceFree()
  }

  closeIdle(): void {
    for (const member of [...this.#all.values()]) this.release(member)
  }

  part(member: PoolMember): void {
    if (!member.joined) return
    this.#all.delete(member.dispatcher)
    member.joined = false
    this.#places -= member.places
    this.#idle?.delete(member)
    this.#budget?.ending(member)
    this.#refill?.soon()
    this.#picker.leave(member)
    const left = member.leave()
    this.#leaving.set(member, left)
    left.then(() => {
      this.#budget?.ended()
      // Others may report their last connections a moment later.
      setImmediate(() => {
        if (this.#leaving.get(member) === left) this.#forget(member)
      })
    })
  }

  #forget(member: PoolMember): void {
    this.#leaving.delete(member)
    member.disown()
  }

  /** Has all leave, and waits for their end. */
  async partAll(): Promise<void> {
    for (const member of [...this.#all.values()]) this.part(member)
    await Promise.all(this.#leaving.values())
  }

  async destroy(error: Error): Promise<void> {
    this.stop()
    if (this.#budget !== null) for (const member of [...this.#all.values()]) this.part(member)
    await Promise.all([...this.#all.values(), ...this.#leaving.keys()].map((member) => member.destroy(error)))
  }

  freed(member: PoolMember): void {
    this.#picker.freed(member)
    if (this.#budget?.claims(this.#owner)) this.part(member)
  }

  opened(member: PoolMember): void {
    this.#picker.opened?.(member)
  }

  /** It has nothing to do. Of more than may be idle, those that have been for longest are released. */
  rested(member: PoolMember): void {
    if (!member.joined) return
    this.#picker.rested?.(member)
    if (this.#budget !== null && !member.opened) {
      // It holds a place and has nothing to do with it.
      this.part(member)
      return this.#owner.onPlaceFree()
    }
    this.#budget?.rests(member, this.#owner)
    const idle = this.#idle
    const { maxIdleConnections } = this.#options
    idle?.delete(member)
    idle?.add(member)
    if (idle === null || idle.size <= maxIdleConnections) return
    for (const one of idle) if (!one.hasIdleConnection) idle.delete(one)
    for (const one of idle) if (idle.size > maxIdleConnections) this.release(one)
  }

  /** ms until queued requests need not wait longer for those that are due; undefined when they never wait. */
  get patience(): number | undefined {
    return this.#picker.patience
  }

  hurry(): void {
    this.#picker.hurry?.()
  }
}
