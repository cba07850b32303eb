import { queueMicrotask } from '../base/clock.js'
import type { PoolMember } from './pool-member.js'

/** A pool that asks before it opens a connection. */
export interface Spender {
  /** Connections it has, or opens. */
  readonly held: number
  /** No request waits in it. */
  readonly content: boolean
  /** It may ask again. */
  granted(): void
  /** Lets go of one that is idle. */
  release(member: PoolMember): void
}

/**
 * The connections that many pools may have together. Who needs one more when there are no more gets the place of the
 * one that is idle for longest. When all work, a pool that has two more than another that waits, or one that waits with
 * none, gives up the next that has answered; a place that is free goes to whoever waits with fewest, the first of them.
 */
export class ConnectionBudget {
  readonly #most: number
  #held = 0
  /** Places of connections that end. */
  #ending = 0
  /** Whose turn it is. */
  #turn: Spender | null = null
  readonly #waiting = new Set<Spender>()
  /** Those that rested and may still, the longest first. */
  readonly #idle = new Map<PoolMember, Spender>()

  constructor(most: number) {
    this.#most = most
  }

  /** There is room, and nobody waits for it. */
  get spare(): boolean {
    return this.#held < this.#most && this.#waiting.size === 0
  }

  /** A place for one more; false when it has to wait until it is `granted`. */
  take(spender: Spender): boolean {
    if (this.spare || (this.#turn === spender && this.#held < this.#most)) {
      this.#turn = null
      this.#held++
      return true
    }
    this.#waiting.add(spender)
    this.#makeRoom()
    return false
  }

  /** A place that was taken is not needed. */
  giveBack(): void {
    this.#held--
    this.#grant()
  }

  /** A connection is about to end. */
  ending(member: PoolMember): void {
    this.#idle.delete(member)
    this.#ending++
  }

  /** Its socket is closed. */
  ended(): void {
    this.#ending--
    this.giveBack()
  }

  rests(member: PoolMember, spender: Spender): void {
    this.#idle.delete(member)
    this.#idle.set(member, spender)
    if (this.#waiting.size > 0) this.#makeRoom()
  }

  /** Whether `spender` must give up one that could take its next request. */
  claims(spender: Spender): boolean {
    if (this.#waiting.size === 0) return false
    const next = this.#next()
    if (next === null || next === spender || this.#ending >= this.#waiting.size) return false
    if (!spender.content && next.held > 0 && spender.held <= next.held + 1) return false
    // It has had its turn.
    if (this.#waiting.delete(spender)) this.#waiting.add(spender)
    return true
  }

  /** Not at once: who asks has not queued its request yet, and what ends a connection tells users. */
  #makeRoom(): void {
    queueMicrotask(() => {
      if (this.#next() === null || this.#ending >= this.#waiting.size) return
      for (const [member, spender] of this.#idle) {
        this.#idle.delete(member)
        if (member.hasIdleConnection) return spender.release(member)
      }
    })
  }

  #grant(): void {
    while (this.#held < this.#most) {
      const next = this.#next()
      if (next === null) return
      this.#waiting.delete(next)
      this.#turn = next
      next.granted()
      this.#turn = null
    }
  }

  /** Of those who wait, and still need to. */
  #next(): Spender | null {
    let fewest: Spender | null = null
    for (const spender of this.#waiting) {
      if (spender.content) {
        this.#waiting.delete(spender)
        spender.granted()
      } else if (fewest === null || spender.held < fewest.held) fewest = spender
    }
    return fewest
  }
}
