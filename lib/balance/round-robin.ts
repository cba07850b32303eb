import { Queue } from '../base/queue.js'
import type { Pickable, Picker } from './picker.js'

/**
 * Everyone in turn, once all have joined. The turn is kept even when the next one is busy: only that gives each the
 * same share, however fast the others are.
 */
export class RoundRobin<T extends Pickable<T>> implements Picker<T> {
  readonly #ring = new Queue<T>()

  pick(full: boolean): T | null {
    return full ? this.#ring.head : null
  }

  join(member: T): void {
    this.#ring.push(member)
  }

  used(member: T): void {
    if (this.#ring.remove(member)) this.#ring.push(member)
  }

  freed(): void {}

  leave(member: T): void {
    this.#ring.remove(member)
  }
}
