import { Queue } from '../base/queue.js'
import type { MemberPicker, PickableMember } from './member-picker.js'

/**
 * Picks a free member: the one that became free `last`, so that few members serve the load and the others become idle,
 * or the one that has been free the `longest`, so that all members take turns.
 */
export class FirstFree<T extends PickableMember<T>> implements MemberPicker<T> {
  readonly #free = new Queue<T>()
  readonly #order: 'last' | 'longest'

  constructor(order: 'last' | 'longest') {
    this.#order = order
  }

  pick(): T | null {
    let head = this.#free.head
    // With `last`, a member stays in the list when it is assigned a request. Busy members are removed here.
    while (head?.busy) {
      this.#free.remove(head)
      head = this.#free.head
    }
    return head
  }

  add(member: T): void {
    this.#free.unshift(member)
  }

  onAssigned(member: T): void {
    if (this.#order === 'longest') this.#free.remove(member)
  }

  onFree(member: T): void {
    if (this.#order === 'longest') {
      if (member.queue === null) this.#free.push(member)
    } else if (this.#free.head !== member) {
      this.#free.remove(member)
      this.#free.unshift(member)
    }
  }

  remove(member: T): void {
    this.#free.remove(member)
  }
}
