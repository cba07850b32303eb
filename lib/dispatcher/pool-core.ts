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

/** Parameters of {@link PoolCore}. */
export interface PoolCoreOptions {
  url: URL | string
  options: PoolOptions
  /** Class that the caller has created. */
  entry: unknown
  /** Creates the picker of the pool. */
  picker(options: ResolvedPoolOptions): MemberPicker<PoolMember>
}

/** Core of the pools of one origin: queues requests and assigns them to members. */
export class PoolCore implements DispatcherCore, PoolMembersOwner, ExchangeOwner, ForeignRequestOwner {
  readonly #lifecycle: Lifecycle
  readonly #url: URL
  readonly config: () => OriginConfig
  options?: object | undefined
  readonly #hasFactory: boolean
  readonly #maxQueued: number
  readonly #defaults: RequestDefaults
  readonly #pipelining: number
  readonly #members: PoolMembers
  readonly #counters = new RequestCounters()
  readonly #queue = new PoolQueue(this.#counters, () => this.#endFairnessWait())
  #needDrain = false
  #serving = false
  #closeComplete = false

  /** @throws {InvalidArgumentError} the url or an option is invalid */
  constructor(lifecycle: Lifecycle, given: PoolCoreOptions) {
    this.#lifecycle = lifecycle
    this.#url = parseOrigin(given.url)
    const resolved = resolvePoolOptions(given.options)
    this.#hasFactory = resolved.factory !== null
    this.#maxQueued = resolved.maxQueued
    // Invalid client options throw here, not when the first client is created. A shared connector keeps TLS sessions.
    const client = resolveClientOptions(resolved.client)
    const options = { ...resolved, client: { ...resolved.client, connect: client.connector } }
    const config = buildOriginConfig(this.#url, client)
    this.#defaults = config.defaults
    this.config = () => config
    this.#pipelining = config.pipelining
    if (!this.#hasFactory) shareOriginConfig(config, options.client)
    const picker = given.picker(resolved)
    const { pipelining } = config
    this.#members = new PoolMembers({
      url: this.#url,
      options,
      pipelining,
      picker,
      counters: this.#counters,
      owner: this,
    })
  }

  get origin(): string {
    return this.#url.origin
  }

