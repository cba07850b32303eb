import { queueMicrotask } from '../base/clock.js'
import type { PoolMember } from './pool-member.js'

/** A pool that asks before it opens a connection. */
export interface BudgetedPool {
  /** Connections it has, or opens. */
  readonly connectionCount: number
  /** No request waits in it. */
  readonly queueEmpty: boolean
  /** It may ask again. */
  onBudgetAvailable(): void
  /** Lets go of one that is idle. */
  closeIdleMember(member: PoolMember): void
}

/**
 * The connections that many pools may have together. Who needs one more when there are no more gets the place of the
 * one that is idle for longest. When all work, a pool that has two more than another that waits, or one that waits with
 * none, gives up the next that has answered; a place that is free goes to whoever waits with fewest, the first of them.
 */
export class ConnectionBudget {
  readonly #limit: number
  #used = 0
  /** Places of connections that end. */
  #closing = 0
  /** Whose turn it is. */
  #nextPool: BudgetedPool | null = null
  readonly #waiting = new Set<BudgetedPool>()
  /** Those that rested and may still, the longest first. */
  readonly #idle = new Map<PoolMember, BudgetedPool>()

  constructor(most: number) {
    this.#limit = most
  }

  /** There is room, and nobody waits for it. */
  get hasCapacity(): boolean {
    return this.#used < this.#limit && this.#waiting.size === 0
  }

  /** A place for one more; false when it has to wait until it is `granted`. */
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

  /** A place that was taken is not needed. */
  release(): void {
    this.#used--
    this.#grant()
  }

  /** A connection is about to end. */
  onClosing(member: PoolMember): void {
    this.#idle.delete(member)
    this.#closing++
  }

  /** Its socket is closed. */
  onClosed(): void {
    this.#closing--
    this.release()
  }

  onIdle(member: PoolMember, pool: BudgetedPool): void {
    this.#idle.delete(member)
    this.#idle.set(member, pool)
    if (this.#waiting.size > 0) this.#closeOneIdle()
  }

  /** Whether `spender` must give up one that could take its next request. */
  mustYield(pool: BudgetedPool): boolean {
    if (this.#waiting.size === 0) return false
    const next = this.#neediest()
    if (next === null || next === pool || this.#closing >= this.#waiting.size) return false
    if (!pool.queueEmpty && next.connectionCount > 0 && pool.connectionCount <= next.connectionCount + 1) return false
    // It has had its turn.
    if (this.#waiting.delete(pool)) this.#waiting.add(pool)
    return true
  }

  /** Not at once: who asks has not queued its request yet, and what ends a connection tells users. */
  #closeOneIdle(): void {
    queueMicrotask(() => {
      if (this.#neediest() === null || this.#closing >= this.#waiting.size) return
      for (const [member, spender] of this.#idle) {
        this.#idle.delete(member)
        if (member.hasIdleConnection) return spender.closeIdleMember(member)
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

  /** Of those who wait, and still need to. */
  #neediest(): BudgetedPool | null {
    let fewest: BudgetedPool | null = null
    for (const spender of this.#waiting) {
      if (spender.queueEmpty) {
        this.#waiting.delete(spender)
        spender.onBudgetAvailable()
      } else if (fewest === null || spender.connectionCount < fewest.connectionCount) fewest = spender
    }
    return fewest
  }
}
