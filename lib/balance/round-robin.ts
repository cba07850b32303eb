import { now } from '../base/clock.js'
import { Heap, type HeapNode } from '../base/heap.js'
import { Queue } from '../base/queue.js'
import type { MemberPicker, PickableMember } from './member-picker.js'

/** State of a pool member that {@link RoundRobin} keeps. */
export interface RoundRobinMember extends HeapNode {
  /** Whether it had requests when it was last placed in the heap. */
  hadRequests: boolean
  /** Number of requests that it was assigned. */
  served: number
  /** Breaks ties: the member with the smallest number was assigned a request longest ago. */
  order: number
  /** Time in ms at which it became busy, or was connected after that. */
  busySince: number
  /** Whether it has been busy too long for queued requests to wait for it. */
  overdue: boolean
}

/** Number of turns that a member may miss during a long request and make up for afterwards. */
const MAX_MISSED_TURNS = 32

/**
 * Longest time in ms that a queued request waits for a busy member that has served fewer requests than the idle ones.
 */
const MAX_FAIRNESS_WAIT = 100

/**
 * Picks the idle member that has served the fewest requests or, if no member is idle, the free member that has. Queued
 * requests are distributed evenly: a member that has served its fair share is not picked until the others have caught
 * up, except those that have been busy too long. Each call takes amortized logarithmic time.
 */
export class RoundRobin<T extends PickableMember<T> & RoundRobinMember> implements MemberPicker<T> {
  /** Members that accept another request. */
  readonly #free = new Heap<T>(isPreferred)
  /** Busy members, ordered by `busySince`. Overdue members are neither here nor in the heap. */
  readonly #busy = new Queue<T>()
  readonly #openAllFirst: boolean
  readonly #now: () => number
  /** Number of members that are not overdue, and of the requests that they were assigned. */
  #memberCount = 0
  #totalServed = 0
  /** Largest `served` of a member at the time it was picked. */
  #maxServed = 0
  #nextOrder = 0

  /**
   * @param openAllFirst whether the pool adds all its members before it uses one twice; otherwise only when all are
   *   busy
   * @param time returns the current time in ms
   */
  constructor(openAllFirst: boolean, time = now) {
    this.#openAllFirst = openAllFirst
    this.#now = time
  }

  pick(full: boolean, queued: number): T | null {
    const { first } = this.#free
    if (first === null || (!full && this.#openAllFirst)) return null
    // A request that is not queued takes any idle member, and so does one when there is no busy member to wait for.
    if (queued === 0 || this.#busy.head === null) return first
    return first.served < (this.#totalServed + queued) / this.#memberCount ? first : null
  }

  get fairnessWait(): number {
    const { head } = this.#busy
    return head === null ? Number.POSITIVE_INFINITY : head.busySince + MAX_FAIRNESS_WAIT - this.#now()
  }

  endFairnessWait(): void {
    const latest = this.#now() - MAX_FAIRNESS_WAIT
    for (let { head } = this.#busy; head !== null && head.busySince <= latest; head = this.#busy.head) {
      this.#busy.remove(head)
      head.overdue = true
      this.#memberCount--
      this.#totalServed -= head.served
    }
  }

  add(member: T): void {
    member.served = this.#maxServed
    member.order = this.#nextOrder++
    this.#memberCount++
    this.#totalServed += member.served
    this.#markFree(member)
  }

  onAssigned(member: T): void {
    if (member.served > this.#maxServed) this.#maxServed = member.served
    member.served++
    member.order = this.#nextOrder++
    if (!member.overdue) this.#totalServed++
    if (!member.busy) return this.#markFree(member)
    this.#free.remove(member)
    this.#markBusy(member)
  }

  onConnected(member: T): void {
    if (member.queue === this.#busy) this.#markBusy(member)
  }

  onFree(member: T): void {
    if (member.overdue) {
      member.overdue = false
      this.#memberCount++
      this.#totalServed += member.served
    }
    const missed = Math.max(0, this.#maxServed - MAX_MISSED_TURNS - member.served)
    member.served += missed
    this.#totalServed += missed
    this.#busy.remove(member)
    this.#markFree(member)
  }

  onIdle(member: T): void {
    if (member.index >= 0) this.#markFree(member)
  }

  remove(member: T): void {
    this.#free.remove(member)
    this.#busy.remove(member)
    if (member.overdue) return
    this.#memberCount--
    this.#totalServed -= member.served
  }

  #markFree(member: T): void {
    member.hadRequests = !member.idle
    this.#free.insertOrMove(member)
  }

  #markBusy(member: T): void {
    this.#busy.remove(member)
    if (member.overdue) return
    member.busySince = this.#now()
    this.#busy.push(member)
  }
}

function isPreferred(a: RoundRobinMember, b: RoundRobinMember): boolean {
  if (a.hadRequests !== b.hadRequests) return b.hadRequests
  return a.served === b.served ? a.order < b.order : a.served < b.served
}