  get stats(): PoolStats {
    return new PoolStats(this.#counters)
  }

  /** Opens connections until there are `count`, or as many as the limits allow. Resolves with their number. */
  async warm(count: number): Promise<number> {
    const { closedError } = this.#lifecycle
    if (closedError !== null) throw closedError
    await this.#members.warm(count)
    return this.#counters.connected
  }

  closeIdle(): void {
    this.#members.closeIdle()
  }

  countInto(parent: RequestCounters): void {
    this.#counters.attach(parent)
  }

  setBudget(budget: ConnectionBudget): void {
    this.#members.setBudget(budget)
  }

  setOwner(owner: DispatcherOwner): (() => void) | null {
    return this.#lifecycle.setOwner(owner)
  }

  get connectionCount(): number {
    return this.#members.size
  }

  get queueEmpty(): boolean {
    return this.#queue.size === 0
  }

  onBudgetAvailable(): void {
    this.#members.restoreLimit()
    this.#serveQueue()
  }

  closeIdleMember(member: PoolMember): void {
    this.#members.removeIfIdle(member)
  }

  send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const request = this.#createRequest(options, handler)
    const limited = this.#maxQueued < Number.POSITIVE_INFINITY
    if (limited && this.#queueFull) return this.#rejectQueueFull(request)
    if (this.#queue.size > 0 || !this.#tryAssign(request, 0)) {
      if (limited && this.#queueFull) return this.#rejectQueueFull(request)
      request.owner = this
      this.#updateOpening()
      this.#queue.push(request)
    }
    // Handlers may have sent requests that failed while the member of this one was reserved, so that members are free
    // now. And with another queued request the fair share of each member may be larger.
    if ((this.#queue.size > 0 || this.#needDrain) && !this.#members.exhausted) this.#serveQueue()
    if (this.#queue.size === 0 && !this.#members.exhausted) return true
    this.#needDrain = true
    return false
  }

  /** Validates the request here, once, unless a factory makes the clients: their options may differ. */
  #createRequest(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): QueuedRequest {
    if (this.#hasFactory) return createForeignRequest(options, handler, this.#defaults)
    return new Exchange(requestOf(options, this.#defaults), handler)
  }

  /** Whether `maxQueued` requests are queued, beyond those that all connections accept together. */
  get #queueFull(): boolean {
    const { queued, pending, running } = this.#counters
    const capacity = this.#members.limit * Math.max(1, this.#pipelining)
    return queued + pending + running - capacity >= this.#maxQueued && this.#members.exhausted
  }

  #rejectQueueFull(request: QueuedRequest): boolean {
    request.fail(new QueueFullError(`Request queue is full (maxQueued: ${this.#maxQueued})`), UNSENT_CONTEXT)
    this.#needDrain = true
    return false
  }

  /** Assigns a request. If a factory throws, fails the request, which may have been queued before, and returns true. */
  #tryAssign(request: QueuedRequest, queued: number): boolean {
    try {
      return this.#members.assign(request, queued)
    } catch (error) {
      request.fail(markCallerOwned(error) as Error, UNSENT_CONTEXT)
      return true
    }
  }

  #assignQueued(): void {
    while (this.#queue.size > 0 && !this.#members.exhausted && !this.#lifecycle.destroyed) {
      const next = this.#queue.shift() as QueuedRequest
      // A failed request is still queued while its handler is notified, and the handler may have freed a member.
      if (next.done || this.#tryAssign(next, this.#queue.size + 1)) continue
      this.#queue.unshift(next)
      break
    }
  }

  /**
   * Assigns queued requests to free members, first in first out.
   * @param freed dispatchers that became free: the targets of a `drain` event
   */
  #serveQueue(freed: readonly Dispatcher[] = []): void {
    // Requests that fail because the pool is destroyed free no members.
    if (this.#serving || this.#closeComplete || this.#lifecycle.destroyed) return
    this.#serving = true
    try {
      this.#assignQueued()
    } finally {
      this.#serving = false
    }
    const { fairnessWait, exhausted } = this.#members
    const queued = this.#queue.size > 0
    if (queued && !exhausted && fairnessWait !== undefined) this.#queue.startWait(fairnessWait)
    if (this.#needDrain && !queued && !exhausted) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#url, freed)
    }
    if (this.#lifecycle.closed) this.#closeMembers()
  }

  #endFairnessWait(): void {
    this.#members.endFairnessWait()
    this.#serveQueue()
  }

  /** Starts or stops `timeouts.connect` of queued requests, which runs while no connection is established. */
  #updateOpening(): void {
    const { connected, running } = this.#counters
    this.#queue.opening = this.#members.size > 0 && connected === 0 && running === 0
  }

  children(): Iterable<Inspectable> {
    return this.#members.dispatchers
  }

  isIdle(): boolean {
    return this.#queue.size === 0 && this.#members.idle
  }

  isCloseComplete(): boolean {
    return this.#closeComplete
  }

  onClose(): void {
    this.#members.stopReplacing()
    this.#closeMembers()
  }

  /** Closes the members once the queue is empty, after their requests in flight. */
  #closeMembers(): void {
    if (this.#queue.size > 0 || this.#closeComplete) return
    this.#members.closeAll().then(() => {
      // When a factory or a getter closed the pool, the request that it was called for has a member by now.
      if (this.#members.size > 0) return this.#closeMembers()
      this.#closeComplete = true
      this.#lifecycle.finishClose()
    })
  }

  onDestroy(error: Error, done: () => void): void {
    this.#closeComplete = true
    this.#queue.stop()
    const destroyed = this.#members.destroy(error)
    for (let next = this.#queue.shift(); next !== null; next = this.#queue.shift())
      next.failDestroyed(error, UNSENT_CONTEXT)
    if (this.#needDrain) {
      this.#needDrain = false
      this.#lifecycle.onDrain(this.#url, [])
    }
    destroyed.then(done, done)
  }

  // Events of members

  onSlotFree(): void {
    queueMicrotask(() => this.#serveQueue())
  }

  onMemberFree(member: PoolMember, targets: readonly Dispatcher[]): void {
    if (!member.inPool) return
    this.#members.onFree(member)
    this.#serveQueue(targets)
  }

  onMemberConnect(member: PoolMember, origin: URL, targets: readonly Dispatcher[]): void {
    this.#members.onConnected(member)
    this.#updateOpening()
    this.#lifecycle.onConnect(origin, targets)
  }

  onMemberDisconnect(_member: PoolMember, origin: URL, { targets, error }: Targets): void {
    this.#members.replaceLost()
    this.#updateOpening()
    this.#lifecycle.onDisconnect(origin, targets, error)
  }

  /** Removes a member that can not connect, so that another can be added. */
  onMemberConnectionError(member: PoolMember, origin: URL, { targets, error }: Targets): void {
    this.#members.remove(member)
    this.#lifecycle.onConnectionError(origin, targets, error)
    this.onSlotFree()
  }

  onMemberExpired(member: PoolMember): void {
    this.#members.remove(member)
    this.#serveQueue()
  }

  onMemberClosed(member: PoolMember): void {
    if (!member.inPool) return
    this.#members.remove(member)
    this.onSlotFree()
  }

  onMemberRequestStarted(): void {
    this.#updateOpening()
  }

  onMemberIdle(member: PoolMember): void {
    this.#members.onIdle(member)
  }

  // Calls of handlers whose request is queued

  onExchangeAborted(exchange: Exchange): void {
    if (this.#queue.remove(exchange)) this.#serveQueue()
  }

  onExchangePaused(): void {}

  onExchangeResumed(): void {}

  onForeignStart(): void {}

  onForeignEnding(request: ForeignRequest): void {
    this.#queue.remove(request)
  }

  onForeignEnded(): void {
    this.#serveQueue()
  }

  onHandlerError(error: unknown): void {
    this.#lifecycle.onHandlerError(error)
  }
}
