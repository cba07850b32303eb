import type { QueueNode } from '../base/queue.js'

/** What a picker has to know of a member. */
export interface PickableMember<T> extends QueueNode<T> {
  readonly busy: boolean
  /** It has no request. */
  readonly idle: boolean
}

/** Chooses who takes the next request. Every call takes constant time, or logarithmic in the number of members. */
export interface MemberPicker<T extends PickableMember<T>> {
  /**
   * Who is next, or null: another one should join or, when the pool is `full`, the request should wait.
   * @param queued requests in the queue of the pool, this one included; 0 for one that is not queued
   */
  pick(full: boolean, queued: number): T | null
  /** ms until queued requests need not wait longer for those that are due, by {@link endFairnessWait}. Default: they never wait. */
  readonly fairnessWait?: number
  /** Members that have been busy for long are waited for no longer. */
  endFairnessWait?(): void
  /** A new one. */
  add(member: T): void
  /** It has got a request. */
  onAssigned(member: T): void
  /** It is connected now. */
  onConnected?(member: T): void
  /** It takes requests again. */
  onFree(member: T): void
  /** It has no request any more. Not called for members that take one request at a time: those are freed then. */
  onIdle?(member: T): void
  /** It is not to be chosen any more. */
  remove(member: T): void
}
