import type { QueueNode } from '../base/queue.js'

/** State of a pool member that a {@link MemberPicker} reads. */
export interface PickableMember<T> extends QueueNode<T> {
  /** Whether the member accepts no more requests for now. */
  readonly busy: boolean
  /** Whether the member has no request. */
  readonly idle: boolean
}

/** Chooses the member of a pool for the next request. Every call takes constant or logarithmic time. */
export interface MemberPicker<T extends PickableMember<T>> {
  /**
   * Returns the member for the next request. Returns null when another member should be added or, if the pool is
   * `full`, when the request should be queued.
   * @param queued number of queued requests, this one included; 0 for a request that is not queued
   */
  pick(full: boolean, queued: number): T | null
  /**
   * Remaining time in ms for which queued requests wait for busy members that have served fewer requests; then
   * {@link endFairnessWait} must be called. Undefined: requests never wait for fairness.
   */
  readonly fairnessWait?: number
  /** Excludes members that have been busy too long from the fair share. */
  endFairnessWait?(): void
  /** Adds a new member. */
  add(member: T): void
  /** Called when a member is assigned a request. */
  onAssigned(member: T): void
  /** Called when the connection of a member is established. */
  onConnected?(member: T): void
  /** Called when a busy member accepts requests again. */
  onFree(member: T): void
  /** Called when a member has completed its last request. Not called without pipelining: `onFree` is called then. */
  onIdle?(member: T): void
  /** Removes a member: it is not picked any more. */
  remove(member: T): void
}
