import type { QueueNode } from '../base/queue.js'

/** What a picker has to know of a member. */
export interface Pickable<T> extends QueueNode<T> {
  readonly busy: boolean
}

/** Chooses who takes the next request. Every call takes constant time. */
export interface Picker<T extends Pickable<T>> {
  /** Who is next, or null: another one should join or, when the pool is `full`, the request should wait. */
  pick(full: boolean): T | null
  /** A new one. */
  join(member: T): void
  /** It has got a request. */
  used(member: T): void
  /** It takes requests again. */
  freed(member: T): void
  /** It is not to be chosen any more. */
  leave(member: T): void
}
