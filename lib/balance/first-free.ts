import { Queue } from '../base/queue.js'
import type { MemberPicker, PickableMember } from './member-picker.js'

/**
 * One of those that are free: whoever became free `last`, so that work stays on few and the others can go idle, or
 * whoever has been free for the `longest`, so that all get their turn.
 */
export class FirstFree<T extends PickableMember<T>> implements MemberPicker<T> {
  readonly #ready = new Queue<T>()
  readonly #order: 'last' | 'longest'

  constructor(order: 'last' | 'longest') {
    this.#order = order
  }

  pick(): T | null {
    let head = this.#ready.head
    // Most keep their place when they are given a request; those that have no more room leave it now.
    while (head?.busy) {
      this.#ready.remove(head)
      head = this.#ready.head
    }
    return head
  }

  join(member: T): void {
    this.#ready.unshift(member)
  }

  used(member: T): void {
    if (this.#order === 'longest') this.#ready.remove(member)
  }

  freed(member: T): void {
    if (this.#order === 'longest') {
      if (member.queue === null) this.#ready.push(member)
    } else if (this.#ready.head !== member) {
      this.#ready.remove(member)
      this.#ready.unshift(member)
    }
  }

  leave(member: T): void {
    this.#ready.remove(member)
  }
}
