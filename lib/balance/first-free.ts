import { Queue } from '../base/queue.js'
import type { MemberPicker, PickableMember } from './member-picker.js'

/**
 * One of those that are free: whoever became free `last`, so that work stays on few and the others can go idle, or
 * whoever has been free for the `longest`, so that all get their turn.
 */
export class FirstFree<T extends PickableMember<T>> implements MemberPicker<T> {
  readonly #free = new Queue<T>()
  readonly #order: 'last' | 'longest'

  constructor(order: 'last' | 'longest') {
    this.#order = order
  }

  pick(): T | null {
    let head = this.#free.head
    // Most keep their place when they are given a request; those that have no more room leave it now.
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
