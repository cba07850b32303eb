import { Queue } from '../base/queue.js'
import type { Pickable, Picker } from './picker.js'

/**
 * One of those that are free: whoever became free `last`, so that work stays on few and the others can go idle, or
 * whoever has been free for the `longest`, so that all get their turn.
 */
export class FirstFree<T extends Pickable<T>> implements Picker<T> {
  readonly #ready = new Queue<T>()
  readonly #order: 'last' | 'longest'

  constructor(order: 'last' | 'longest') {
    this.#order = order
  }

  pick(): T | null {
    return this.#ready.head
  }

  join(member: T): void {
    this.#ready.unshift(member)
  }

  used(member: T): void {
    if (member.busy) this.#ready.remove(member)
    else if (this.#order === 'longest' && this.#ready.remove(member)) this.#ready.push(member)
  }

  freed(member: T): void {
    if (member.queue !== null) return
    if (this.#order === 'last') this.#ready.unshift(member)
    else this.#ready.push(member)
  }

  leave(member: T): void {
    this.#ready.remove(member)
  }
}
