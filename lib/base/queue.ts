/** An element carries its own links: standing in a queue takes no memory, and leaving from anywhere is O(1). */
export interface QueueNode<T> {
  previous: T | null
  next: T | null
  /** The queue it stands in. */
  queue: unknown
}

/** First in, first out. An element stands in one queue at a time. */
export class Queue<T extends QueueNode<T>> {
  #head: T | null = null
  #tail: T | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  get head(): T | null {
    return this.#head
  }

  get tail(): T | null {
    return this.#tail
  }

  push(node: T): void {
    this.#markQueued(node)
    node.previous = this.#tail
    if (this.#tail === null) this.#head = node
    else this.#tail.next = node
    this.#tail = node
  }

  /** Puts an element before all others. */
  unshift(node: T): void {
    this.#markQueued(node)
    node.next = this.#head
    if (this.#head === null) this.#tail = node
    else this.#head.previous = node
    this.#head = node
  }

  shift(): T | null {
    const node = this.#head
    if (node !== null) this.remove(node)
    return node
  }

  /** Returns false when the element does not stand here. */
  remove(node: T): boolean {
    if (node.queue !== this) return false
    const { previous, next } = node
    if (previous === null) this.#head = next
    else previous.next = next
    if (next === null) this.#tail = previous
    else next.previous = previous
    node.previous = null
    node.next = null
    node.queue = null
    this.#size--
    return true
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let node = this.#head; node !== null; node = node.next) yield node
  }

  #markQueued(node: T): void {
    if (node.queue !== null) throw new Error('the element is already in a queue')
    node.queue = this
    this.#size++
  }
}
