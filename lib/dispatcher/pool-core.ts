import type { MemberPicker } from '../balance/member-picker.js'
import { queueMicrotask } from '../base/clock.js'
import { RequestCounters } from '../base/request-counters.js'
import { markCallerOwned, QueueFullError, UNSENT_CONTEXT } from '../errors.js'
import { Exchange, type ExchangeOwner } from '../exchange/exchange.js'
import type { ForeignRequest, ForeignRequestOwner } from '../exchange/foreign-request.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import { createForeignRequest } from '../exchange/legacy-foreign-request.js'
import { type DispatchInput, type RequestDefaults, requestOf } from '../exchange/request.js'
import { resolveClientOptions } from './client-options.js'
import type { ConnectionBudget } from './connection-budget.js'
import type { Dispatcher } from './dispatcher.js'
import type { DispatcherCore, DispatcherOwner } from './dispatcher-core.js'
import type { Inspectable } from './inspect.js'
import type { Lifecycle } from './lifecycle.js'
import { parseOrigin } from './origin.js'
import { buildOriginConfig, type OriginConfig, shareOriginConfig } from './origin-config.js'
import type { PoolMember } from './pool-member.js'
import { PoolMembers, type PoolMembersOwner } from './pool-members.js'
import { type PoolOptions, type ResolvedPoolOptions, resolvePoolOptions } from './pool-options.js'
import { PoolQueue, type QueuedRequest } from './pool-queue.js'
import { PoolStats } from './stats.js'

type Targets = { targets: readonly Dispatcher[]; error: Error }

/** What a pool is made of. */
export interface PoolCoreOptions {
  url: URL | string
  options: PoolOptions
  picker(options: ResolvedPoolOptions): MemberPicker<PoolMember>
}

/** The private side of the pools of one origin: their members, their queue, their events, their end. */
export class PoolCore implements DispatcherCore, PoolMembersOwner, ExchangeOwner, ForeignRequestOwner {
  readonly #lifecycle: Lifecycle
  readonly #url: URL
  readonly config: () => OriginConfig
  readonly #hasFactory: boolean
  readonly #maxQueued: number
  readonly #defaults: RequestDefaults
  readonly #pipelining: number
  readonly #members: PoolMembers
  readonly #tally = new RequestCounters()
  readonly #waiting = new PoolQueue(this.#tally, () => this.#hurry())
  #needDrain = false
  #serving = false
  #emptied = false

