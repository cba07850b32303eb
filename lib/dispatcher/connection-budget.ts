import { queueMicrotask } from '../base/clock.js'
import type { PoolMember } from './pool-member.js'

/** Pool whose connections are limited by a {@link ConnectionBudget}. */
export interface BudgetedPool {
  /** Number of connections, those that are being opened included. */
  readonly connectionCount: number
  /** Whether no request is queued. */
  readonly queueEmpty: boolean
  /** Called when the pool may acquire a connection again. */
  onBudgetAvailable(): void
  /** Closes the connection of a member if it is idle. */
  closeIdleMember(member: PoolMember): void
}

/**
 * Limits the total number of connections of several pools (`maxTotalConnections`). At the limit, a pool that needs
 * another connection causes the longest idle one to be closed. If none is idle, a pool closes its next free connection
 * when a waiting pool has none, or at least two fewer. Free capacity is granted to the waiting pool with the fewest
 * connections, among equals to the one that has waited longest.
 */
export class ConnectionBudget {
  readonly #limit: number
  /** Number of connections, those that are closing included. */
  #used = 0
  /** Number of connections that are closing. */
  #closing = 0
  /** Pool that free capacity was just granted to. */
  #nextPool: BudgetedPool | null = null
  readonly #waiting = new Set<BudgetedPool>()
  /** Members that may be idle, the longest idle first. */
  readonly #idle = new Map<PoolMember, BudgetedPool>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether another connection is available and no pool waits for one. */
  get hasCapacity(): boolean {
    return this.#used < this.#limit && this.#waiting.size === 0
  }

  /** Acquires a connection. Returns false if the pool must wait for `onBudgetAvailable`. */
  acquire(pool: BudgetedPool): boolean {
    if (this.hasCapacity || (this.#nextPool === pool && this.#used < this.#limit)) {
      this.#nextPool = null
      this.#used++
      return true
    }
    this.#waiting.add(pool)
    this.#closeOneIdle()
    return false
  }

  /** Returns an acquired connection to the budget. */
  release(): void {
    this.#used--
    this.#grant()
  }

  /** Called when a connection begins to close. */
  onClosing(member: PoolMember): void {
    this.#idle.delete(member)
    this.#closing++
  }

  /** Called when the socket of a closing connection is closed. */
  onClosed(): void {
    this.#closing--
    this.release()
  }

  /** Called when a member has no request. */
  onIdle(member: PoolMember, pool: BudgetedPool): void {
    this.#idle.delete(member)
    this.#idle.set(member, pool)
    if (this.#waiting.size > 0) this.#closeOneIdle()
  }

  /** Whether `pool` must close a connection that has become free, for a waiting pool. */
  mustYield(pool: BudgetedPool): boolean {
    if (this.#waiting.size === 0) return false
    const next = this.#neediest()
    if (next === null || next === pool || this.#closing >= this.#waiting.size) return false
    if (!pool.queueEmpty && next.connectionCount > 0 && pool.connectionCount <= next.connectionCount + 1) return false
    // Moves the pool behind the other waiting pools.
    if (this.#waiting.delete(pool)) this.#waiting.add(pool)
    return true
  }

  /** Deferred: the pool that acquires has not queued its request yet, and closing a connection notifies user code. */
  #closeOneIdle(): void {
    queueMicrotask(() => {
      if (this.#neediest() === null || this.#closing >= this.#waiting.size) return
      for (const [member, pool] of this.#idle) {
        this.#idle.delete(member)
        if (member.hasIdleConnection) return pool.closeIdleMember(member)
      }
    })
  }

  #grant(): void {
    while (this.#used < this.#limit) {
      const next = this.#neediest()
      if (next === null) return
      this.#waiting.delete(next)
      this.#nextPool = next
      next.onBudgetAvailable()
      this.#nextPool = null
    }
  }

  /** Returns the waiting pool with the fewest connections, and drops those without queued requests. */
  #neediest(): BudgetedPool | null {
    let fewest: BudgetedPool | null = null
    for (const pool of this.#waiting) {
      if (pool.queueEmpty) {
        this.#waiting.delete(pool)
        pool.onBudgetAvailable()
      } else if (fewest === null || pool.connectionCount < fewest.connectionCount) fewest = pool
    }
    return fewest
  }
}
