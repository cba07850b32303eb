import { now } from '../base/clock.js'
import { Heap, type HeapNode } from '../base/heap.js'
import { Queue } from '../base/queue.js'
import type { MemberPicker, PickableMember } from './member-picker.js'

/** What {@link RoundRobin} keeps of a member. */
export interface RoundRobinMember extends HeapNode {
  /** It had requests when it was put in its place. */
  hadRequests: boolean
  /** Requests it was given. */
  served: number
  /** Breaks ties: the one whose last turn is longest ago comes first. */
  order: number
  /** When it became busy, or connected after that; in ms. */
  busySince: number
  /** It has been busy for too long to wait for. */
  overdue: boolean
}

/** Turns that a member may miss behind a long request and take afterwards, one after the other. */
const MAX_MISSED_TURNS = 32

/** For so many ms a queued request waits for a member that has been given fewer requests than those that are idle. */
const MAX_FAIRNESS_WAIT = 100

/**
 * The idle member that was given the fewest requests; when none is idle, the one with room for another that was given
 * the fewest. Requests that are queued are shared evenly: a member that has had its share of them waits for the others,
 * except for those that have been busy for long. Each call takes logarithmic time, amortized.
 */
export class RoundRobin<T extends PickableMember<T> & RoundRobinMember> implements MemberPicker<T> {
  /** Members with room. */
  readonly #free = new Heap<T>(isPreferred)
  /** Members without, by `since`; those that are late are in neither. */
  readonly #busy = new Queue<T>()
  readonly #openAllFirst: boolean
  readonly #now: () => number
  /** Members that are not late, and the requests they were given. */
  #memberCount = 0
  #totalServed = 0
  /** The most that any member had been given when it was picked. */
  #maxServed = 0
  #nextOrder = 0

  /**
   * @param opensFirst all members join before one is picked twice; otherwise another joins only when all are busy
   * @param time ms
   */
  constructor(opensFirst: boolean, time = now) {
    this.#openAllFirst = opensFirst
    this.#now = time
  }

  pick(full: boolean, queued: number): T | null {
    const { first } = this.#free
    if (first === null || (!full && this.#openAllFirst)) return null
    // One that is not queued goes to a member that is idle, whoever is due; so does one that would wait for nobody.
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
