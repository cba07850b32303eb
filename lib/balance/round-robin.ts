import { now } from '../base/clock.js'
import { Heap, type HeapNode } from '../base/heap.js'
import { Queue } from '../base/queue.js'
import type { MemberPicker, PickableMember } from './member-picker.js'

/** What {@link RoundRobin} keeps of a member. */
export interface RoundRobinMember extends HeapNode {
  /** It had requests when it was put in its place. */
  loaded: boolean
  /** Requests it was given. */
  served: number
  /** Breaks ties: the one whose last turn is longest ago comes first. */
  order: number
  /** When it became busy, or connected after that; in ms. */
  since: number
  /** It has been busy for too long to wait for. */
  late: boolean
}

/** Turns that a member may miss behind a long request and take afterwards, one after the other. */
const MISSED = 32

/** For so many ms a queued request waits for a member that has been given fewer requests than those that are idle. */
const PATIENCE = 100

/**
 * The idle member that was given the fewest requests; when none is idle, the one with room for another that was given
 * the fewest. Requests that are queued are shared evenly: a member that has had its share of them waits for the others,
 * except for those that have been busy for long. Each call takes logarithmic time, amortized.
 */
export class RoundRobin<T extends PickableMember<T> & RoundRobinMember> implements MemberPicker<T> {
  /** Members with room. */
  readonly #ready = new Heap<T>(goesBefore)
  /** Members without, by `since`; those that are late are in neither. */
  readonly #busy = new Queue<T>()
  readonly #opensFirst: boolean
  readonly #now: () => number
  /** Members that are not late, and the requests they were given. */
  #members = 0
  #served = 0
  /** The most that any member had been given when it was picked. */
  #turn = 0
  #orders = 0

  /**
   * @param opensFirst all members join before one is picked twice; otherwise another joins only when all are busy
   * @param time ms
   */
  constructor(opensFirst: boolean, time = now) {
    this.#opensFirst = opensFirst
    this.#now = time
  }

  pick(full: boolean, queued: number): T | null {
    const { first } = this.#ready
    if (first === null || (!full && this.#opensFirst)) return null
    // One that is not queued goes to a member that is idle, whoever is due; so does one that would wait for nobody.
    if (queued === 0 || this.#busy.head === null) return first
    return first.served < (this.#served + queued) / this.#members ? first : null
  }

  get patience(): number {
    const { head } = this.#busy
    return head === null ? Number.POSITIVE_INFINITY : head.since + PATIENCE - this.#now()
  }

  hurry(): void {
    const latest = this.#now() - PATIENCE
    for (let { head } = this.#busy; head !== null && head.since <= latest; head = this.#busy.head) {
      this.#busy.remove(head)
      head.late = true
      this.#members--
      this.#served -= head.served
    }
  }

  join(member: T): void {
    member.served = this.#turn
    member.order = this.#orders++
    this.#members++
    this.#served += member.served
    this.#place(member)
  }

  used(member: T): void {
    if (member.served > this.#turn) this.#turn = member.served
    member.served++
    member.order = this.#orders++
    if (!member.late) this.#served++
    if (!member.busy) return this.#place(member)
    this.#ready.remove(member)
    this.#await(member)
  }

  opened(member: T): void {
    if (member.queue === this.#busy) this.#await(member)
  }

  freed(member: T): void {
    if (member.late) {
      member.late = false
      this.#members++
      this.#served += member.served
    }
    const missed = Math.max(0, this.#turn - MISSED - member.served)
    member.served += missed
    this.#served += missed
    this.#busy.remove(member)
    this.#place(member)
  }

  rested(member: T): void {
    if (member.index >= 0) this.#place(member)
  }

  leave(member: T): void {
    this.#ready.remove(member)
    this.#busy.remove(member)
    if (member.late) return
    this.#members--
    this.#served -= member.served
  }

  #place(member: T): void {
    member.loaded = !member.idle
    this.#ready.insertOrMove(member)
  }

  #await(member: T): void {
    this.#busy.remove(member)
    if (member.late) return
    member.since = this.#now()
    this.#busy.push(member)
  }
}

function goesBefore(a: RoundRobinMember, b: RoundRobinMember): boolean {
  if (a.loaded !== b.loaded) return b.loaded
  return a.served === b.served ? a.order < b.order : a.served < b.served
}
