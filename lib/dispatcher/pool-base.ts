import type { Picker } from '../balance/picker.js'
import { queueMicrotask } from '../base/clock.js'
import { Tally } from '../base/tally.js'
import { ClientClosedError, ClientDestroyedError, invalidOption, QueueFullError, UNSENT } from '../errors.js'
import { type Carrier, Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { type DispatchInput, Request, type RequestDefaults } from '../exchange/request.js'
import { Client } from './client.js'
import { type DocumentedClientOptions, resolveClientOptions, whole } from './client-options.js'
import type { ConnectionBudget, Spender } from './connection-budget.js'
import { closeIdle, type DispatcherCore, type DispatcherOwner } from './core.js'
import type { Dispatcher } from './dispatcher.js'
import type { Inspectable } from './inspect.js'
import type { Lifecycle } from './lifecycle.js'
import { Member, type MemberListener } from './member.js'
import { parseOrigin } from './origin.js'
import { type PoolOptions, type ResolvedPoolOptions, resolvePoolOptions } from './pool-options.js'
import { PoolQueue } from './pool-queue.js'
import { Refill } from './refill.js'
import { makeSite, type Site, share } from './site.js'
import { PoolStats } from './stats.js'
import { Parcel, type Waiting } from './waiting.js'

type Targets = { targets: readonly Dispatcher[]; error: Error }

/** What a pool is made of. */
export interface PoolParts {
  url: URL | string
  options: PoolOptions
  picker(options: ResolvedPoolOptions): Picker<Member>
}

/** The private side of the pools of one origin: members, their queue, their events, their end. */
export class PoolBase implements DispatcherCore, MemberListener, Carrier, Spender {
  readonly #lifecycle: Lifecycle
  readonly #url: URL
  readonly #options: ResolvedPoolOptions
  readonly site: () => Site
  readonly #defaults: RequestDefaults
  readonly #picker: Picker<Member>
  readonly #pipelining: number
  readonly #members = new Set<Member>()
  readonly #tally = new Tally()
  readonly #waiting = new PoolQueue(this.#tally, () => this.#hurry())
  /** Members that left and have requests to end. */
  readonly #leaving = new Map<Member, Promise<void>>()
  /** Those that rested and may still, the longest first; null when nobody asks. */
  readonly #idle: Set<Member> | null
  readonly #refill: Refill | null
  #budget: ConnectionBudget | null = null
  /** Most members: `connections`, or those there are while the budget has no more. */
  #most: number
  #busy = 0
  #needDrain = false
  #serving = false
  #emptied = false

  /** @throws {InvalidArgumentError} the url or an option is not what is documented */
  constructor(lifecycle: Lifecycle, parts: PoolParts) {
    this.#lifecycle = lifecycle
    this.#url = parseOrigin(parts.url)
    const resolved = resolvePoolOptions(parts.options)
    // A bad option of the clients is told of now, not when the first is made; one connector keeps the TLS sessions.
    const client = resolveClientOptions(resolved.client)
    this.#options = { ...resolved, client: { ...resolved.client, connect: client.connector } }
    const site = makeSite(this.#url, client)
    this.#defaults = site.defaults
    this.site = () => site
    this.#pipelining = site.pipelining
    if (resolved.factory === null) share(site, this.#options.client)
    this.#picker = parts.picker(resolved)
    this.#most = resolved.connections
    this.#idle = resolved.maxIdleConnections < Number.POSITIVE_INFINITY ? new Set() : null
    this.#refill = resolved.minConnections === 0 ? null : new Refill(() => this.#fill())
  }

  get origin(): string {
    return this.#url.origin
  }

  get stats(): PoolStats {
    return new PoolStats(this.#tally)
  }

  /** Opens connections until there are `count`, or as many as may be, and counts them. */
  async warm(count: number): Promise<number> {
    const wanted = Math.min(whole('count', count, 0), this.#options.connections)
    const { closed, destroyed } = this.#lifecycle
    if (closed) throw destroyed ? new ClientDestroyedError() : new ClientClosedError()
    const members = [...this.#members].sort((a, b) => Number(b.opened) - Number(a.opened))
    while (members.length < wanted && this.#budget?.spare !== false) members.push(this.#join() as Member)
    const results = await Promise.allSettled(members.slice(0, wanted).map(({ client }) => client?.warm()))
    const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (failed !== undefined && results.every(({ status }) => status === 'rejected')) throw failed.reason
    return this.#tally.connected
  }

  closeIdle(): void {
    for (const member of [...this.#members]) this.release(member)
  }

  /** Counts in `parent` too, from now on. */
  countIn(parent: Tally): void {
    this.#tally.attach(parent)
  }

  /** Opens no connection without asking it, from now on. */
  limitBy(budget: ConnectionBudget): void {
    this.#budget = budget
  }

  get held(): number {
    return this.#members.size
  }

  get content(): boolean {
    return this.#waiting.size === 0
  }

  granted(): void {
    this.#most = this.#options.connections
    this.#serve()
  }

  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const waiting = this.#take(options, handler)
    if (this.#overfull) return this.#turnAway(waiting)
    if (this.#waiting.size > 0 || !this.#offer(waiting)) {
      if (this.#overfull) return this.#turnAway(waiting)
      if (waiting instanceof Exchange) waiting.carrier = this
      this.#waiting.push(waiting)
    }
    // Handlers may have sent others while a member was reserved that has capacity after all; and with one more in the
    // queue the share of each member may be larger.
    if (this.#waiting.size > 0 && !this.#exhausted) this.#serve()
    if (this.#waiting.size === 0 && !this.#exhausted) return true
    this.#needDrain = true
    return false
  }

  /** Checked here, once, unless it goes to a dispatcher that is not ours. */
  #take(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): Waiting {
    if (this.#options.factory !== null) return new Parcel({ ...options, origin: this.#url.origin }, handler)
    return new Exchange(new Request(options, this.#defaults), handler)
  }

  /** As many wait as may, beyond those that all connections together take at once. */
  get #overfull(): boolean {
    const { maxQueued } = this.#options
    if (maxQueued === Number.POSITIVE_INFINITY) return false
    const { queued, pending, running } = this.#tally
    const places = this.#most * Math.max(1, this.#pipelining)
    return queued + pending + running - places >= maxQueued && this.#exhausted
  }

  #turnAway(waiting: Waiting): boolean {
    this.#exchangeOf(waiting).fail(new QueueFullError(`${this.#options.maxQueued} requests wait already`), UNSENT)
    this.#needDrain = true
    return false
  }

  /** Of a request that ends before it was handed to anybody. */
  #exchangeOf(waiting: Waiting): Exchange {
    if (waiting instanceof Exchange) return waiting
    return new Exchange(new Request(waiting.options, this.#defaults), waiting.handler)
  }

  get #full(): boolean {
    return this.#members.size >= this.#most
  }

  /** All that may be here are here, and none has room. */
  get #exhausted(): boolean {
    return this.#full && this.#busy >= this.#members.size
  }

  /** Gives a request to whoever is next; false when it has to wait. */
  #offer(waiting: Waiting, queued = 0): boolean {
    const member = this.#pick(queued) ?? (this.#full ? null : this.#join()) ?? this.#pick(queued)
    if (member === null) return false
    member.reserve()
    this.#picker.used(member)
    try {
      member.give(waiting)
    } finally {
      if (!member.busy && this.#members.has(member)) this.#picker.freed(member)
    }
    return true
  }

  #pick(queued: number): Member | null {
    return this.#picker.pick(this.#full, queued)
  }

  /** Of those who wait: whoever sent it is not there any more to hear what a dispatcher of somebody else's throws. */
  #tryOffer(waiting: Waiting): boolean {
    try {
      return this.#offer(waiting, this.#waiting.size + 1)
    } catch (error) {
      this.#lifecycle.onHandlerError(error)
      return true
    }
  }

  /** Null when the budget has no more. */
  #join(): Member | null {
    if (this.#budget !== null && !this.#budget.take(this)) {
      this.#most = this.#members.size
      return null
    }
    const member = this.#make()
    if (this.#refill !== null && this.#members.size === 0) queueMicrotask(() => this.#fill())
    const turns = this.#picker.rested !== undefined && this.#pipelining > 1
    if (turns || this.#idle !== null || this.#budget !== null) member.tellRest()
    this.#members.add(member)
    this.#picker.join(member)
    return member
  }

  #make(): Member {
    const { factory, client, clientTtl } = this.#options
    try {
      const dispatcher =
        factory === null ? new Client(this.#url, client) : factory(this.#url, client as DocumentedClientOptions)
      if (typeof dispatcher?.dispatch !== 'function')
        throw invalidOption('what factory returns', 'a Dispatcher', dispatcher)
      return new Member(dispatcher, { listener: this, tally: this.#tally, ttl: clientTtl })
    } catch (error) {
      this.#budget?.giveBack()
      throw error
    }
  }

  #assign(): void {
    while (this.#waiting.size > 0 && !this.#exhausted) {
      const next = this.#waiting.shift() as Waiting
      // Its handler hears of its end just now, and made room.
      if (next.done || this.#tryOffer(next)) continue
      this.#waiting.unshift(next)
      break
    }
  }

  /** Serves those who wait, in the order of their arrival. `freed`: who made room, for the event. */
  #serve(freed: readonly Dispatcher[] = []): void {
    if (this.#serving) return
    this.#serving = true
    try {
      this.#assign()
    } finally {
      this.#serving = false
    }
    const { patience } = this.#picker
    if (patience !== undefined && this.#waiting.size > 0 && !this.#exhausted) this.#waiting.wait(patience)
    if (this.#needDrain && this.#waiting.size === 0 && !this.#exhausted) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#url, freed)
    }
    if (this.#lifecycle.closed) this.#dismiss()
  }

  belongTo(owner: DispatcherOwner): boolean {
    return this.#lifecycle.belongTo(owner)
  }

  /** No request waits any longer for members that have been busy for long. */
  #hurry(): void {
    this.#picker.hurry?.()
    this.#serve()
  }

  #fill(): void {
    if (!this.#lifecycle.closed) this.warm(this.#options.minConnections).catch(() => {})
  }

  /** Lets one go that is idle. Who has just answered may be so before it is given the next request. */
  release(member: Member): void {
    if (!member.hasIdleConnection) return
    this.#part(member)
    closeIdle(member.dispatcher)
    queueMicrotask(() => this.#serve())
  }

  #part(member: Member): void {
    if (!this.#members.delete(member)) return
    this.#idle?.delete(member)
    this.#budget?.ending(member)
    this.#refill?.soon()
    this.#picker.leave(member)
    const left = member.leave()
    this.#leaving.set(member, left)
    left.then(() => {
      this.#leaving.delete(member)
      this.#budget?.ended()
    })
  }

  parts(): Iterable<Inspectable> {
    return [...this.#members, ...this.#leaving.keys()].map(({ dispatcher }) => dispatcher)
  }

  isSettled(): boolean {
    return this.#emptied
  }

  shutDown(): void {
    this.#dismiss()
  }

  /** Closes the members once nobody waits; they end what they have. */
  #dismiss(): void {
    if (this.#waiting.size > 0 || this.#emptied) return
    this.#refill?.stop()
    for (const member of [...this.#members]) this.#part(member)
    Promise.all(this.#leaving.values()).then(() => {
      this.#emptied = true
      this.#lifecycle.settle()
    })
  }

  tearDown(error: Error, done: () => void): void {
    this.#emptied = true
    this.#refill?.stop()
    this.#waiting.stop()
    if (this.#budget !== null) for (const member of [...this.#members]) this.#part(member)
    const members = [...this.#members, ...this.#leaving.keys()].map((member) => member.destroy(error))
    for (let next = this.#waiting.shift(); next !== null; next = this.#waiting.shift()) {
      this.#exchangeOf(next).endWith(error, UNSENT)
    }
    if (this.#needDrain) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#url, [])
    }
    Promise.all(members).then(done, done)
  }

  // What members tell

  onBusyCount(difference: number): void {
    this.#busy += difference
  }

  onMemberFree(member: Member, targets: readonly Dispatcher[]): void {
    if (!this.#members.has(member)) return
    this.#picker.freed(member)
    if (this.#budget?.claims(this)) this.#part(member)
    this.#serve(targets)
  }

  onMemberConnect(member: Member, origin: URL, targets: readonly Dispatcher[]): void {
    this.#picker.opened?.(member)
    this.#lifecycle.onConnect(origin, targets)
  }

  onMemberDisconnect(_member: Member, origin: URL, { targets, error }: Targets): void {
    this.#refill?.soon()
    this.#lifecycle.onDisconnect(origin, targets, error)
  }

  /** A client that can not connect makes room for another. */
  onMemberConnectionError(member: Member, origin: URL, { targets, error }: Targets): void {
    this.#part(member)
    this.#lifecycle.onConnectionError(origin, targets, error)
    queueMicrotask(() => this.#serve())
  }

  onMemberExpired(member: Member): void {
    this.#part(member)
    this.#serve()
  }

  onMemberClosed(member: Member): void {
    if (!this.#members.has(member)) return
    this.#part(member)
    queueMicrotask(() => this.#serve())
  }

  /** Of more than may be idle, those that have been for longest go. */
  onMemberResting(member: Member): void {
    if (!this.#members.has(member)) return
    this.#picker.rested?.(member)
    if (this.#budget !== null && !member.opened) {
      // It holds a place and has nothing to do with it.
      this.#part(member)
      return queueMicrotask(() => this.#serve())
    }
    this.#budget?.rests(member, this)
    const idle = this.#idle
    const { maxIdleConnections } = this.#options
    idle?.delete(member)
    idle?.add(member)
    if (idle === null || idle.size <= maxIdleConnections) return
    for (const one of idle) if (!one.hasIdleConnection) idle.delete(one)
    for (const one of idle) if (idle.size > maxIdleConnections) this.release(one)
  }

  // What handlers ask for while they wait

  onExchangeAborted(exchange: Exchange): void {
    if (this.#waiting.remove(exchange)) this.#serve()
  }

  onExchangePaused(): void {}

  onExchangeResumed(): void {}

  onHandlerError(error: unknown): void {
    this.#lifecycle.onHandlerError(error)
  }
}