  /** @throws {InvalidArgumentError} the url or an option is not what is documented */
  constructor(lifecycle: Lifecycle, parts: PoolCoreOptions) {
    this.#lifecycle = lifecycle
    this.#url = parseOrigin(parts.url)
    const resolved = resolvePoolOptions(parts.options)
    this.#hasFactory = resolved.factory !== null
    this.#maxQueued = resolved.maxQueued
    // A bad option of the clients is told of now, not when the first is made; one connector keeps the TLS sessions.
    const client = resolveClientOptions(resolved.client)
    const options = { ...resolved, client: { ...resolved.client, connect: client.connector } }
    const config = buildOriginConfig(this.#url, client)
    this.#defaults = config.defaults
    this.config = () => config
    this.#pipelining = config.pipelining
    if (!this.#hasFactory) shareOriginConfig(config, options.client)
    const picker = parts.picker(resolved)
    const { pipelining } = config
    this.#members = new PoolMembers({ url: this.#url, options, pipelining, picker, tally: this.#tally, owner: this })
  }

  get origin(): string {
    return this.#url.origin
  }

  get stats(): PoolStats {
    return new PoolStats(this.#tally)
  }

  /** Opens connections until there are `count`, or as many as may be, and counts them. */
  async warm(count: number): Promise<number> {
    const { closedError } = this.#lifecycle
    if (closedError !== null) throw closedError
    await this.#members.warm(count)
    return this.#tally.connected
  }

  closeIdle(): void {
    this.#members.closeIdle()
  }

  countIn(parent: RequestCounters): void {
    this.#tally.attach(parent)
  }

  limitBy(budget: ConnectionBudget): void {
    this.#members.limitBy(budget)
  }

  belongTo(owner: DispatcherOwner): (() => void) | null {
    return this.#lifecycle.belongTo(owner)
  }

  get held(): number {
    return this.#members.size
  }

  get content(): boolean {
    return this.#waiting.size === 0
  }

  granted(): void {
    this.#members.granted()
    this.#serve()
  }

  release(member: PoolMember): void {
    this.#members.release(member)
  }

  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const waiting = this.#take(options, handler)
    const limited = this.#maxQueued < Number.POSITIVE_INFINITY
    if (limited && this.#overfull) return this.#turnAway(waiting)
    if (this.#waiting.size > 0 || !this.#offer(waiting, 0)) {
      if (limited && this.#overfull) return this.#turnAway(waiting)
      if (waiting instanceof Exchange) waiting.owner = this
      else waiting.owner = this
      this.#checkOpening()
      this.#waiting.push(waiting)
    }
    // Handlers may have sent others, which may have failed, while a member was reserved that has capacity after all; and
    // with one more in the queue the share of each member may be larger.
    if ((this.#waiting.size > 0 || this.#needDrain) && !this.#members.exhausted) this.#serve()
    if (this.#waiting.size === 0 && !this.#members.exhausted) return true
    this.#needDrain = true
    return false
  }

  /** Checked here, once, unless a factory makes the clients: it may give them other options. */
  #take(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): QueuedRequest {
    if (this.#hasFactory) return createForeignRequest(options, handler, this.#defaults)
    return new Exchange(requestOf(options, this.#defaults), handler)
  }

  /** As many wait as may, beyond those that all connections together take at once. */
  get #overfull(): boolean {
    const { queued, pending, running } = this.#tally
    const places = this.#members.most * Math.max(1, this.#pipelining)
    return queued + pending + running - places >= this.#maxQueued && this.#members.exhausted
  }

  #turnAway(waiting: QueuedRequest): boolean {
    waiting.fail(new QueueFullError(`${this.#maxQueued} requests wait already`), UNSENT_CONTEXT)
    this.#needDrain = true
    return false
  }

  /** Fails the request with what a factory throws: it may have waited, and has time limits. Returns true then. */
  #offer(waiting: QueuedRequest, queued: number): boolean {
    try {
      return this.#members.offer(waiting, queued)
    } catch (error) {
      waiting.fail(markCallerOwned(error) as Error, UNSENT_CONTEXT)
      return true
    }
  }

  #assign(): void {
    while (this.#waiting.size > 0 && !this.#members.exhausted && !this.#lifecycle.destroyed) {
      const next = this.#waiting.shift() as QueuedRequest
      // Its handler hears of its end just now, and made room.
      if (next.done || this.#offer(next, this.#waiting.size + 1)) continue
      this.#waiting.unshift(next)
      break
    }
  }

  /** Serves those who wait, in the order of their arrival. `freed`: who made room, for the event. */
  #serve(freed: readonly Dispatcher[] = []): void {
    // Requests that end because the pool is destroyed make no room for others.
    if (this.#serving || this.#emptied || this.#lifecycle.destroyed) return
    this.#serving = true
    try {
      this.#assign()
    } finally {
      this.#serving = false
    }
    const { patience, exhausted } = this.#members
    const queued = this.#waiting.size > 0
    if (queued && !exhausted && patience !== undefined) this.#waiting.wait(patience)
    if (this.#needDrain && !queued && !exhausted) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#url, freed)
    }
    if (this.#lifecycle.closed) this.#dismiss()
  }

  /** No request waits any longer for members that have been busy for long. */
  #hurry(): void {
    this.#members.hurry()
    this.#serve()
  }

  /** Tells queued requests whether they wait for a connection to be opened: that has a limit of its own. */
  #checkOpening(): void {
    const { connected, running } = this.#tally
    this.#waiting.opening = this.#members.size > 0 && connected === 0 && running === 0
  }

  parts(): Iterable<Inspectable> {
    return this.#members.dispatchers
  }

  isIdle(): boolean {
    return this.#waiting.size === 0 && this.#members.idle
  }

  isSettled(): boolean {
    return this.#emptied
  }

  shutDown(): void {
    this.#members.stop()
    this.#dismiss()
  }

  /** Closes the members once nobody waits; they end what they have. */
  #dismiss(): void {
    if (this.#waiting.size > 0 || this.#emptied) return
    this.#members.partAll().then(() => {
      // A factory or a getter may have closed the pool: the request that it belongs to has a member by now.
      if (this.#members.size > 0) return this.#dismiss()
      this.#emptied = true
      this.#lifecycle.settle()
    })
  }

  tearDown(error: Error, done: () => void): void {
    this.#emptied = true
    this.#waiting.stop()
    const destroyed = this.#members.destroy(error)
    for (let next = this.#waiting.shift(); next !== null; next = this.#waiting.shift())
      next.failDestroyed(error, UNSENT_CONTEXT)
    if (this.#needDrain) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#url, [])
    }
    destroyed.then(done, done)
  }

  // What members report

  onPlaceFree(): void {
    queueMicrotask(() => this.#serve())
  }

  onMemberFree(member: PoolMember, targets: readonly Dispatcher[]): void {
    if (!member.joined) return
    this.#members.freed(member)
    this.#serve(targets)
  }

  onMemberConnect(member: PoolMember, origin: URL, targets: readonly Dispatcher[]): void {
    this.#members.opened(member)
    this.#checkOpening()
    this.#lifecycle.onConnect(origin, targets)
  }

  onMemberDisconnect(_member: PoolMember, origin: URL, { targets, error }: Targets): void {
    this.#members.refill()
    this.#checkOpening()
    this.#lifecycle.onDisconnect(origin, targets, error)
  }

  /** A client that can not connect makes room for another. */
  onMemberConnectionError(member: PoolMember, origin: URL, { targets, error }: Targets): void {
    this.#members.part(member)
    this.#lifecycle.onConnectionError(origin, targets, error)
    this.onPlaceFree()
  }

  onMemberExpired(member: PoolMember): void {
    this.#members.part(member)
    this.#serve()
  }

  onMemberClosed(member: PoolMember): void {
    if (!member.joined) return
    this.#members.part(member)
    this.onPlaceFree()
  }

  onMemberStarted(): void {
    this.#checkOpening()
  }

  onMemberResting(member: PoolMember): void {
    this.#members.rested(member)
  }

  // What handlers ask for while they wait

  onExchangeAborted(exchange: Exchange): void {
    if (this.#waiting.remove(exchange)) this.#serve()
  }

  onExchangePaused(): void {}

  onExchangeResumed(): void {}

  onForeignStart(): void {}

  onForeignEnding(request: ForeignRequest): void {
    this.#waiting.remove(request)
  }

  onForeignEnded(): void {
    this.#serve()
  }

  onHandlerError(error: unknown): void {
    this.#lifecycle.onHandlerError(error)
  }
}
